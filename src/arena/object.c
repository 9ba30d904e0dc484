/* SPDX-License-Identifier: MIT */
/*
 * The object table. Slots are handed out under the table lock. The tags are the
 * truth: after a holder's death every slot whose tag is not live is cleared
 * again and the free lists are made anew.
 */
#include "arena/layout.h"

#include <stdio.h>
#include <string.h>

#define BACK_STEP (UINT64_C(64) << 10)

#define TAG_KIND(tag) ((enum cvy_kind)((tag)&0xff))
#define TAG_LIVE(tag) (((tag) >> 8 & 0xff) == CVY_LIVE)
#define TAG_GENERATION(tag) ((tag) >> 32)

/* The clear functions of the kinds that this process has used. */
static void (*_Atomic clear_fn[CVY_KINDS])(struct cvy_object *);

const char *cvy_kind_name(enum cvy_kind kind)
{
	static const char *const names[CVY_KINDS] = {
		[CVY_NONE] = "object",         [CVY_LOCK] = "lock",           [CVY_RLOCK] = "rlock",
		[CVY_SEMAPHORE] = "semaphore", [CVY_CONDITION] = "condition", [CVY_EVENT] = "event",
		[CVY_BARRIER] = "barrier",     [CVY_RWLOCK] = "rwlock",       [CVY_QUEUE] = "queue",
		[CVY_PIPE] = "pipe",           [CVY_BLOCK] = "block",         [CVY_VALUE] = "value",
		[CVY_ARRAY] = "array",         [CVY_DICT] = "dict",           [CVY_LIST] = "list",
		[CVY_POOL] = "pool",
	};

	return (unsigned)kind < CVY_KINDS ? names[kind] : "object";
}

const char *cvy_title(char to[CVY_TITLE], const struct cvy_object *object, enum cvy_kind kind)
{
	if (object->name[0])
		snprintf(to, CVY_TITLE, "%s '%.*s'", cvy_kind_name(kind), COVEY_NAME_MAX,
		         object->name);
	else
		snprintf(to, CVY_TITLE, "%s", cvy_kind_name(kind));
	return to;
}

bool cvy_title_of(char to[CVY_TITLE], uint64_t id)
{
	uint32_t index = (uint32_t)id - 1;
	uint64_t tag;

	if (index >= cvy_object_capacity)
		return false;
	tag = atomic_load(&cvy_objects[index].tag);
	if (!TAG_LIVE(tag) || TAG_GENERATION(tag) != id >> 32)
		return false;
	cvy_title(to, &cvy_objects[index], TAG_KIND(tag));
	return atomic_load(&cvy_objects[index].tag) == tag; /* the name was its own */
}

static void push_free(struct arena_header *h, struct cvy_object *object, enum cvy_kind kind)
{
	object->next_free = h->free_head[kind];
	atomic_signal_fence(memory_order_seq_cst);
	h->free_head[kind] = object->index + 1;
}

static void mend(struct arena_header *h)
{
	uint64_t live = 0;

	memset(h->free_head, 0, sizeof h->free_head);
	if (h->object_top > cvy_object_capacity)
		h->object_top = cvy_object_capacity;
	for (uint32_t i = h->object_top; i-- > 0;) {
		struct cvy_object *object = &cvy_objects[i];
		uint64_t tag = atomic_load(&object->tag);
		enum cvy_kind kind = TAG_KIND(tag);

		if (TAG_LIVE(tag)) {
			live++;
			continue;
		}
		object->index = i;
		if (kind >= CVY_KINDS)
			continue;
		if (clear_fn[kind])
			clear_fn[kind](object);
		push_free(h, object, kind);
	}
	atomic_store(&h->object_live, live);
	cvy_regions_recount(); /* what was charged for slots that were not there yet */
	cvy_mutex_mended(&h->object_lock);
	cvy_log(COVEY_LOG_WARN, "a process died while it made or destroyed an object; mended");
}

static int lock_table(struct arena_header *h)
{
	int rc = cvy_mutex_lock(&h->object_lock, CVY_NEVER);

	if (rc == 1)
		mend(h);
	else if (rc < 0)
		return cvy_fail(-rc, "objects: the table lock: %s", covey_strerror(rc));
	return 0;
}

/* A slot that was never used, backed, with its mutex initialised. */
static struct cvy_object *new_slot(struct arena_header *h, enum cvy_kind kind)
{
	uint32_t top = h->object_top;
	uint64_t end = ((uint64_t)top + 1) * sizeof(struct cvy_object);
	struct cvy_object *object;
	int rc;

	if (top >= cvy_object_capacity) {
		cvy_fail(ENOSPC, "%u objects live, which is as many as the arena holds",
		         cvy_object_capacity);
		return NULL;
	}
	if (end > h->object_backed) {
		if (cvy_charge(BACK_STEP) < 0)
			return NULL;
		rc = cvy_back(h->objects + h->object_backed, BACK_STEP);
		if (rc < 0) {
			cvy_fail(ENOMEM, "objects: the system has no memory: %s",
			         covey_strerror(rc));
			return NULL;
		}
		h->object_backed += BACK_STEP;
	}
	object = &cvy_objects[top];
	object->index = top;
	rc = cvy_mutex_init(&object->mutex);
	if (rc < 0) {
		cvy_fail(-rc, "objects: a mutex: %s", covey_strerror(rc));
		return NULL;
	}
	atomic_store(&object->tag, (uint64_t)kind);
	__atomic_store_n(&h->object_top, h->object_top + 1, __ATOMIC_RELAXED);
	return object;
}

