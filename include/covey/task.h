/* SPDX-License-Identifier: MIT */
/*
 * Typed tasks: the macros behind COVEY_TASK, and what COVEY_PROCESS shares with
 * them. Included by covey/pool.h and covey/process.h, where their use is
 * described.
 *
 * COVEY_TASK(ret, name, type, arg, ...) defines, beside the function itself:
 *
 *     struct name_covey_args      the arguments, as they travel
 *     name_covey_run              a covey_task_fn that unpacks them and calls
 *     name_covey_submit           what covey_submit(pool, name, ...) becomes
 *     name_covey_apply, _map, _starmap, _imap: likewise
 *
 * The macros that end in a number are for so many arguments; 0 is `void`. What the functions
 * call their own begins with covey_, so that arguments may have any other name.
 */
#ifndef COVEY_TASK_H
#define COVEY_TASK_H

#include <covey/base.h>

/* How many arguments follow: none (`void`), 2 (one pair) to 12 (six). */
#define COVEY_PAIRS_(...) COVEY_PAIRS__(__VA_ARGS__, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 0, 0)
#define COVEY_PAIRS__(a, b, c, d, e, f, g, h, i, j, k, l, n, ...) n
#define COVEY_PASTE_(a, b) COVEY_PASTE__(a, b)
#define COVEY_PASTE__(a, b) a##b

/* Whether values follow a task's name. Braces in values may hold commas, so up to 40. */
#define COVEY_VALUES_(...)                                                                         \
	COVEY_VALUES__(__VA_ARGS__, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \
	               1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0)
#define COVEY_VALUES__(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, \
                       z, A, B, C, D, E, F, G, H, I, J, K, L, M, O, P, values, ...)               \
	values
#define COVEY_SUBMIT_0(pool, opts, task) task##_covey_submit((pool), (opts))
#define COVEY_SUBMIT_1(pool, opts, task, ...) task##_covey_submit((pool), (opts), __VA_ARGS__)
#define COVEY_APPLY_0(pool, task) task##_covey_apply(pool)
#define COVEY_APPLY_1(pool, task, ...) task##_covey_apply((pool), __VA_ARGS__)

