/* SPDX-License-Identifier: MIT */
/* Lists: making, changing, destroying. */
#include "shared/list.h"

#include <stdlib.h>

static void clear(struct cvy_object *object)
{
	cvy_store_clear(&cvy_list_of(object)->store);
}

static int init(struct cvy_object *object, const void *context)
{
	(void)context;
	clear(object);
	cvy_guard_init(object);
	return cvy_seq_reset(cvy_list_of(object));
}

static const struct cvy_kind_ops ops = {.kind = CVY_LIST, .init = init, .clear = clear};

int covey_list_create(covey_list *l, const char *name)
{
	if (!l)
		return cvy_fail(EINVAL, "list: no place for the handle was given");
	return cvy_object_create(&ops, name, NULL, &l->id);
}

int covey_list_destroy(covey_list l)
{
	return cvy_guard_destroy(l.id, &ops);
}

int cvy_list_damaged(struct cvy_object *object)
{
	char title[CVY_TITLE];

	return cvy_fail(EBADMSG, "%s: its memory is damaged", cvy_title(title, object, CVY_LIST));
}

struct cvy_object *cvy_list_lock(covey_list handle)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_LIST);
	struct list *l;

	if (!object) {
		cvy_stale(handle.id, CVY_LIST);
		return NULL;
	}
	if (cvy_guard_enter(object, handle.id, CVY_LIST) < 0)
		return NULL;
	l = cvy_list_of(object);
	if (__builtin_expect(atomic_load(&l->store.changing) != 0, 0))
		cvy_seq_mend(l);
	if (__builtin_expect(!cvy_seq_of(l), 0)) {
		cvy_list_damaged(object);
		cvy_guard_leave(object);
		return NULL;
	}
	return object;
}

int cvy_list_said(struct cvy_object *object, int rc, int64_t index, const struct cvy_into *into)
{
	char title[CVY_TITLE];

	if (rc == 0)
		return 0;
	cvy_title(title, object, CVY_LIST);
	if (rc == -ERANGE)
		return cvy_fail(ERANGE, "%s: no element %lld, it has %llu", title, (long long)index,
		                (unsigned long long)into->length);
	if (rc == -EMSGSIZE)
		return cvy_fail(EMSGSIZE, "%s: the element has %llu bytes, the place given %zu",
		                title, (unsigned long long)into->len, into->cap);
	return cvy_fail(-rc, "%s: no memory for an element of %llu bytes", title,
	                (unsigned long long)into->len);
}

static uint64_t length(struct seq *s)
{
	return cvy_seq_length(atomic_load_explicit(&s->state, memory_order_relaxed));
}

static int too_long(size_t len)
{
	return cvy_fail(ENOMEM, "list: an element of %zu bytes", len);
}

int covey_list_extend(covey_list handle, const struct iovec *elements, int n)
{
	struct cvy_object *object;
	uint64_t bytes = 0, *words;
	struct list *l;
	int rc = 0;

	if (n <= 0)
		return n ? cvy_fail(EINVAL, "list: %d elements", n) : 0;
	words = malloc((size_t)n * sizeof *words);
	if (!words)
		return cvy_fail(ENOMEM, "list: no memory for a note of %d elements", n);
	object = cvy_list_lock(handle);
	if (!object) {
		free(words);
		return covey_errcode();
	}
	l = cvy_list_of(object);
	for (int i = 0; rc == 0 && i < n; i++) {
		bytes += cvy_element_bytes(elements[i].iov_len);
		if (elements[i].iov_len > cvy_size || bytes > cvy_size)
			rc = too_long(elements[i].iov_len);
	}
	if (rc == 0)
		rc = cvy_seq_make_room(l, (uint64_t)n, bytes);
	for (int i = 0; rc == 0 && i < n; i++)
		rc = cvy_seq_write(l, elements[i].iov_base, elements[i].iov_len, &words[i]);
	if (rc == 0)
		cvy_seq_append(l, words, (uint64_t)n);
	cvy_guard_leave(object);
	free(words);
	return rc;
}

enum change { APPEND, INSERT, REPLACE };

