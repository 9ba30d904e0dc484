/* SPDX-License-Identifier: MIT */
/* Errors in words, the log callback, options and names of callers. */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 512

static __thread char words[WORDS_MAX];
static __thread int code;
static __thread char unknown_error[32];

static covey_log_fn *log_fn;
static void *log_context;

const char *covey_errmsg(void)
{
	return words;
}

int covey_errcode(void)
{
	return code;
}

int cvy_fail(int error, const char *format, ...)
{
	char text[WORDS_MAX];
	int saved = errno;
	va_list args;

	/* By way of a copy: the arguments may be this thread's own words. */
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	memcpy(words, text, sizeof text);
	code = -error;
	errno = saved;
	return -error;
}

int cvy_fail_in(const char *format, ...)
{
	char text[WORDS_MAX];
	va_list args;
	int used;

	va_start(args, format);
	used = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (used >= 0 && (size_t)used < sizeof text)
		snprintf(text + used, sizeof text - (size_t)used, "%s", words);
	memcpy(words, text, sizeof text);
	return code;
}

int cvy_timed_out(int timeout_ms, const char *format, ...)
{
	char text[WORDS_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (timeout_ms == 0)
		return cvy_fail(EAGAIN, "%s", text);
	return cvy_fail(ETIMEDOUT, "%s after %d ms", text, timeout_ms);
}

const char *covey_strerror(int error)
{
	int number = error < 0 && error != -2147483647 - 1 ? -error : error;
	const char *name;

	switch (number) {
	case 0:
		return "no error";
	case EBADF:
		return "no such object: it was destroyed, or never made";
	case ECHILD:
		return "belongs to another process";
	case EPIPE:
		return "closed at the other end";
	case EAGAIN:
		return "not possible at once";
	case ETIMEDOUT:
		return "the time ran out";
	case EMSGSIZE:
		return "the message has another size";
	case EREMOTEIO:
		return "the task failed";
	case EOWNERDEAD:
		return "its owner died";
	case ECANCELED:
		return "cancelled";
	case ESHUTDOWN:
		return "closed to new work";
	}
	name = strerrordesc_np(number);
	if (name)
		return name;
	snprintf(unknown_error, sizeof unknown_error, "error %d", number);
	return unknown_error;
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *covey_version(void)
{
	return TEXT(COVEY_VERSION_MAJOR) "." TEXT(COVEY_VERSION_MINOR) "." TEXT(
		COVEY_VERSION_PATCH);
}

void covey_set_log(covey_log_fn *log, void *context)
{
	/* In this order a logger in another thread may meet a context too early, never too late. */
	__atomic_store_n(&log_context, context, __ATOMIC_RELEASE);
	__atomic_store_n(&log_fn, log, __ATOMIC_RELEASE);
}

void cvy_log(int level, const char *format, ...)
{
	covey_log_fn *log = __atomic_load_n(&log_fn, __ATOMIC_ACQUIRE);
	char text[WORDS_MAX];
	va_list args;

	if (!log)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	log(__atomic_load_n(&log_context, __ATOMIC_ACQUIRE), level, text);
}

int cvy_options(void *to, size_t known, const void *from, size_t size, const char *what)
{
	const unsigned char *bytes = from;

	memset(to, 0, known);
	if (!from)
		return 0;
	for (size_t i = known; i < size; i++)
		if (bytes[i])
			return cvy_fail(
				E2BIG, "%s: the program sets an option that covey %s does not know",
				what, covey_version());
	memcpy(to, from, size < known ? size : known);
	return 0;
}

void cvy_answer(void *to, size_t size, const void *from, size_t known)
{
	memcpy(to, from, size < known ? size : known);
	if (size > known)
		memset((char *)to + known, 0, size - known);
}

int cvy_name(char to[COVEY_NAME_MAX + 1], const char *name, const char *what)
{
	size_t len = name ? strnlen(name, COVEY_NAME_MAX + 1) : 0;

	if (len > COVEY_NAME_MAX)
		return cvy_fail(ENAMETOOLONG, "%s: the name '%.40s...' is over %d bytes", what,
		                name, COVEY_NAME_MAX);
	memset(to, 0, COVEY_NAME_MAX + 1);
	if (len)
		memcpy(to, name, len);
	return 0;
}