/* Takes a free slot of the kind off its list, or a slot of no kind yet, or a new one. */
static struct cvy_object *take_slot(struct arena_header *h, enum cvy_kind kind)
{
	enum cvy_kind list = h->free_head[kind] ? kind : CVY_NONE;
	uint32_t head = h->free_head[list];
	struct cvy_object *object;

	if (!head || head > h->object_top || head > cvy_object_capacity)
		return new_slot(h, kind);
	object = &cvy_objects[head - 1];
	h->free_head[list] = object->next_free;
	if (list == CVY_NONE) {
		if (cvy_mutex_init(&object->mutex) < 0)
			return NULL;
		atomic_store(&object->tag, (uint64_t)kind);
	}
	return object;
}

void *cvy_object_block(struct cvy_object *object, uint64_t bytes)
{
	unsigned char *block;

	/* Who died before it was clear has left what somebody else had written there. */
	if (!object->made) {
		cvy_region_free(&object->region);
		if (cvy_region_alloc(&object->region, bytes) < 0)
			return NULL;
	}
	block = cvy_region_at(object->region, bytes);
	if (!block) {
		cvy_fail(EBADMSG, "%s: the object table is damaged",
		         cvy_kind_name(TAG_KIND(atomic_load(&object->tag))));
		return NULL;
	}
	if (!object->made) {
		memset(block, 0, bytes);
		atomic_signal_fence(memory_order_seq_cst);
		object->made = 1;
	}
	return block;
}

int cvy_object_create(const struct cvy_kind_ops *ops, const char *name, const void *context,
                      uint64_t *id)
{
	struct arena_header *h;
	struct cvy_object *object;
	char checked[COVEY_NAME_MAX + 1];
	uint64_t generation;
	int rc = cvy_name(checked, name, cvy_kind_name(ops->kind));

	if (rc < 0)
		return rc;
	rc = cvy_family();
	if (rc < 0)
		return rc;
	h = cvy_header();
	clear_fn[ops->kind] = ops->clear;
	rc = lock_table(h);
	if (rc < 0)
		return rc;
	object = take_slot(h, ops->kind);
	if (!object) {
		cvy_mutex_unlock(&h->object_lock);
		return covey_errcode();
	}
	memcpy(object->name, checked, sizeof checked);
	rc = ops->init ? ops->init(object, context) : 0;
	if (rc < 0) {
		if (ops->clear)
			ops->clear(object);
		push_free(h, object, ops->kind);
	} else {
		generation = (TAG_GENERATION(atomic_load(&object->tag)) + 1) & 0xffffffff;
		generation += !generation;
		*id = generation << 32 | (object->index + 1);
		atomic_fetch_add(&h->object_live, 1);
		atomic_store_explicit(&object->tag, cvy_tag_of(*id, ops->kind),
		                      memory_order_release);
	}
	cvy_mutex_unlock(&h->object_lock);
	return rc;
}

void cvy_object_retire(const struct cvy_kind_ops *ops, struct cvy_object *object)
{
	struct arena_header *h = cvy_header();
	uint64_t tag;

	clear_fn[ops->kind] = ops->clear;
	if (lock_table(h) < 0)
		return;
	tag = atomic_load(&object->tag);
	atomic_store(&object->tag, (tag & ~UINT64_C(0xff00)));
	if (ops->clear)
		ops->clear(object);
	atomic_fetch_sub(&h->object_live, 1);
	push_free(h, object, ops->kind);
	cvy_mutex_unlock(&h->object_lock);
}

uint64_t cvy_object_live(void)
{
	return cvy_family_exists() ? atomic_load(&cvy_header()->object_live) : 0;
}

uint32_t cvy_object_top(void)
{
	uint32_t top = cvy_family_exists()
	                       ? __atomic_load_n(&cvy_header()->object_top, __ATOMIC_RELAXED)
	                       : 0;

	return top < cvy_object_capacity ? top : cvy_object_capacity;
}

int cvy_stale(uint64_t id, enum cvy_kind kind)
{
	uint32_t index = (uint32_t)id - 1;
	uint64_t tag;

	if (!id)
		return cvy_fail(EBADF, "%s: the handle is all zero: it was never created",
		                cvy_kind_name(kind));
	if (index >= cvy_object_capacity)
		return cvy_fail(EBADF, "%s: the handle %016llx was not made by this family",
		                cvy_kind_name(kind), (unsigned long long)id);
	tag = atomic_load(&cvy_objects[index].tag);
	if (TAG_LIVE(tag) && TAG_GENERATION(tag) == id >> 32)
		return cvy_fail(EBADF, "%s: the handle is that of a %s", cvy_kind_name(kind),
		                cvy_kind_name(TAG_KIND(tag)));
	return cvy_fail(EBADF, "%s: it was destroyed", cvy_kind_name(kind));
}
