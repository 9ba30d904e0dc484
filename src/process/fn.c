/* SPDX-License-Identifier: MIT */
/*
 * Functions as values: (build-id, offset from load address). The program's own
 * functions are found by two compares; those of other modules, which may be
 * unloaded at any time, by asking the dynamic linker each time.
 */
#include "process/internal.h"

#include <link.h>
#include <string.h>

/* The program's own text, found once. */
static struct {
	uintptr_t base, text, length;
	uint64_t id;
} program;
static pthread_once_t program_once = PTHREAD_ONCE_INIT;

/* First 8 bytes of the build-id of a module, 0 for none. */
static uint64_t build_id(const struct dl_phdr_info *info)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const char *note, *end;
		size_t align;

		if (ph->p_type != PT_NOTE)
			continue;
		note = (const char *)info->dlpi_addr + ph->p_vaddr;
		end = note + ph->p_memsz;
		align = ph->p_align == 8 ? 8 : 4;
		while (note + sizeof(ElfW(Nhdr)) <= end) {
			const ElfW(Nhdr) *head = (const void *)note;
			const char *name = note + sizeof *head;
			const char *data = name + ((head->n_namesz + align - 1) & ~(align - 1));
			uint64_t id;

			if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 &&
			    memcmp(name, "GNU", 4) == 0 && head->n_descsz >= sizeof id &&
			    data + sizeof id <= end) {
				memcpy(&id, data, sizeof id);
				return id;
			}
			note = data + ((head->n_descsz + align - 1) & ~(align - 1));
		}
	}
	return 0;
}

struct search {
	uintptr_t address; /* looked for, or */
	covey_fn fn;       /* this */
	uintptr_t base, text, length;
	uint64_t id;
	bool found, module_found;
};

static bool executable_at(const struct dl_phdr_info *info, uintptr_t address, struct search *s)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) &&
		    address - start < ph->p_memsz) {
			s->base = info->dlpi_addr;
			s->text = start;
			s->length = ph->p_memsz;
			return true;
		}
	}
	return false;
}

#define OFFSET_BITS 40
#define OFFSET(fn) ((fn).offset & ((UINT64_C(1) << OFFSET_BITS) - 1))

/* With the check in it: a value that was damaged on its way leads to no other code. */
static covey_fn sealed(uint64_t module, uint64_t offset)
{
	uint64_t sum =
		(module ^ offset * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);

	return (covey_fn){module, offset | sum >> OFFSET_BITS << OFFSET_BITS};
}

static bool is_whole(covey_fn fn)
{
	return sealed(fn.module, OFFSET(fn)).offset == fn.offset;
}

static int by_address(struct dl_phdr_info *info, size_t size, void *context)
{
	struct search *s = context;

	(void)size;
	if (!executable_at(info, s->address, s))
		return 0;
	s->id = build_id(info);
	s->found = true;
	return 1;
}

static int by_value(struct dl_phdr_info *info, size_t size, void *context)
{
	struct search *s = context;

	(void)size;
	if (build_id(info) != s->fn.module)
		return 0;
	s->module_found = true;
	s->address = info->dlpi_addr + OFFSET(s->fn);
	s->found = executable_at(info, s->address, s);
	return 1;
}

static int first_module(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X)) {
			program.base = info->dlpi_addr;
			program.text = info->dlpi_addr + ph->p_vaddr;
			program.length = ph->p_memsz;
			program.id = build_id(info);
		}
	}
	return 1; /* the first is the program */
}

static void find_program(void)
{
	dl_iterate_phdr(first_module, NULL);
}

int covey_fn_make_(covey_fn *fn, covey_function *function)
{
	struct search s = {.address = (uintptr_t)function};

	pthread_once(&program_once, find_program);
	if (!fn || !function)
		return cvy_fail(EINVAL, "function: none was given");
	if (__builtin_expect(s.address - program.text < program.length && program.id, 1)) {
		*fn = sealed(program.id, s.address - program.base);
		return 0;
	}
	dl_iterate_phdr(by_address, &s);
	if (!s.found)
		return cvy_fail(EINVAL,
		                "function: %p is in the code of no loaded module, so it "
		                "cannot travel (a nested function that uses its "
		                "surroundings lies on the stack)",
		                (void *)s.address);
	if (!s.id)
		return cvy_fail(ENOEXEC,
		                "function: the module of %p has no build-id, so it cannot "
		                "travel (link with -Wl,--build-id)",
		                (void *)s.address);
	*fn = sealed(s.id, s.address - s.base);
	return 0;
}

bool cvy_fn_is_program(covey_fn fn)
{
	pthread_once(&program_once, find_program);
	return program.id && fn.module == program.id;
}

covey_function *covey_fn_pointer(covey_fn fn)
{
	struct search s = {.fn = fn};

	pthread_once(&program_once, find_program);
	if (__builtin_expect(fn.module == program.id && fn.module != 0 && is_whole(fn) &&
	                             program.base + OFFSET(fn) - program.text < program.length,
	                     1))
		return (covey_function *)(program.base + OFFSET(fn));
	if (!fn.module) {
		cvy_fail(EINVAL, "function: the value is all zero: it is no function");
		return NULL;
	}
	dl_iterate_phdr(by_value, &s);
	if (s.found && is_whole(fn))
		return (covey_function *)s.address;
	if (s.found)
		cvy_fail(EINVAL, "function: the value %016llx of module %016llx is damaged",
		         (unsigned long long)fn.offset, (unsigned long long)fn.module);
	else if (s.module_found)
		cvy_fail(EINVAL, "function: its module %016llx has no code at offset %llu",
		         (unsigned long long)fn.module, (unsigned long long)OFFSET(fn));
	else
		cvy_fail(ENOENT,
		         "function: its module (build-id %016llx) is not loaded in this "
		         "process",
		         (unsigned long long)fn.module);
	return NULL;
}