/* type arg, type arg, ...; the same as struct members; in->arg, ...; .arg = arg, ... */
#define COVEY_PARAMS_0(none) none
#define COVEY_PARAMS_1(t, a) t a
#define COVEY_PARAMS_2(t, a, ...) t a, COVEY_PARAMS_1(__VA_ARGS__)
#define COVEY_PARAMS_3(t, a, ...) t a, COVEY_PARAMS_2(__VA_ARGS__)
#define COVEY_PARAMS_4(t, a, ...) t a, COVEY_PARAMS_3(__VA_ARGS__)
#define COVEY_PARAMS_5(t, a, ...) t a, COVEY_PARAMS_4(__VA_ARGS__)
#define COVEY_PARAMS_6(t, a, ...) t a, COVEY_PARAMS_5(__VA_ARGS__)
#define COVEY_MEMBERS_0(none) char covey_none;
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
#define COVEY_UNPACK_0(none)
#define COVEY_UNPACK_1(t, a) in->a
#define COVEY_UNPACK_2(t, a, ...) in->a, COVEY_UNPACK_1(__VA_ARGS__)
#define COVEY_UNPACK_3(t, a, ...) in->a, COVEY_UNPACK_2(__VA_ARGS__)
#define COVEY_UNPACK_4(t, a, ...) in->a, COVEY_UNPACK_3(__VA_ARGS__)
#define COVEY_UNPACK_5(t, a, ...) in->a, COVEY_UNPACK_4(__VA_ARGS__)
#define COVEY_UNPACK_6(t, a, ...) in->a, COVEY_UNPACK_5(__VA_ARGS__)
#define COVEY_NAMES_0(none) .covey_none = 0
#define COVEY_NAMES_1(t, a) .a = a
#define COVEY_NAMES_2(t, a, ...) .a = a, COVEY_NAMES_1(__VA_ARGS__)
#define COVEY_NAMES_3(t, a, ...) .a = a, COVEY_NAMES_2(__VA_ARGS__)
#define COVEY_NAMES_4(t, a, ...) .a = a, COVEY_NAMES_3(__VA_ARGS__)
#define COVEY_NAMES_5(t, a, ...) .a = a, COVEY_NAMES_4(__VA_ARGS__)
#define COVEY_NAMES_6(t, a, ...) .a = a, COVEY_NAMES_5(__VA_ARGS__)
/* , type arg, ...: what follows the pool in name_covey_submit */
#define COVEY_MORE_0(none)
#define COVEY_MORE_1(...) , COVEY_PARAMS_1(__VA_ARGS__)
#define COVEY_MORE_2(...) , COVEY_PARAMS_2(__VA_ARGS__)
#define COVEY_MORE_3(...) , COVEY_PARAMS_3(__VA_ARGS__)
#define COVEY_MORE_4(...) , COVEY_PARAMS_4(__VA_ARGS__)
#define COVEY_MORE_5(...) , COVEY_PARAMS_5(__VA_ARGS__)
#define COVEY_MORE_6(...) , COVEY_PARAMS_6(__VA_ARGS__)
/* , arg, ...: values passed on; , const type *arg, ...: an array an argument */
#define COVEY_PASS_0(none)
#define COVEY_PASS_1(t, a) , a
#define COVEY_PASS_2(t, a, ...) , a COVEY_PASS_1(__VA_ARGS__)
#define COVEY_PASS_3(t, a, ...) , a COVEY_PASS_2(__VA_ARGS__)
#define COVEY_PASS_4(t, a, ...) , a COVEY_PASS_3(__VA_ARGS__)
#define COVEY_PASS_5(t, a, ...) , a COVEY_PASS_4(__VA_ARGS__)
#define COVEY_PASS_6(t, a, ...) , a COVEY_PASS_5(__VA_ARGS__)
#define COVEY_ARRAYS_0(none)
#define COVEY_ARRAYS_1(t, a) , const __typeof__(t) *a
#define COVEY_ARRAYS_2(t, a, ...) , const __typeof__(t) *a COVEY_ARRAYS_1(__VA_ARGS__)
#define COVEY_ARRAYS_3(t, a, ...) , const __typeof__(t) *a COVEY_ARRAYS_2(__VA_ARGS__)
#define COVEY_ARRAYS_4(t, a, ...) , const __typeof__(t) *a COVEY_ARRAYS_3(__VA_ARGS__)
#define COVEY_ARRAYS_5(t, a, ...) , const __typeof__(t) *a COVEY_ARRAYS_4(__VA_ARGS__)
#define COVEY_ARRAYS_6(t, a, ...) , const __typeof__(t) *a COVEY_ARRAYS_5(__VA_ARGS__)
/* where the arrays' elements go in the struct of the arguments */
#define COVEY_COLUMNS_1(s, t, a)                    \
	{                                           \
		a, sizeof *a, offsetof(struct s, a) \
	}
#define COVEY_COLUMNS_2(s, t, a, ...) \
	{a, sizeof *a, offsetof(struct s, a)}, COVEY_COLUMNS_1(s, __VA_ARGS__)
#define COVEY_COLUMNS_3(s, t, a, ...) \
	{a, sizeof *a, offsetof(struct s, a)}, COVEY_COLUMNS_2(s, __VA_ARGS__)
#define COVEY_COLUMNS_4(s, t, a, ...) \
	{a, sizeof *a, offsetof(struct s, a)}, COVEY_COLUMNS_3(s, __VA_ARGS__)
#define COVEY_COLUMNS_5(s, t, a, ...) \
	{a, sizeof *a, offsetof(struct s, a)}, COVEY_COLUMNS_4(s, __VA_ARGS__)
#define COVEY_COLUMNS_6(s, t, a, ...) \
	{a, sizeof *a, offsetof(struct s, a)}, COVEY_COLUMNS_5(s, __VA_ARGS__)
/* the type of the items of imap: the argument where there is one, else the struct of them */
#define COVEY_ITEM_0(s, none) struct s
#define COVEY_ITEM_1(s, t, a) __typeof__(t)
#define COVEY_ITEM_2(s, ...) struct s
#define COVEY_ITEM_3(s, ...) struct s
#define COVEY_ITEM_4(s, ...) struct s
#define COVEY_ITEM_5(s, ...) struct s
#define COVEY_ITEM_6(s, ...) struct s
#define COVEY_TASK_NAMED_(what, name, ...) \
	COVEY_PASTE_(what, COVEY_PAIRS_(__VA_ARGS__))(name, __VA_ARGS__)
