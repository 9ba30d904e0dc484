/* SPDX-License-Identifier: MIT */
/* The family: what it has, and the calls that it makes, all with short limits. */
#include "fuzz_arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS 3
#define FUTURES_MOST 16
#define DATA_MOST 70000u

static struct family {
	covey_queue queue[3]; /* bounded, counted, growing */
	covey_pipe pipe[2];
	covey_lock lock;
	covey_rlock rlock;
	covey_semaphore units, tokens;
	covey_condition condition;
	covey_event event;
	covey_barrier barrier;
	covey_dict dict;
	covey_list list;
	covey_array array;
	covey_value value[2];
	covey_block block;
	covey_pool *pool;
	covey_future *future[FUTURES_MOST];
} f;

static unsigned char given[DATA_MOST], got[DATA_MOST];

/* Sizes: most small, some over a page, some over what a segment begins with. */
static size_t size_of(const struct step *step)
{
	static const uint32_t pages[] = {0, 0, 0, 0, 0, 3000, 16000, 65000};

	return step->c % 80u + pages[step->d & 7];
}

static void queue_call(const struct step *s)
{
	covey_queue q = f.queue[s->a % 3];
	struct iovec some[4];
	covey_message m;
	void *data;

	for (int i = 0; i < 4; i++)
		some[i] = (struct iovec){got + i * 4096, i == 3 ? size_of(s) % 4096 : s->c % 200u};
	switch (s->b % 12) {
	case 0:
	case 1:
		covey_queue_put(q, given, size_of(s), MS);
		break;
	case 2:
		covey_queue_get(q, got, sizeof got, MS);
		break;
	case 3:
		if (covey_queue_get_alloc(q, &data, MS) >= 0)
			free(data);
		break;
	case 4:
		covey_queue_put_many(q, some, 4, MS);
		break;
	case 5:
		covey_queue_get_many(q, some, 4, MS);
		break;
	case 6:
		if (covey_queue_reserve(q, size_of(s), &m, MS) == 0) {
			memset(m.data, 1, m.len);
			if (s->d & 1)
				covey_queue_commit(&m);
			else
				covey_queue_abandon(&m);
		}
		break;
	case 7:
		if (covey_queue_peek(q, &m, MS) == 0) {
			memcpy(got, m.data, m.len < sizeof got ? m.len : sizeof got);
			if (s->d & 1)
				covey_queue_release(&m);
			else
				covey_queue_keep(&m);
		}
		break;
	case 8:
		covey_queue_task_done(q);
		break;
	case 9:
		covey_queue_join(q, MS);
		break;
	case 10:
		covey_queue_size(q);
		covey_queue_bytes(q);
		break;
	default:
		covey_queue_get_exactly(q, got, s->c, 0);
	}
}

static void pipe_call(const struct step *s)
{
	covey_pipe end = f.pipe[s->a & 1];
	covey_waitable things[] = {COVEY_GET(f.queue[0]), COVEY_RECEIVE(end)};

	switch (s->b % 5) {
	case 0:
	case 1:
		covey_pipe_send(end, given, size_of(s), MS);
		break;
	case 2:
		covey_pipe_receive(end, got, sizeof got, MS);
		break;
	case 3:
		covey_pipe_poll(end, MS);
		break;
	default:
		covey_select(things, 2, MS);
	}
}

static int never(void *context)
{
	(void)context;
	return 0;
}

