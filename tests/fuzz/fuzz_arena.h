/* SPDX-License-Identifier: MIT */
/* A family in whose arena bits are flipped while it works. */
#ifndef FUZZ_ARENA_H
#define FUZZ_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <covey.h>

/*
 * An input: a byte of what there is (enum with), then steps. Those with an even `who` are
 * taken by the family's root, the others at the same time by a process that it started.
 */
enum with { WITH_PEER = 1, WITH_THREADS = 2, WITH_PROCESSES = 4 };
#define STEP_BYTES 6u
#define STEPS_MOST 64u
struct step {
	uint8_t what; /* the call; from FLIP on: a flip */
	uint8_t who;
	uint8_t a, b, c, d;
};
#define FLIP 128u

/* What all processes of the family and the fuzzer share. */
#define PLACES_MOST (UINT32_C(1) << 17)
struct board {
	volatile uint32_t crashed;    /* a process of the family, by its last act */
	volatile int32_t peer;        /* its pid while it is at its steps */
	volatile uint32_t step[2];    /* that root and peer are at, for who looks into a hang */
	uint8_t reached[PLACES_MOST]; /* of the program, by anyone of the family */
};
extern struct board *fuzz_board;
/* Adds to the board what this process has reached so far. */
void fuzz_tell_reached(void);
/* Has the fuzzer count what the board says. */
void fuzz_take_reached(void);

/* Plays an input as the root of a family of its own; ends when all calls have returned. */
void fuzz_family(const uint8_t *data, size_t size);

/* Notes where the C library's mutexes lie, in which nothing is flipped. After objects are made. */
void fuzz_spare_mutexes(void);
void fuzz_flip(const struct step *step);

#endif
