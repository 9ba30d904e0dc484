/* SPDX-License-Identifier: MIT */
/* Messages with descriptors, over sockets that keep messages apart (SOCK_SEQPACKET). */
#include "process/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

union control {
	char bytes[CMSG_SPACE(NURSERY_FDS * sizeof(int))];
	struct cmsghdr align;
};

int cvy_send_fds(int sock, const void *data, size_t len, const int *fds, int nfds)
{
	union control control = {0};
	struct iovec iov = {(void *)data, len};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nfds) {
		struct cmsghdr *head;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(head), fds, (size_t)nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

int cvy_receive_fds(int sock, void *data, size_t len, int *fds, int *nfds)
{
	union control control;
	struct iovec iov = {data, len};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = sizeof control.bytes};
	ssize_t n;

	*nfds = 0;
	/* One that ended without having read all resets; what it said before is still there. */
	do
		n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head;
	     head = CMSG_NXTHDR(&message, head))
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
			*nfds = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(head), (size_t)*nfds * sizeof(int));
		}
	return (int)n;
}

void cvy_report_failure(int sock, int error)
{
	struct report report = {.error = error < 0 ? -error : error};

	snprintf(report.words, sizeof report.words, "%s", covey_errmsg());
	cvy_send_fds(sock, &report, sizeof report, NULL, 0);
}

void cvy_await_message(int sock, int pidfd)
{
	struct pollfd poll_fds[2] = {{.fd = sock, .events = POLLIN},
	                             {.fd = pidfd, .events = POLLIN}};

	while (cvy_poll(poll_fds, 2, -1) < 0 && errno == EINTR)
		;
}
