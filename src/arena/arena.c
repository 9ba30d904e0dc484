/* SPDX-License-Identifier: MIT */
/* The mapping: making the family's memory file, attaching to it, backing and punching it. */
#include "arena/layout.h"
#include "base/notify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* The address space to ask for; where it is not to be had, half of it, and so on. */
#if CVY_THREAD_SANITIZER
#define SIZE_MOST (UINT64_C(256) << 30) /* its shadow memory leaves a program little room */
#else
#define SIZE_MOST (UINT64_C(2) << 40)
#endif
#define SIZE_LEAST (UINT64_C(1) << 30)
#define OBJECT_SLOTS_MOST (UINT32_C(1) << 20)

unsigned char *cvy_base;
uint64_t cvy_size;
unsigned cvy_range_shift;
struct cvy_object *cvy_objects;
uint32_t cvy_object_capacity;

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static uint64_t wanted_quota;
static int arena_fd = -1;
static struct stat arena_stat;

static uint32_t fingerprint(void)
{
	const uint32_t parts[] = {sizeof(struct arena_header),
	                          sizeof(struct cvy_object),
	                          sizeof(struct cvy_proc),
	                          sizeof(pthread_mutex_t),
	                          CVY_KINDS,
	                          sizeof(void *),
	                          LAYOUT_VERSION};
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		hash = (hash ^ parts[i]) * 16777619u;
	return hash;
}

/* The inode of this process's PID namespace, 0 where /proc cannot tell. */
static uint64_t pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