static void lock_call(const struct step *s)
{
	switch (s->b % 12) {
	case 0:
		if (covey_lock_acquire(f.lock, MS) >= 0)
			covey_lock_release(f.lock);
		break;
	case 1:
		if (covey_rlock_acquire(f.rlock, MS) >= 0 && covey_rlock_acquire(f.rlock, MS) >= 0)
			covey_rlock_release(f.rlock);
		covey_rlock_release(f.rlock);
		break;
	case 2:
		covey_semaphore_acquire_many(f.units, s->c % 4u, MS);
		break;
	case 3:
		covey_semaphore_release(f.units, s->c % 3u);
		break;
	case 4:
		covey_semaphore_acquire(f.tokens, MS);
		break;
	case 5:
		covey_semaphore_release(f.tokens, s->c % 3u);
		covey_semaphore_value(f.tokens);
		break;
	case 6:
		if (covey_lock_acquire(f.lock, MS) >= 0) {
			covey_condition_wait_for(f.condition, never, NULL, MS);
			covey_lock_release(f.lock);
		}
		break;
	case 7:
		if (covey_lock_acquire(f.lock, MS) >= 0) {
			covey_condition_notify(f.condition, 1 + s->c % 3u);
			covey_lock_release(f.lock);
		}
		break;
	case 8:
		covey_event_wait(f.event, MS);
		break;
	case 9:
		if (s->c & 1)
			covey_event_set(f.event);
		else
			covey_event_clear(f.event);
		break;
	case 10:
		covey_barrier_wait(f.barrier, MS);
		break;
	default:
		covey_barrier_reset(f.barrier);
		covey_lock_holder(f.lock);
	}
}

static void dict_call(const struct step *s)
{
	char key[32];
	covey_dict_items *items;
	covey_dict_item item;
	void *data;
	int len = snprintf(key, sizeof key, "key %u", s->a % 40u);

	switch (s->b % 9) {
	case 0:
	case 1:
	case 2:
		covey_dict_set_bytes(f.dict, key, (size_t)len, given, size_of(s));
		break;
	case 3:
		covey_dict_get_bytes(f.dict, key, (size_t)len, got, sizeof got);
		break;
	case 4:
		if (covey_dict_get_alloc_bytes(f.dict, key, (size_t)len, &data) >= 0)
			free(data);
		break;
	case 5:
		covey_dict_delete_bytes(f.dict, key, (size_t)len);
		break;
	case 6:
		covey_dict_pop_bytes(f.dict, key, (size_t)len, got, sizeof got);
		break;
	case 7:
		if (covey_dict_snapshot(f.dict, &items) == 0) {
			while (covey_dict_next(items, &item))
				covey_dict_contains_bytes(f.dict, item.key, item.key_len);
			covey_dict_items_free(items);
		}
		break;
	default:
		covey_dict_size(f.dict);
		if (s->c == 7)
			covey_dict_clear(f.dict);
	}
}

static void list_call(const struct step *s)
{
	struct iovec some[2] = {{given, s->c}, {given, size_of(s)}};
	covey_list_items *items;
	const void *element;
	size_t len;
	void *data;

	switch (s->b % 10) {
	case 0:
	case 1:
		covey_list_append_bytes(f.list, given, size_of(s));
		break;
	case 2:
		covey_list_extend(f.list, some, 2);
		break;
	case 3:
		covey_list_insert_bytes(f.list, s->a % 8, given, size_of(s));
		break;
	case 4:
		covey_list_set_bytes(f.list, s->a % 8, given, size_of(s));
		break;
	case 5:
		covey_list_get_bytes(f.list, s->a % 8, got, sizeof got);
		break;
	case 6:
		if (covey_list_get_alloc(f.list, s->a % 8, &data) >= 0)
			free(data);
		break;
	case 7:
		covey_list_pop_bytes(f.list, s->a % 8, got, sizeof got);
		break;
	case 8:
		if (covey_list_snapshot(f.list, &items) == 0) {
			while (covey_list_next(items, &element, &len))
				memcpy(got, element, len < sizeof got ? len : sizeof got);
			covey_list_items_free(items);
		}
		break;
	default:
		covey_list_size(f.list);
		covey_list_delete(f.list, s->a % 8);
	}
}