static int put(covey_list handle, enum change change, int64_t index, const void *data, size_t len)
{
	struct cvy_object *object = cvy_list_lock(handle);
	struct cvy_into into = {0};
	uint64_t at, word;
	struct seq *s;
	struct list *l;
	int rc;

	if (!object)
		return covey_errcode();
	l = cvy_list_of(object);
	if (len == COVEY_TEXT)
		len = strlen(data);
	s = cvy_seq_of(l);
	into.length = s ? length(s) : 0;
	at = change == APPEND ? into.length : (uint64_t)index + (index < 0 ? into.length : 0);
	if (at >= into.length + (change != REPLACE))
		rc = cvy_list_said(object, -ERANGE, index, &into);
	else if (len > cvy_size)
		rc = too_long(len);
	else
		rc = cvy_seq_make_room(l, change != REPLACE, cvy_element_bytes(len));
	if (rc == 0) {
		rc = cvy_seq_write(l, data, len, &word);
		if (rc < 0)
			;
		else if (change == REPLACE)
			cvy_seq_replace(l, at, word);
		else
			cvy_seq_insert(l, at, word);
	}
	cvy_guard_leave(object);
	return rc;
}

int covey_list_append_bytes(covey_list l, const void *data, size_t len)
{
	return put(l, APPEND, 0, data, len);
}

int covey_list_insert_bytes(covey_list l, int64_t index, const void *data, size_t len)
{
	return put(l, INSERT, index, data, len);
}

int covey_list_set_bytes(covey_list l, int64_t index, const void *data, size_t len)
{
	return put(l, REPLACE, index, data, len);
}

/* Deletes an element, once it is copied where that is asked for. */
static int take(covey_list handle, int64_t index, struct cvy_into *into, bool copy)
{
	struct cvy_object *object = cvy_list_lock(handle);
	struct element *e = NULL;
	struct seq *s;
	uint64_t at, len, slots;
	int rc = 0;

	if (!object)
		return covey_errcode();
	s = cvy_seq_of(cvy_list_of(object));
	slots = s ? cvy_seq_slots(s) : 0;
	into->length = slots ? length(s) : 0;
	at = (uint64_t)index + (index < 0 ? into->length : 0);
	if (at >= into->length || at >= slots) {
		rc = -ERANGE;
	} else if (copy) {
		e = cvy_seq_element(s, cvy_seq_index(s, slots, atomic_load(&s->state))[at], &len);
		rc = e ? cvy_into_copy(into, (const uint64_t *)(e + 1), len)
		       : cvy_list_damaged(object);
	}
	if (rc == 0)
		cvy_seq_delete(cvy_list_of(object), at);
	else if (rc != -EBADMSG)
		cvy_list_said(object, rc, index, into);
	cvy_guard_leave(object);
	return rc;
}

int covey_list_delete(covey_list l, int64_t index)
{
	struct cvy_into into = {0};

	return take(l, index, &into, false);
}

int64_t covey_list_pop_bytes(covey_list l, int64_t index, void *buf, size_t cap)
{
	struct cvy_into into = {.buf = buf, .cap = cap};
	int rc = take(l, index, &into, true);

	return rc < 0 ? rc : (int64_t)into.len;
}

int covey_list_pop_exactly(covey_list l, int64_t index, void *object, size_t size)
{
	struct cvy_into into = {.buf = object, .cap = size, .exactly = true};

	return take(l, index, &into, true);
}

int64_t covey_list_size(covey_list handle)
{
	struct cvy_object *object = cvy_list_lock(handle);
	struct seq *s;
	int64_t n;

	if (!object)
		return covey_errcode();
	s = cvy_seq_of(cvy_list_of(object));
	n = s ? (int64_t)length(s) : cvy_list_damaged(object);
	cvy_guard_leave(object);
	return n;
}

int covey_list_clear(covey_list handle)
{
	struct cvy_object *object = cvy_list_lock(handle);
	int rc;

	if (!object)
		return covey_errcode();
	rc = cvy_seq_reset(cvy_list_of(object));
	cvy_guard_leave(object);
	return rc;
}
