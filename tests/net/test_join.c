/* SPDX-License-Identifier: MIT */
/* What a user relies on who invites an unrelated program into the family. */
#include "peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "net/net.h"

static const covey_listener_opts inviting = {.invite = 1};

struct both {
	covey_queue q;
	covey_lock lock;
};

/* Whether a process is listed under a name. */
static bool listed(pid_t pid, const char *name)
{
	covey_process_info infos[4];
	int n = covey_family_processes(infos, 4);

	for (int i = 0; i < n && i < 4; i++)
		if (infos[i].pid == pid)
			return strcmp(infos[i].name, name) == 0;
	return false;
}

static void a_stranger_uses_what_it_is_sent(void **state)
{
	covey_listener *l = listening("unix:", &inviting);
	pid_t pid = run_peer("join", covey_listener_address(l), NULL), seen[2];
	covey_connection *c = accepted(l);
	struct both both;
	covey_usage usage;

	HARNESS_EVENTUALLY(listed(pid, "peer")); /* its program's name */
	assert_true(listed(getpid(), "main"));
	memset(&both, 0, sizeof both);
	assert_int_equal(covey_queue_create(&both.q, NULL), 0);
	assert_int_equal(covey_lock_create(&both.lock, NULL), 0);
	assert_int_equal(covey_connection_send(c, &both, sizeof both, COVEY_FOREVER), 0);
	/* It, and a process that it started. */
	assert_int_equal(covey_get(both.q, &seen[0], COVEY_FOREVER), 0);
	assert_int_equal(covey_get(both.q, &seen[1], COVEY_FOREVER), 0);
	assert_int_equal(seen[0], pid);
	assert_int_not_equal(seen[1], pid);
	assert_int_equal(peer_ended(pid), 0);
	assert_int_equal(covey_usage_get(&usage), 0);
	assert_int_equal(usage.processes, 1);
	covey_connection_close(c);
	covey_listener_close(l);
	assert_int_equal(covey_queue_destroy(both.q), 0);
	assert_int_equal(covey_lock_destroy(both.lock), 0);
}

static void a_stranger_that_dies_wedges_nobody(void **state)
{
	covey_listener *l = listening("unix:", &inviting);
	pid_t pid = run_peer("join-die", covey_listener_address(l), NULL), seen;
	covey_connection *c = accepted(l);
	struct both both;
	char buf[1];

	memset(&both, 0, sizeof both);
	assert_int_equal(covey_queue_create(&both.q, NULL), 0);
	assert_int_equal(covey_lock_create(&both.lock, NULL), 0);
	assert_int_equal(covey_connection_send(c, &both, sizeof both, COVEY_FOREVER), 0);
	assert_int_equal(covey_get(both.q, &seen, COVEY_FOREVER), 0);
	assert_int_equal(covey_lock_acquire(both.lock, COVEY_FOREVER), COVEY_OWNER_DIED);
	assert_int_equal(covey_lock_release(both.lock), 0);
	assert_int_equal(covey_connection_receive(c, buf, 1, COVEY_FOREVER), -EPIPE);
	assert_int_equal(peer_ended(pid), 128 + SIGKILL);
	covey_connection_close(c);
	covey_listener_close(l);
	assert_int_equal(covey_queue_destroy(both.q), 0);
	assert_int_equal(covey_lock_destroy(both.lock), 0);
}

static void the_uninvited_are_refused(void **state)
{
	covey_listener *l = listening("unix:", NULL);
	pid_t pid = run_peer("join", covey_listener_address(l), NULL);
	covey_connection *c = NULL;
	covey_connect_opts key = {.key = "k", .key_len = 1};

	assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EPERM);
	assert_int_equal(peer_ended(pid), EPERM);
	covey_listener_close(l);
	assert_int_equal(covey_join_family(&c, "tcp:127.0.0.1:1", &key, 0), -EINVAL);
	assert_int_equal(
		covey_listener_open(&l, "tcp:127.0.0.1:0",
	                            &(covey_listener_opts){.key = "k", .key_len = 1, .invite = 1}),
		-EINVAL);
	/* Who comes to connect is welcome with one that invites. */
	l = listening("unix:", &inviting);
	pid = run_peer("echo", covey_listener_address(l), NULL);
	covey_connection_close(accepted(l));
	assert_int_equal(peer_ended(pid), 0);
	/* Who has a family keeps it. */
	assert_int_equal(covey_join_family(&c, covey_listener_address(l), NULL, 0), -EEXIST);
	assert_null(c);
	covey_listener_close(l);
}

/* ---- what is handed out is looked at before it is believed */

struct giver {
	int listening, gift;
};

static void *give(void *arg)
{
	struct giver *g = arg;
	int fd = accept4(g->listening, NULL, NULL, SOCK_CLOEXEC);
	struct cvy_handshake h;
	char c;

	cvy_exchange_begin(&h, fd, CVY_LISTENER, CVY_CONNECT, (struct cvy_key){NULL, 0});
	while (cvy_exchange_go_on(&h, fd) == 0)
		cvy_wait_fd(fd, 1, CVY_NEVER);
	cvy_send_few(fd, &(char){CVY_FAMILY}, 1, g->gift);
	while (recv(fd, &c, 1, 0) > 0)
		continue;
	close(fd);
	return NULL;
}

static int join_by(int gift)
{
	struct giver g = {.gift = gift};
	struct cvy_address address;
	char text[CVY_ADDRESS_MAX];
	covey_connection *c = NULL;
	pthread_t thread;
	int rc;

	assert_int_equal(cvy_address_read(&address, "unix:", true, "test"), 0);
	g.listening = cvy_address_listen(&address);
	assert_true(g.listening >= 0);
	fcntl(g.listening, F_SETFL, 0);
	cvy_address_write(text, &address);
	pthread_create(&thread, NULL, give, &g);
	rc = covey_join_family(&c, text, NULL, COVEY_FOREVER);
	pthread_join(thread, NULL);
	close(g.listening);
	close(gift);
	assert_null(c);
	return rc;
}

static int file(off_t size, int seals)
{
	int fd = memfd_create("gift", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void a_false_family_is_not_believed(void **state)
{
	const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	uint32_t head[4] = {0x72617663, 0x30616e65, 999, 0};
	uint64_t sizes[2] = {UINT64_C(1) << 30, UINT64_C(1) << 25};
	int fd;

	/* The words of the stamp are those of layout.h: magic, version, fingerprint, size, range.
	 */
	memcpy(head, &(uint64_t){UINT64_C(0x30616e6572617663)}, 8);
	assert_int_equal(join_by(open("/dev/null", O_RDWR | O_CLOEXEC)), -EBADMSG);
	assert_int_equal(join_by(file(1 << 30, 0)), -EBADMSG);
	assert_int_equal(join_by(file(1 << 30, F_SEAL_SHRINK)), -EBADMSG);
	assert_int_equal(join_by(file(4096, all)), -EBADMSG);
	assert_int_equal(join_by(file(1 << 30, all)), -EBADMSG);
	fd = file(1 << 30, all);
	assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
	assert_int_equal(pwrite(fd, sizes, sizeof sizes, sizeof head), sizeof sizes);
	assert_int_equal(join_by(fd), -EPROTONOSUPPORT);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_stranger_uses_what_it_is_sent),
	HARNESS_TEST(a_stranger_that_dies_wedges_nobody),
	HARNESS_TEST(the_uninvited_are_refused),
	HARNESS_TEST(a_false_family_is_not_believed),
};
HARNESS_MAIN(tests)
