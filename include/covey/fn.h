/* SPDX-License-Identifier: MIT */
/*
 * A function as a value that travels: its module's build-id and its offset
 * there, so that it means the same in every process that has the module,
 * static functions too, wherever the module is loaded.
 *
 *     static int greet(const char *who);
 *
 *     covey_fn fn;
 *     covey_fn_make(&fn, greet);               // here
 *     covey_fn_as(int (*)(const char *), fn)("you");    // in another process
 */
#ifndef COVEY_FN_H
#define COVEY_FN_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All zero is no function. Two values of one function are equal. */
typedef struct covey_fn {
	uint64_t module; /* first 8 bytes of the module's build-id */
	uint64_t
		offset; /* from the module's load address; in its highest 24 bits a check of both */
} covey_fn;

typedef void covey_function(void);

/*
 * Makes the value of a function, given as any function pointer. Only code in
 * an executable segment of a loaded module with a build-id can travel.
 * -EINVAL: it is NULL, data, or on the stack, as a nested function that uses
 * its surroundings is. -ENOEXEC: its module has no build-id (link with
 * --build-id). Does not block; safe in every thread. Since 0.1.
 */
#define covey_fn_make(fn, function) covey_fn_make_((fn), (covey_function *)(function))
COVEY_API int covey_fn_make_(covey_fn *fn, covey_function *function);

/*
 * The function in this process, NULL when its module is not loaded here or
 * has no code at that offset (covey_errcode() is -ENOENT or -EINVAL; the words
 * name both). Since 0.1.
 */
COVEY_API covey_function *covey_fn_pointer(covey_fn fn);

/* The same as a pointer of a given type. */
#define covey_fn_as(type, fn) ((type)covey_fn_pointer(fn))

#ifdef __cplusplus
}
#endif
#endif
