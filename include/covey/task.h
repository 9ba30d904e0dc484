/* SPDX-License-Identifier: MIT */
/*
 * Typed tasks: the macros behind COVEY_TASK. Included by covey/pool.h, where
 * their use is described.
 *
 * COVEY_TASK(ret, name, type, arg, ...) defines, beside the function itself:
 *
 *     struct name_covey_args      the arguments, as they travel
 *     name_covey_run              a covey_task_fn that unpacks them and calls
 *     name_covey_submit           what covey_submit(pool, name, ...) becomes
 *     name_covey_map              what covey_map becomes; one argument only
 */
#ifndef COVEY_TASK_H
#define COVEY_TASK_H

#include <covey/base.h>

/* How many arguments follow: 2 (one pair) to 12 (six). */
#define COVEY_PAIRS_(...) COVEY_PAIRS__(__VA_ARGS__, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0)
#define COVEY_PAIRS__(a, b, c, d, e, f, g, h, i, j, k, l, n, ...) n
#define COVEY_PASTE_(a, b) COVEY_PASTE__(a, b)
#define COVEY_PASTE__(a, b) a##b

/* (type arg, type arg, ...); the same as struct members; in->arg, ...; arg, ... */
#define COVEY_PARAMS_1(t, a) t a
#define COVEY_PARAMS_2(t, a, ...) t a, COVEY_PARAMS_1(__VA_ARGS__)
#define COVEY_PARAMS_3(t, a, ...) t a, COVEY_PARAMS_2(__VA_ARGS__)
#define COVEY_PARAMS_4(t, a, ...) t a, COVEY_PARAMS_3(__VA_ARGS__)
#define COVEY_PARAMS_5(t, a, ...) t a, COVEY_PARAMS_4(__VA_ARGS__)
#define COVEY_PARAMS_6(t, a, ...) t a, COVEY_PARAMS_5(__VA_ARGS__)
#define COVEY_MEMBERS_1(t, a) t a;
#define COVEY_MEMBERS_2(t, a, ...) \
	t a;                       \
	COVEY_MEMBERS_1(__VA_ARGS__)
#define COVEY_MEMBERS_3(t, a, ...) \
	t a;                       \
	COVEY_MEMBERS_2(__VA_ARGS__)
#define COVEY_MEMBERS_4(t, a, ...) \
	t a;                       \
	COVEY_MEMBERS_3(__VA_ARGS__)
#define COVEY_MEMBERS_5(t, a, ...) \
	t a;                       \
	COVEY_MEMBERS_4(__VA_ARGS__)
#define COVEY_MEMBERS_6(t, a, ...) \
	t a;                       \
	COVEY_MEMBERS_5(__VA_ARGS__)
#define COVEY_UNPACK_1(t, a) in->a
#define COVEY_UNPACK_2(t, a, ...) in->a, COVEY_UNPACK_1(__VA_ARGS__)
#define COVEY_UNPACK_3(t, a, ...) in->a, COVEY_UNPACK_2(__VA_ARGS__)
#define COVEY_UNPACK_4(t, a, ...) in->a, COVEY_UNPACK_3(__VA_ARGS__)
#define COVEY_UNPACK_5(t, a, ...) in->a, COVEY_UNPACK_4(__VA_ARGS__)
#define COVEY_UNPACK_6(t, a, ...) in->a, COVEY_UNPACK_5(__VA_ARGS__)
#define COVEY_NAMES_1(t, a) .a = a
#define COVEY_NAMES_2(t, a, ...) .a = a, COVEY_NAMES_1(__VA_ARGS__)
#define COVEY_NAMES_3(t, a, ...) .a = a, COVEY_NAMES_2(__VA_ARGS__)
#define COVEY_NAMES_4(t, a, ...) .a = a, COVEY_NAMES_3(__VA_ARGS__)
#define COVEY_NAMES_5(t, a, ...) .a = a, COVEY_NAMES_4(__VA_ARGS__)
#define COVEY_NAMES_6(t, a, ...) .a = a, COVEY_NAMES_5(__VA_ARGS__)
#define COVEY_TASK_EACH_(what, ...) COVEY_PASTE_(what, COVEY_PAIRS_(__VA_ARGS__))(__VA_ARGS__)

