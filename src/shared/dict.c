/* SPDX-License-Identifier: MIT */
/* Dicts: making, changing, destroying. */
#include "shared/dict.h"

#include <stdlib.h>

static void clear(struct cvy_object *object)
{
	cvy_store_clear(&cvy_dict_of(object)->store);
}

static int init(struct cvy_object *object, const void *context)
{
	(void)context;
	clear(object);
	cvy_guard_init(object);
	return cvy_table_reset(cvy_dict_of(object));
}

static const struct cvy_kind_ops ops = {.kind = CVY_DICT, .init = init, .clear = clear};

int covey_dict_create(covey_dict *d, const char *name)
{
	if (!d)
		return cvy_fail(EINVAL, "dict: no place for the handle was given");
	return cvy_object_create(&ops, name, NULL, &d->id);
}

int covey_dict_destroy(covey_dict d)
{
	return cvy_guard_destroy(d.id, &ops);
}

int cvy_dict_damaged(struct cvy_object *object)
{
	char title[CVY_TITLE];

	return cvy_fail(EBADMSG, "%s: its memory is damaged", cvy_title(title, object, CVY_DICT));
}

struct cvy_object *cvy_dict_lock(covey_dict handle)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_DICT);
	struct dict *d;

	if (!object) {
		cvy_stale(handle.id, CVY_DICT);
		return NULL;
	}
	if (cvy_guard_enter(object, handle.id, CVY_DICT) < 0)
		return NULL;
	d = cvy_dict_of(object);
	if (__builtin_expect(atomic_load(&d->store.changing) != 0, 0))
		cvy_table_mend(d);
	if (__builtin_expect(!cvy_table_of(d), 0)) {
		cvy_dict_damaged(object);
		cvy_guard_leave(object);
		return NULL;
	}
	return object;
}

int cvy_dict_copy(struct record *r, struct cvy_into *into)
{
	uint64_t len = __atomic_load_n(&r->value_len, __ATOMIC_RELAXED);
	uint64_t key_len = __atomic_load_n(&r->key_len, __ATOMIC_RELAXED);

	if (len > cvy_size || key_len > cvy_size ||
	    cvy_record_bytes(key_len, len) > cvy_store_rest(r))
		return -EBADMSG; /* since it was found */
	return cvy_into_copy(into, cvy_record_value(r, key_len), len);
}

int cvy_dict_said(struct cvy_object *object, int rc, const struct cvy_into *into)
{
	char title[CVY_TITLE];

	if (rc == 0)
		return 0;
	cvy_title(title, object, CVY_DICT);
	if (rc == -ENOENT)
		return cvy_fail(ENOENT, "%s: there is no such key", title);
	if (rc == -EMSGSIZE)
		return cvy_fail(EMSGSIZE, "%s: the value has %llu bytes, the place given %zu",
		                title, (unsigned long long)into->len, into->cap);
	if (rc == -ENOMEM)
		return cvy_fail(ENOMEM, "%s: no memory for a value of %llu bytes", title,
		                (unsigned long long)into->len);
	return cvy_fail(-rc, "%s: its memory is damaged", title);
}

static struct place find(struct dict *d, struct key *key)
{
	struct table *t = cvy_table_of(d);

	if (!t)
		return (struct place){UINT64_MAX, NULL};
	key->hash = cvy_hash(t->secret, key->data, key->len);
	return cvy_table_find(t, cvy_table_slots(t), key);
}

/* With the lock held: sets a key that is in the place, or belongs there. 1: it is new. */
static int set(struct dict *d, struct place place, struct key *key, const void *value, size_t len)
{
	bool is_new = !place.record;
	uint64_t table = atomic_load(&d->store.table);
	int rc;

	if (key->len > cvy_size || len > cvy_size)
		return cvy_fail(ENOMEM, "dict: a key of %zu bytes with a value of %zu", key->len,
		                len);
	rc = cvy_table_of(d) ? cvy_table_make_room(d, cvy_record_bytes(key->len, len))
	                     : cvy_fail(EBADMSG, "dict: its memory is damaged");
	if (rc < 0)
		return rc;
	if (atomic_load(&d->store.table) != table || place.slot == UINT64_MAX)
		place = find(d, key); /* it has moved */
	rc = cvy_table_put(d, &place, key, value, len);
	return rc < 0 ? cvy_fail(-rc, "dict: its memory is damaged") : is_new;
}

static struct key key_of(const void *data, size_t len)
{
	return (struct key){data, len == COVEY_TEXT ? strlen(data) : len, 0};
}

int covey_dict_set_bytes(covey_dict handle, const void *data, size_t len, const void *value,
                         size_t value_len)
{
	struct key key = key_of(data, len);
	struct cvy_object *object = cvy_dict_lock(handle);
	struct dict *d;
	int rc;

	if (!object)
		return covey_errcode();
	d = cvy_dict_of(object);
	if (value_len == COVEY_TEXT)
		value_len = strlen(value);
	rc = set(d, find(d, &key), &key, value, value_len);
	cvy_guard_leave(object);
	return rc;
}