#define COVEY_TASK_EACH_(what, ...) COVEY_PASTE_(what, COVEY_PAIRS_(__VA_ARGS__))(__VA_ARGS__)

/* What typed tasks with and without a result share. */
#define COVEY_TASK_COMMON_(ret, fname, res_size, ...)                                           \
	static ret fname(COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__));                         \
	struct fname##_covey_args {                                                             \
		COVEY_TASK_EACH_(COVEY_MEMBERS_, __VA_ARGS__)                                   \
	};                                                                                      \
	static int fname##_covey_run(covey_task *task, const void *arg, size_t len);            \
	static COVEY_UNUSED covey_future *fname##_covey_submit(                                 \
		covey_pool *covey_in,                                                           \
		const covey_submit_opts *covey_opts COVEY_TASK_EACH_(COVEY_MORE_, __VA_ARGS__)) \
	{                                                                                       \
		struct fname##_covey_args covey_arg = {                                         \
			COVEY_TASK_EACH_(COVEY_NAMES_, __VA_ARGS__)};                           \
		covey_submit_opts covey_named = {.name = #fname, .result_size = (res_size)};    \
                                                                                                \
		if (covey_opts) {                                                               \
			covey_named = *covey_opts;                                              \
			if (!covey_named.name)                                                  \
				covey_named.name = #fname;                                      \
			covey_named.result_size = (res_size);                                   \
		}                                                                               \
		return covey_pool_submit(covey_in, fname##_covey_run, &covey_arg,               \
		                         sizeof covey_arg, &covey_named);                       \
	}                                                                                       \
	static COVEY_UNUSED covey_imap *fname##_covey_imap(                                     \
		covey_pool *covey_in, const covey_imap_opts *covey_opts,                        \
		const COVEY_TASK_NAMED_(COVEY_ITEM_, fname##_covey_args, __VA_ARGS__) *         \
			covey_from,                                                             \
		size_t covey_n)                                                                 \
	{                                                                                       \
		return covey_pool_imap(covey_in, fname##_covey_run, covey_from, covey_n,        \
		                       sizeof *covey_from, (res_size), covey_opts);             \
	}

/* A map's arguments up to the number of items, and its call of the library. */
#define COVEY_MAP_PARAMS_(...)                                                                 \
	covey_pool *covey_in,                                                                  \
		const covey_map_opts *covey_opts COVEY_TASK_EACH_(COVEY_ARRAYS_, __VA_ARGS__), \
		size_t covey_n