/* What typed tasks with and without a result share. */
#define COVEY_TASK_COMMON_(ret, fname, size, ...)                                             \
	static ret fname(COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__));                       \
	struct fname##_covey_args {                                                           \
		COVEY_TASK_EACH_(COVEY_MEMBERS_, __VA_ARGS__)                                 \
	};                                                                                    \
	static int fname##_covey_run(covey_task *task, const void *arg, size_t len);          \
	static COVEY_UNUSED covey_future *fname##_covey_submit(                               \
		covey_pool *pool, COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__))               \
	{                                                                                     \
		struct fname##_covey_args in = {COVEY_TASK_EACH_(COVEY_NAMES_, __VA_ARGS__)}; \
		covey_submit_opts opts = {.name = #fname, .result_size = (size)};             \
                                                                                              \
		return covey_pool_submit(pool, fname##_covey_run, &in, sizeof in, &opts);     \
	}

/* The form of one argument can be mapped. */
#define COVEY_TASK_MAP_1(ret, fname, t, a)                                                       \
	static COVEY_UNUSED int fname##_covey_map(covey_pool *pool, const t *items, size_t n,    \
	                                          ret *results)                                  \
	{                                                                                        \
		return covey_pool_map(pool, fname##_covey_run, items, n, sizeof *items, results, \
		                      sizeof *results, NULL);                                    \
	}
#define COVEY_TASK_MAP_2(ret, fname, ...)
#define COVEY_TASK_MAP_3(ret, fname, ...)
#define COVEY_TASK_MAP_4(ret, fname, ...)
#define COVEY_TASK_MAP_5(ret, fname, ...)
#define COVEY_TASK_MAP_6(ret, fname, ...)
#define COVEY_TASK_MAP_(ret, fname, ...) \
	COVEY_PASTE_(COVEY_TASK_MAP_, COVEY_PAIRS_(__VA_ARGS__))(ret, fname, __VA_ARGS__)

#define COVEY_TASK(ret, fname, ...)                                                              \
	COVEY_TASK_COMMON_(ret, fname, sizeof(ret), __VA_ARGS__)                                 \
	static COVEY_UNUSED int fname##_covey_run(covey_task *task, const void *arg, size_t len) \
	{                                                                                        \
		const struct fname##_covey_args *in = (const struct fname##_covey_args *)arg;    \
		ret out;                                                                         \
                                                                                                 \
		if (len != sizeof *in)                                                           \
			return covey_task_fail(EINVAL, #fname ": an argument of another size");  \
		out = fname(COVEY_TASK_EACH_(COVEY_UNPACK_, __VA_ARGS__));                       \
		return covey_task_return(task, &out, sizeof out);                                \
	}                                                                                        \
	COVEY_TASK_MAP_(ret, fname, __VA_ARGS__)                                                 \
	static ret fname(COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__))

#define COVEY_TASK_VOID(fname, ...)                                                              \
	COVEY_TASK_COMMON_(void, fname, 0, __VA_ARGS__)                                          \
	static COVEY_UNUSED int fname##_covey_run(covey_task *task, const void *arg, size_t len) \
	{                                                                                        \
		const struct fname##_covey_args *in = (const struct fname##_covey_args *)arg;    \
                                                                                                 \
		(void)task;                                                                      \
		if (len != sizeof *in)                                                           \
			return covey_task_fail(EINVAL, #fname ": an argument of another size");  \
		fname(COVEY_TASK_EACH_(COVEY_UNPACK_, __VA_ARGS__));                             \
		return 0;                                                                        \
	}                                                                                        \
	static void fname(COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__))

#endif
