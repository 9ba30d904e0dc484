/* SPDX-License-Identifier: MIT */
/* A dict that many change: its values whole, its size right, whoever dies. */
#include "storm.h"

#include <stdio.h>
#include <string.h>

#define KEYS 48
#define COUNTERS 3
#define VALUE_MOST 300

struct value {
	uint32_t key, len, sum;
	unsigned char body[VALUE_MOST];
};
#define HEAD offsetof(struct value, body)

/* What a keeper counts. */
enum { NEW, DELETED, ADDED };

static uint32_t sum_of(const struct value *v)
{
	uint32_t sum = v->key * 31 + v->len;

	for (uint32_t i = 0; i < v->len; i++)
		sum = sum * 33 + v->body[i];
	return sum;
}

static void look(const struct value *v, int64_t len, uint32_t key)
{
	if (len < (int64_t)HEAD || v->len > VALUE_MOST || len != (int64_t)(HEAD + v->len) ||
	    v->key != key || v->sum != sum_of(v))
		wrong("dict: the value of key %u is torn (%d bytes)", key, (int)len);
}

static int add_one(void *count, void *context)
{
	(void)context;
	++*(uint64_t *)count;
	return 0;
}

/* ---- changes */

static int set(struct self *self, uint32_t key)
{
	struct value v = {.key = key, .len = roll(&self->dice, VALUE_MOST)};
	int rc;

	memset(v.body, (int)roll(&self->dice, 256), v.len);
	v.sum = sum_of(&v);
	self->me->begun[NEW]++;
	rc = covey_dict_set_bytes(self->objects.dict, &key, sizeof key, &v, HEAD + v.len);
	if (rc == 1)
		self->me->done[NEW]++;
	else
		self->me->begun[NEW]--;
	return rc;
}

/* Deletes, or pops. */
static int remove_key(struct self *self, uint32_t key, bool pop)
{
	covey_dict d = self->objects.dict;
	struct value v;
	int64_t rc;

	self->me->begun[DELETED]++;
	rc = pop ? covey_dict_pop_bytes(d, &key, sizeof key, &v, sizeof v)
	         : covey_dict_delete_bytes(d, &key, sizeof key);
	if (rc >= 0)
		self->me->done[DELETED]++;
	else
		self->me->begun[DELETED]--;
	if (rc >= 0 && pop)
		look(&v, rc, key);
	return (int)rc;
}

static int add(struct self *self)
{
	uint32_t key = KEYS + roll(&self->dice, COUNTERS);
	uint64_t count = 0;
	int rc;

	self->me->begun[ADDED]++;
	rc = covey_dict_update(self->objects.dict, &key, &count, add_one, NULL);
	if (rc >= 0)
		self->me->done[ADDED]++;
	else
		self->me->begun[ADDED]--;
	return rc;
}

static int get(struct self *self, uint32_t key)
{
	struct value v;
	int64_t rc = covey_dict_get_bytes(self->objects.dict, &key, sizeof key, &v, sizeof v);

	if (rc >= 0)
		look(&v, rc, key);
	return (int)rc;
}

/* How many keys a copy of it has, all of whose values must be whole. Adds up the counters. */
static int64_t look_at_all(const struct self *self, uint64_t *added)
{
	covey_dict_items *items;
	covey_dict_item item;
	int64_t n = 0;
	uint32_t key;
	int rc = covey_dict_snapshot(self->objects.dict, &items);

	if (rc < 0)
		return rc;
	*added = 0;
	for (; covey_dict_next(items, &item); n++) {
		memcpy(&key, item.key, sizeof key);
		if (key < KEYS)
			look(item.value, (int64_t)item.value_len, key);
		else
			*added += *(const uint64_t *)item.value;
	}
	covey_dict_items_free(items);
	return n;
}

void keep_dict(struct self *self)
{
	while (!books->stop) {
		uint32_t key = roll(&self->dice, KEYS), what = roll(&self->dice, 100);
		uint64_t added;
		int rc = what < 30   ? set(self, key)
		         : what < 45 ? remove_key(self, key, what & 1)
		         : what < 70 ? add(self)
		         : what < 98 ? get(self, key)
		                     : (int)look_at_all(self, &added);

		if (rc < 0 && rc != -ENOENT && !excused(rc))
			wrong("dict: %s", covey_errmsg());
	}
}

/* ---- the subject */

static int make(struct self *root)
{
	uint64_t zero = 0;
	int rc = covey_dict_create(&root->objects.dict, "dict");

	for (uint32_t key = KEYS; rc >= 0 && key < KEYS + COUNTERS; key++)
		rc = covey_dict_set(root->objects.dict, &key, &zero);
	return rc < 0 ? rc : 0;
}

static void check(struct self *root)
{
	struct span keys = {COUNTERS, COUNTERS}, adds = {0, 0};
	int64_t size = covey_dict_size(root->objects.dict), found = 0;
	uint64_t added = 0;

	for (uint32_t key = 0; key < KEYS + COUNTERS; key++)
		found += covey_dict_contains(root->objects.dict, &key) == 1;
	if (look_at_all(root, &added) != size || found != size)
		wrong("dict: its size is %d, and it has %d keys", (int)size, (int)found);
	span_add(&keys, KEEPER, NEW, 1);
	span_add(&keys, KEEPER, DELETED, -1);
	if (size < keys.least || size > keys.most)
		wrong("dict: %d keys, and there must be %d to %d", (int)size, (int)keys.least,
		      (int)keys.most);
	span_add(&adds, KEEPER, ADDED, 1);
	if ((int64_t)added < adds.least || (int64_t)added > adds.most)
		wrong("dict: counts %d, and %d to %d were added", (int)added, (int)adds.least,
		      (int)adds.most);
	if (covey_dict_destroy(root->objects.dict) < 0)
		wrong("dict: destroy: %s", covey_errmsg());
}

const struct subject dict_subject = {"dict", make, NULL, NULL, check, {KEEPER}};