#define COVEY_MAP_BODY_(fname, to, to_size, ...)                                             \
	const covey_column covey_columns[] = {                                               \
		COVEY_TASK_NAMED_(COVEY_COLUMNS_, fname##_covey_args, __VA_ARGS__)};         \
                                                                                             \
	return covey_pool_map_columns_v(covey_in, fname##_covey_run, covey_columns,          \
	                                (int)(sizeof covey_columns / sizeof *covey_columns), \
	                                covey_n, sizeof(struct fname##_covey_args), (to),    \
	                                (to_size), covey_opts, sizeof *covey_opts);
#define COVEY_STARMAP_PARAMS_(fname)                            \
	covey_pool *covey_in, const covey_map_opts *covey_opts, \
		const struct fname##_covey_args *covey_from, size_t covey_n
#define COVEY_STARMAP_BODY_(fname, to, to_size)                                 \
	return covey_pool_map(covey_in, fname##_covey_run, covey_from, covey_n, \
	                      sizeof *covey_from, (to), (to_size), covey_opts);

/* Those that have arguments can be mapped. */
#define COVEY_TASK_MAP_(ret, fname, ...)                                                           \
	static COVEY_UNUSED int fname##_covey_map(COVEY_MAP_PARAMS_(__VA_ARGS__), ret *covey_to)   \
	{                                                                                          \
		COVEY_MAP_BODY_(fname, covey_to, sizeof *covey_to, __VA_ARGS__)                    \
	}                                                                                          \
	static COVEY_UNUSED int fname##_covey_starmap(COVEY_STARMAP_PARAMS_(fname), ret *covey_to) \
	{                                                                                          \
		COVEY_STARMAP_BODY_(fname, covey_to, sizeof *covey_to)                             \
	}
#define COVEY_TASK_MAP_VOID_(fname, ...)                                            \
	static COVEY_UNUSED int fname##_covey_map(COVEY_MAP_PARAMS_(__VA_ARGS__))   \
	{                                                                           \
		COVEY_MAP_BODY_(fname, NULL, 0, __VA_ARGS__)                        \
	}                                                                           \
	static COVEY_UNUSED int fname##_covey_starmap(COVEY_STARMAP_PARAMS_(fname)) \
	{                                                                           \
		COVEY_STARMAP_BODY_(fname, NULL, 0)                                 \
	}
#define COVEY_MAPS_0(ret, fname, none)
#define COVEY_MAPS_VOID_0(fname, none)
#define COVEY_MAPS_1(ret, fname, ...) COVEY_TASK_MAP_(ret, fname, __VA_ARGS__)
#define COVEY_MAPS_2(ret, fname, ...) COVEY_TASK_MAP_(ret, fname, __VA_ARGS__)
#define COVEY_MAPS_3(ret, fname, ...) COVEY_TASK_MAP_(ret, fname, __VA_ARGS__)
#define COVEY_MAPS_4(ret, fname, ...) COVEY_TASK_MAP_(ret, fname, __VA_ARGS__)
#define COVEY_MAPS_5(ret, fname, ...) COVEY_TASK_MAP_(ret, fname, __VA_ARGS__)
#define COVEY_MAPS_6(ret, fname, ...) COVEY_TASK_MAP_(ret, fname, __VA_ARGS__)
#define COVEY_MAPS_VOID_1(fname, ...) COVEY_TASK_MAP_VOID_(fname, __VA_ARGS__)
#define COVEY_MAPS_VOID_2(fname, ...) COVEY_TASK_MAP_VOID_(fname, __VA_ARGS__)
#define COVEY_MAPS_VOID_3(fname, ...) COVEY_TASK_MAP_VOID_(fname, __VA_ARGS__)
#define COVEY_MAPS_VOID_4(fname, ...) COVEY_TASK_MAP_VOID_(fname, __VA_ARGS__)
#define COVEY_MAPS_VOID_5(fname, ...) COVEY_TASK_MAP_VOID_(fname, __VA_ARGS__)
#define COVEY_MAPS_VOID_6(fname, ...) COVEY_TASK_MAP_VOID_(fname, __VA_ARGS__)

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
	static COVEY_UNUSED int fname##_covey_apply(                                             \
		covey_pool *covey_in, ret *covey_to COVEY_TASK_EACH_(COVEY_MORE_, __VA_ARGS__))  \
	{                                                                                        \
		covey_future *covey_f = fname##_covey_submit(                                    \
			covey_in, NULL COVEY_TASK_EACH_(COVEY_PASS_, __VA_ARGS__));              \
		int covey_rc = covey_f ? covey_result(covey_f, covey_to, COVEY_FOREVER)          \
		                       : covey_errcode();                                        \
                                                                                                 \
		covey_future_free(covey_f);                                                      \
		return covey_rc;                                                                 \
	}                                                                                        \
	COVEY_PASTE_(COVEY_MAPS_, COVEY_PAIRS_(__VA_ARGS__))                                     \
	(ret, fname, __VA_ARGS__) static ret fname(COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__))

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
	static COVEY_UNUSED int fname##_covey_apply(                                             \
		covey_pool *covey_in COVEY_TASK_EACH_(COVEY_MORE_, __VA_ARGS__))                 \
	{                                                                                        \
		covey_future *covey_f = fname##_covey_submit(                                    \
			covey_in, NULL COVEY_TASK_EACH_(COVEY_PASS_, __VA_ARGS__));              \
		int covey_rc = covey_errcode();                                                  \
		const void *covey_view;                                                          \
                                                                                                 \
		if (covey_f)                                                                     \
			covey_rc = (int)covey_future_view(covey_f, &covey_view, COVEY_FOREVER);  \
		covey_future_free(covey_f);                                                      \
		return covey_rc;                                                                 \
	}                                                                                        \
	COVEY_PASTE_(COVEY_MAPS_VOID_, COVEY_PAIRS_(__VA_ARGS__))                                \
	(fname, __VA_ARGS__) static void fname(COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__))

#endif