static void value_call(const struct step *s)
{
	uint64_t big[40] = {0};
	int64_t one = 1;

	switch (s->b % 8) {
	case 0:
		covey_array_set_bytes(f.array, s->a % 50, &one, sizeof one);
		break;
	case 1:
		covey_array_get_bytes(f.array, s->a % 50, &one, sizeof one);
		break;
	case 2:
		covey_value_add(f.value[0], 1, &one);
		covey_value_get_bytes(f.value[0], &one, sizeof one);
		break;
	case 3:
		covey_value_set_bytes(f.value[1], big, sizeof big);
		break;
	case 4:
		covey_value_get_bytes(f.value[1], big, sizeof big);
		break;
	case 5:
		covey_block_resize(f.block, s->c * 100u);
		break;
	default:
		covey_block_size(f.block);
		covey_array_length(f.array);
	}
}

/* ---- the pool */

COVEY_TASK(uint64_t, square, uint64_t, n)
{
	return n * n;
}

static int task(covey_task *t, const void *arg, size_t len)
{
	unsigned char want = len ? *(const unsigned char *)arg : 0;
	covey_pool *pool = covey_current_pool();
	covey_future *inner;
	uint64_t nine;

	covey_queue_put(f.queue[want % 3], arg, len, MS);
	if (want % 5 == 1)
		return covey_task_fail(7, "as it was told");
	if (want % 5 == 2 && pool && (inner = covey_submit(pool, square, 3)) != NULL) {
		covey_result(inner, &nine, MS);
		covey_future_free(inner);
	}
	return covey_task_return(t, arg, len);
}

static int last_words(const void *arg, size_t len)
{
	(void)arg;
	(void)len;
	fuzz_tell_reached();
	return 0;
}

static void pool_call(const struct step *s)
{
	covey_future **future = &f.future[s->a % FUTURES_MOST];
	uint64_t numbers[32] = {1, 2, 3}, squares[32];
	covey_failure failure;

	switch (s->b % 10) {
	case 0:
	case 1:
	case 2:
		if (!*future)
			*future = covey_pool_submit(f.pool, task, given + s->c, size_of(s),
			                            &(covey_submit_opts){.priority = s->d % 3,
			                                                 .result_size = s->c,
			                                                 .retries = s->d & 1});
		break;
	case 3:
		if (*future)
			covey_future_result(*future, got, sizeof got, MS);
		break;
	case 4:
		if (*future)
			covey_future_failure(*future, &failure);
		break;
	case 5:
		if (*future)
			covey_future_cancel(*future);
		break;
	case 6:
		covey_future_free(*future);
		*future = NULL;
		break;
	case 7:
		covey_pool_map(f.pool, square_covey_run, numbers, 8, sizeof *numbers, squares,
		               sizeof *squares, &(covey_map_opts){.timeout_ms = 10 * MS});
		break;
	case 8:
		covey_wait(f.future, FUTURES_MOST, s->c % 3, MS);
		break;
	default:
		if (s->c == 3)
			covey_pool_resize(f.pool, 1 + s->d % 3);
		covey_pool_pending(f.pool);
	}
}

/* ---- all of it */

static void make(uint8_t with)
{
	bool well =
		covey_queue_create(&f.queue[0], &(covey_queue_opts){.max_messages = 8}) == 0 &&
		covey_queue_create(&f.queue[1], &(covey_queue_opts){.counted = 1}) == 0 &&
		covey_queue_create(&f.queue[2], &(covey_queue_opts){.max_bytes = 1 << 20}) == 0 &&
		covey_pipe_create(f.pipe, &(covey_pipe_opts){0}) == 0 &&
		covey_lock_create(&f.lock, "lock") == 0 &&
		covey_rlock_create(&f.rlock, NULL) == 0 &&
		covey_semaphore_create(&f.units, &(covey_semaphore_opts){.value = 3}) == 0 &&
		covey_semaphore_create(&f.tokens, &(covey_semaphore_opts){.tokens = 1}) == 0 &&
		covey_condition_create(&f.condition, f.lock, NULL) == 0 &&
		covey_event_create(&f.event, NULL) == 0 &&
		covey_barrier_create(&f.barrier, &(covey_barrier_opts){.parties = 2}) == 0 &&
		covey_dict_create(&f.dict, NULL) == 0 && covey_list_create(&f.list, NULL) == 0 &&
		covey_array_create(&f.array, int64_t, 50, NULL) == 0 &&
		covey_value_create(&f.value[0], &(int64_t){0}, NULL) == 0 &&
		covey_value_create_bytes(&f.value[1], given, 320, NULL) == 0 &&
		covey_block_create(&f.block, 100, &(covey_block_opts){.max_size = 1 << 16}) == 0;

	if (well && with & (WITH_THREADS | WITH_PROCESSES))
		well = covey_pool_open(&f.pool,
		                       &(covey_pool_opts){.kind = with & WITH_THREADS
		                                                          ? COVEY_THREADS
		                                                          : COVEY_PROCESSES,
		                                          .workers = 2,
		                                          .method = COVEY_FORK,
		                                          .finalizer = last_words}) == 0;
	if (!well) {
		fprintf(stderr, "fuzz_arena: the family cannot be made: %s\n", covey_errmsg());
		abort();
	}
	fuzz_spare_mutexes();
}