int cvy_back(uint64_t offset, uint64_t bytes)
{
	int rc;

	do
		rc = fallocate(arena_fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes);
	while (rc < 0 && errno == EINTR);
	if (rc == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
		return 0; /* where it cannot be asked for, pages come at first touch */
	return -errno;
}

void cvy_punch(uint64_t offset, uint64_t bytes)
{
	if (!bytes || fallocate(arena_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
	                        (off_t)bytes) == 0)
		return;
	/* The descriptor may have been closed by the program: the mapping serves as well. */
	madvise(cvy_base + offset, bytes, MADV_REMOVE);
}

static int map(int fd, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	madvise(p, size, MADV_DONTDUMP);
	cvy_base = p;
	cvy_size = size;
	cvy_range_shift = (unsigned)__builtin_ctzll(size / RANGES);
	return 0;
}

static void unmap(void)
{
	munmap(cvy_base, cvy_size);
	cvy_base = NULL;
	cvy_size = 0;
}

static void adopt(int fd)
{
	struct arena_header *h = cvy_header();

	arena_fd = fd;
	fstat(fd, &arena_stat);
	cvy_objects = (struct cvy_object *)(cvy_base + OBJECTS_AT);
	__atomic_store_n(&cvy_object_capacity, h->object_slots, __ATOMIC_RELEASE);
}

/*
 * The most to ask for: past RLIMIT_FSIZE growing a file is a signal, and the program
 * needs some of the address space itself.
 */
static uint64_t size_allowed(void)
{
	uint64_t size = SIZE_MOST;
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		while (size > limit.rlim_cur / 2 && size > SIZE_LEAST)
			size /= 2;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		while (size > limit.rlim_cur)
			size /= 2;
	return size;
}

/* Makes the file as large as address space allows, and maps it. The descriptor or -errno. */
static int make_file(void)
{
	int fd = memfd_create("covey", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL), rc;
	uint64_t size;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("covey", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return cvy_fail(errno, "the family's memory file: %s", covey_strerror(errno));
	fchmod(fd, S_IRUSR | S_IWUSR); /* for who comes to it by way of /proc */
	if (fd <= STDERR_FILENO) {     /* a program that has closed those may open them again */
		int low = fd;

		fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		rc = errno;
		close(low);
		if (fd < 0)
			return cvy_fail(rc, "the family's memory file: %s", covey_strerror(rc));
	}
	errno = EFBIG;
	for (size = size_allowed();; size /= 2) {
		if (size < SIZE_LEAST) {
			rc = cvy_fail(ENOMEM,
			              "the family's memory: no %llu bytes of address space "
			              "(see RLIMIT_AS and RLIMIT_FSIZE): %s",
			              (unsigned long long)SIZE_LEAST, strerror(errno));
			break;
		}
		rc = ftruncate(fd, (off_t)size) < 0 ? -errno : map(fd, size);
		if (rc == 0)
			break;
		errno = -rc;
	}
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		rc = cvy_fail(errno, "the family's memory file cannot be sealed: %s",
		              strerror(errno));
		unmap();
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

static int fill_in(void)
{
	struct arena_header *h = cvy_header();
	uint64_t limit = cvy_memory_limit();
	uint64_t room;
	int rc;

	rc = cvy_back(0, HEADER_BYTES);
	if (rc < 0)
		return cvy_fail(ENOMEM, "the family's memory: %s", covey_strerror(rc));
	h->version = LAYOUT_VERSION;
	h->fingerprint = fingerprint();
	h->size = cvy_size;
	h->range = cvy_size / RANGES;
	h->quota = wanted_quota ? wanted_quota : limit / 2;
	h->pid_namespace = pid_namespace();
	h->procs = HEADER_BYTES;
	h->lives = LIVES_AT;
	h->objects = OBJECTS_AT;
	room = (h->range - h->objects) / 2 / sizeof(struct cvy_object);
	h->object_slots = room < OBJECT_SLOTS_MOST ? (uint32_t)room : OBJECT_SLOTS_MOST;
	cvy_regions_init(h);
	atomic_store(&h->used, HEADER_BYTES);
	rc = cvy_mutex_init(&h->region_lock);
	if (rc == 0)
		rc = cvy_mutex_init(&h->object_lock);
	if (rc == 0)
		rc = cvy_mutex_init(&h->proc_lock);
	if (rc < 0)
		return cvy_fail(-rc, "the family's locks: %s", covey_strerror(rc));
	h->magic = MAGIC;
	return cvy_geometry_learn();
}

static int make(void)
{
	int fd = cvy_robust_check(), rc;

	if (fd == 0)
		fd = make_file();
	if (fd < 0)
		return fd;
	arena_fd = fd;
	rc = fill_in();
	if (rc < 0) {
		unmap();
		close(fd);
		arena_fd = -1;
		return rc;
	}
	adopt(fd);
	rc = cvy_self_register() ? 0 : covey_errcode();
	return rc;
}

bool cvy_family_exists(void)
{
	return __atomic_load_n(&cvy_object_capacity, __ATOMIC_ACQUIRE) != 0;
}

int cvy_family(void)
{
	int rc = 0;

	if (__builtin_expect(cvy_family_exists(), 1))
		return 0;
	cvy_incarnation(); /* installs the fork handler before there is anything to inherit */
	pthread_mutex_lock(&making);
	if (!cvy_family_exists())
		rc = make();
	pthread_mutex_unlock(&making);
	return rc;
}

int cvy_family_quota(uint64_t bytes)
{
	int rc = 0;

	pthread_mutex_lock(&making);
	if (cvy_family_exists())
		rc = cvy_fail(EBUSY, "configure: the quota must be set before the family's first "
		                     "shared object or process");
	else
		wanted_quota = bytes;
	pthread_mutex_unlock(&making);
	return rc;
}

/* What a file claims to be, checked before any of it is believed. */
static int check_stamp(const struct arena_header *h, uint64_t size)
{
	uint64_t here = pid_namespace();

	if (h->magic != MAGIC || h->size != size || h->range != size / RANGES ||
	    (size & (size - 1)))
		return cvy_fail(EBADMSG, "attach: the file is no arena of covey");
	if (h->version != LAYOUT_VERSION || h->fingerprint != fingerprint())
		return cvy_fail(EPROTONOSUPPORT,
		                "attach: the family runs another version of covey "
		                "(layout %u, this one has %u)",
		                h->version, LAYOUT_VERSION);
	if (here && h->pid_namespace && here != h->pid_namespace)
		return cvy_fail(EXDEV, "attach: this process is in another PID namespace than its "
		                       "family, where process ids mean something else");
	return 0;
}

int cvy_family_attach(int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS), rc = cvy_robust_check();

	if (rc < 0)
		return rc;
	cvy_incarnation();
	if (fstat(fd, &st) < 0 || seals < 0 || !(seals & F_SEAL_SHRINK) ||
	    (uint64_t)st.st_size < SIZE_LEAST)
		return cvy_fail(EBADMSG, "attach: descriptor %d is no arena of covey", fd);
	rc = map(fd, (uint64_t)st.st_size);
	if (rc < 0)
		return cvy_fail(-rc, "attach: the family's memory cannot be mapped: %s",
		                covey_strerror(rc));
	rc = check_stamp(cvy_header(), cvy_size);
	if (rc == 0)
		rc = cvy_geometry_learn();
	if (rc < 0) {
		unmap();
		return rc;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	adopt(fd);
	return 0;
}

/* Whether it is of this user, and such that no one can cut it short. */
static int check_file(int fd)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (fstat(fd, &st) < 0 || seals < 0 || (seals & sealed) != sealed)
		return cvy_fail(EBADMSG, "join: what was handed out is no arena of covey");
	if (st.st_uid != geteuid())
		return cvy_fail(EACCES, "join: the family's memory is of user %u, not %u",
		                (unsigned)st.st_uid, (unsigned)geteuid());
	return 0;
}

int cvy_family_join(int fd)
{
	int rc;

	pthread_mutex_lock(&making);
	rc = cvy_family_exists() ? cvy_fail(EEXIST, "join: this process has a family already")
	                         : check_file(fd);
	if (rc == 0)
		rc = cvy_family_attach(fd);
	if (rc < 0)
		close(fd);
	else if (!cvy_self_register())
		rc = covey_errcode();
	pthread_mutex_unlock(&making);
	return rc;
}

int cvy_family_fd(void)
{
	struct stat st;

	if (fstat(arena_fd, &st) < 0 || st.st_ino != arena_stat.st_ino ||
	    st.st_dev != arena_stat.st_dev)
		return cvy_fail(EBADF,
		                "the program has closed descriptor %d, the family's memory: "
		                "children can only be forked",
		                arena_fd);
	return arena_fd;
}