int covey_dict_set_default_exactly(covey_dict handle, const void *data, size_t len, void *value,
                                   size_t size)
{
	struct key key = key_of(data, len);
	struct cvy_into into = {.buf = value, .cap = size, .exactly = true};
	struct cvy_object *object = cvy_dict_lock(handle);
	struct place place;
	int rc;

	if (!object)
		return covey_errcode();
	place = find(cvy_dict_of(object), &key);
	if (place.record)
		rc = cvy_dict_said(object, cvy_dict_copy(place.record, &into), &into);
	else
		rc = set(cvy_dict_of(object), place, &key, value, size);
	cvy_guard_leave(object);
	return rc;
}

int covey_dict_compare_set_exactly(covey_dict handle, const void *data, size_t len, void *expected,
                                   const void *desired, size_t size)
{
	struct key key = key_of(data, len);
	struct cvy_into into = {.cap = size, .exactly = true};
	struct cvy_object *object;
	struct place place;
	int rc = 0;

	into.buf = malloc(size ? size : 1);
	if (!into.buf)
		return cvy_fail(ENOMEM, "dict: no memory for a value of %zu bytes", size);
	object = cvy_dict_lock(handle);
	if (!object) {
		free(into.buf);
		return covey_errcode();
	}
	place = find(cvy_dict_of(object), &key);
	rc = place.record ? cvy_dict_copy(place.record, &into) : -ENOENT;
	if (rc < 0) {
		cvy_dict_said(object, rc, &into);
	} else if (memcmp(into.buf, expected, size) == 0) {
		rc = set(cvy_dict_of(object), place, &key, desired, size);
		rc = rc < 0 ? rc : 1;
	} else {
		memcpy(expected, into.buf, size);
	}
	cvy_guard_leave(object);
	free(into.buf);
	return rc;
}

int covey_dict_update_exactly(covey_dict handle, const void *data, size_t len, void *value,
                              size_t size, covey_dict_change *change, void *context)
{
	struct key key = key_of(data, len);
	struct cvy_into into = {.buf = value, .cap = size, .exactly = true};
	struct cvy_object *object;
	struct place place;
	char title[CVY_TITLE];
	int rc = 0;

	if (!change)
		return cvy_fail(EINVAL, "dict: no function was given to change a value");
	object = cvy_dict_lock(handle);
	if (!object)
		return covey_errcode();
	place = find(cvy_dict_of(object), &key);
	if (place.record)
		rc = cvy_dict_said(object, cvy_dict_copy(place.record, &into), &into);
	if (rc < 0) {
		cvy_guard_leave(object);
		return rc;
	}
	rc = change(value, context);
	if (!cvy_object_is(object, handle.id, CVY_DICT))
		return cvy_stale(handle.id, CVY_DICT); /* and its lock is free */
	if (rc)
		rc = cvy_fail(ECANCELED, "%s: the function that was to change a value returned %d",
		              cvy_title(title, object, CVY_DICT), rc);
	else /* found again: it may have changed the dict */
		rc = set(cvy_dict_of(object), find(cvy_dict_of(object), &key), &key, value, size);
	cvy_guard_leave(object);
	return rc;
}

/* Deletes a key once its value is copied, where into is not NULL. */
static int take(covey_dict handle, const void *data, size_t len, struct cvy_into *into)
{
	struct key key = key_of(data, len);
	struct cvy_object *object = cvy_dict_lock(handle);
	struct place place;
	int rc = 0;

	if (!object)
		return covey_errcode();
	place = find(cvy_dict_of(object), &key);
	if (!place.record)
		rc = -ENOENT;
	else if (into)
		rc = cvy_dict_copy(place.record, into);
	if (rc == 0)
		cvy_table_delete(cvy_dict_of(object), &place);
	else
		cvy_dict_said(object, rc, into);
	cvy_guard_leave(object);
	return rc;
}

int covey_dict_delete_bytes(covey_dict d, const void *key, size_t key_len)
{
	return take(d, key, key_len, NULL);
}

int64_t covey_dict_pop_bytes(covey_dict d, const void *key, size_t key_len, void *buf, size_t cap)
{
	struct cvy_into into = {.buf = buf, .cap = cap};
	int rc = take(d, key, key_len, &into);

	return rc < 0 ? rc : (int64_t)into.len;
}

int covey_dict_pop_exactly(covey_dict d, const void *key, size_t key_len, void *object, size_t size)
{
	struct cvy_into into = {.buf = object, .cap = size, .exactly = true};

	return take(d, key, key_len, &into);
}

int64_t covey_dict_size(covey_dict handle)
{
	struct cvy_object *object = cvy_dict_lock(handle);
	struct table *t;
	int64_t count;

	if (!object)
		return covey_errcode();
	t = cvy_table_of(cvy_dict_of(object));
	count = t ? (int64_t)t->count : cvy_dict_damaged(object);
	cvy_guard_leave(object);
	return count;
}

int covey_dict_clear(covey_dict handle)
{
	struct cvy_object *object = cvy_dict_lock(handle);
	int rc;

	if (!object)
		return covey_errcode();
	rc = cvy_table_reset(cvy_dict_of(object));
	cvy_guard_leave(object);
	return rc;
}