static void take(const struct step *s)
{
	if (s->what >= FLIP)
		fuzz_flip(s);
	else if (s->what < 40)
		queue_call(s);
	else if (s->what < 48)
		pipe_call(s);
	else if (s->what < 64)
		lock_call(s);
	else if (s->what < 80)
		dict_call(s);
	else if (s->what < 92)
		list_call(s);
	else if (s->what < 100)
		value_call(s);
	else if (f.pool)
		pool_call(s);
}

static void take_all(const uint8_t *data, size_t size, unsigned who, bool alone)
{
	struct step step;

	for (size_t i = 0; i < STEPS_MOST && (i + 1) * STEP_BYTES <= size; i++) {
		memcpy(&step, data + i * STEP_BYTES, sizeof step);
		fuzz_board->step[who] = (uint32_t)i;
		if (alone || (step.who & 1u) == who)
			take(&step);
	}
}

static int peer(const void *arg, size_t len)
{
	f.pool = NULL; /* its own process's only */
	fuzz_board->peer = getpid();
	take_all(arg, len, 1, false);
	fuzz_tell_reached();
	fuzz_board->peer = 0;
	return 0;
}

/* The calls that end things: each returns, and may fail. */
static void unmake(void)
{
	for (size_t i = 0; i < FUTURES_MOST; i++)
		covey_future_free(f.future[i]);
	if (f.pool && (covey_pool_close(f.pool) < 0 || covey_pool_join(f.pool, 300) < 0) &&
	    covey_pool_terminate(f.pool) == 0)
		covey_pool_join(f.pool, 1000);
	for (size_t i = 0; i < 3; i++)
		covey_queue_destroy(f.queue[i]);
	covey_pipe_close(f.pipe[0]);
	covey_pipe_close(f.pipe[1]);
	covey_condition_destroy(f.condition);
	covey_lock_destroy(f.lock);
	covey_rlock_destroy(f.rlock);
	covey_semaphore_destroy(f.units);
	covey_semaphore_destroy(f.tokens);
	covey_event_destroy(f.event);
	covey_barrier_destroy(f.barrier);
	covey_dict_destroy(f.dict);
	covey_list_destroy(f.list);
	covey_array_destroy(f.array);
	covey_value_destroy(f.value[0]);
	covey_value_destroy(f.value[1]);
	covey_block_destroy(f.block);
}

void fuzz_family(const uint8_t *data, size_t size)
{
	uint8_t with = size ? data[0] : 0;
	covey_process *p = NULL;

	/* Little memory: a damaged length is refused, and not tried. */
	covey_configure(&(covey_config){.quota = 64u << 20});
	for (size_t i = 0; i < sizeof given; i++)
		given[i] = (unsigned char)(i * 7);
	make(with);
	if (with & WITH_PEER)
		covey_process_start(&p, peer, data + 1, size - 1,
		                    &(covey_process_opts){.method = COVEY_FORK});
	if (size)
		take_all(data + 1, size - 1, 0, !p);
	if (p) {
		covey_process_join(p, 2000); /* it may fail: the fuzzer waits for it anyway */
		covey_process_free(p);
	}
	unmake();
}
