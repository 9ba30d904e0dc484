/* SPDX-License-Identifier: MIT */
/*
 * The stack of a worker process that crashes. Before the signal takes its
 * course, a handler on a stack of its own writes a few return addresses to the
 * worker's slot, as offsets in modules that were noted beforehand: the handler
 * calls nothing but the unwinder, which is loaded by then. A pool's process does
 * both before its workers are forked, who then share what that takes; a worker
 * does it where it is a fresh image, or more was loaded since. Signals that the
 * program handles itself stay the program's, and where a sanitizer watches, its
 * reports are the better ones.
 */
#include "pool/pool.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define SANITIZED (CVY_ADDRESS_SANITIZER || CVY_THREAD_SANITIZER)

#define MODULES_MOST 64
#define STACK_BYTES (64 * 1024)
/* Return addresses looked at: the handler's own come first. */
#define DEPTH_MOST 32

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

static struct module {
	uintptr_t base, text, length;
	char name[MODULE_MAX];
} modules[MODULES_MOST];
static int module_count;
/* How many had ever been loaded when they were noted; 0: they are not. */
static unsigned long long loaded;
static struct worker *self;

/* "wordfreq" of "/usr/bin/wordfreq" */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int note_module(struct dl_phdr_info *info, size_t size, void *context)
{
	const char *name = info->dlpi_name && *info->dlpi_name ? base_name(info->dlpi_name)
	                   : module_count                      ? "?"
	                                                       : program_invocation_short_name;

	(void)size;
	(void)context;
	for (int i = 0; i < info->dlpi_phnum && module_count < MODULES_MOST; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		struct module *module = &modules[module_count];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		module->base = info->dlpi_addr;
		module->text = info->dlpi_addr + ph->p_vaddr;
		module->length = ph->p_memsz;
		snprintf(module->name, sizeof module->name, "%s", name);
		module_count++;
	}
	return 0;
}

static int count_loads(struct dl_phdr_info *info, size_t size, void *count)
{
	(void)size;
	*(unsigned long long *)count = info->dlpi_adds;
	return 1;
}

/* Loads the unwinder and notes what is loaded; whether there is an unwinder. */
static bool get_ready(void)
{
	unsigned long long now = 0;
	void *address[1];

	dl_iterate_phdr(count_loads, &now);
	if (loaded && now == loaded)
		return true;
	loaded = 0;
	if (backtrace(address, 1) < 1)
		return false;
	dl_iterate_phdr(count_loads, &now);
	module_count = 0;
	dl_iterate_phdr(note_module, NULL);
	loaded = now;
	return true;
}

void cvy_crash_prepare(void)
{
	static atomic_bool begun; /* once: it is not for several threads */

	if (!SANITIZED && !atomic_exchange(&begun, true))
		get_ready();
}

/* An address as module and offset; safe in a signal handler. */
static void describe(struct frame *frame, uintptr_t address)
{
	memset(frame, 0, sizeof *frame);
	frame->offset = address;
	for (int i = 0; i < module_count; i++)
		if (address - modules[i].text < modules[i].length) {
			frame->offset = address - modules[i].base;
			memcpy(frame->module, modules[i].name, sizeof frame->module);
			return;
		}
}

static bool is_libc(const struct frame *frame)
{
	return strncmp(frame->module, "libc.so", 7) == 0;
}

/* Writes down the callers of the place that the signal came at. */
static void note_frames(uintptr_t place)
{
	void *addresses[DEPTH_MOST];
	int depth = backtrace(addresses, DEPTH_MOST), at = 0;
	uint32_t n = 0;

	while (at < depth && (uintptr_t)addresses[at] != place)
		at++;
	if (at == depth) { /* the unwinder did not get past the handler */
		addresses[0] = (void *)place;
		at = 0;
		depth = 1;
	}
	for (; at < depth && n < FRAMES_MAX; at++) {
		describe(&self->frame[n], (uintptr_t)addresses[at]);
		/* How the C library raises a signal tells nobody anything. */
		if (n > 0 || !is_libc(&self->frame[n]) || at + 1 == depth)
			n++;
	}
	self->frames = n;
}

static void on_crash(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	uintptr_t place = 0;

#if defined(__x86_64__)
	place = (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	place = (uintptr_t)at->uc_mcontext.pc;
#else
	(void)at;
#endif
	if (getpid() == atomic_load(&self->pid) && !atomic_load(&self->signal)) {
		note_frames(place);
		atomic_store(&self->signal, signal);
	}
	/* A fault comes again by itself, and then kills; what was sent has to be sent again. */
	if (info->si_code <= 0)
		raise(signal);
}

void cvy_crash_watch(struct worker *worker)
{
	struct sigaction action = {.sa_sigaction = on_crash,
	                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
	stack_t stack = {.ss_size = STACK_BYTES};

	if (SANITIZED)
		return;
	stack.ss_sp =
		mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) < 0)
		return;
	self = worker;
	if (!get_ready())
		return;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction before;

		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			sigaction(signals[i], &action, NULL);
	}
}

/* ---- in the pool's process */

struct lookup {
	const struct frame *frame;
	uintptr_t base;
	bool found;
};

static int same_name(struct dl_phdr_info *info, size_t size, void *context)
{
	struct lookup *look = context;
	const char *name = info->dlpi_name && *info->dlpi_name ? base_name(info->dlpi_name)
	                                                       : program_invocation_short_name;

	(void)size;
	if (strncmp(name, look->frame->module, MODULE_MAX - 1) != 0)
		return 0;
	look->base = info->dlpi_addr;
	look->found = true;
	return 1;
}

/* "resize+0x1c" where the module tells the function's name, else "program+0x2a41". */
static int print_frame(char *to, size_t cap, const struct frame *frame)
{
	struct lookup look = {.frame = frame};
	const ElfW(Sym) *symbol = NULL;
	uintptr_t address;
	Dl_info info;

	if (!frame->module[0])
		return snprintf(to, cap, "%#llx", (unsigned long long)frame->offset);
	dl_iterate_phdr(same_name, &look);
	address = look.base + frame->offset;
	if (look.found && dladdr1((void *)address, &info, (void **)&symbol, RTLD_DL_SYMENT) &&
	    info.dli_sname && symbol && address - (uintptr_t)info.dli_saddr <= symbol->st_size)
		return snprintf(to, cap, "%s+%#llx", info.dli_sname,
		                (unsigned long long)(address - (uintptr_t)info.dli_saddr));
	return snprintf(to, cap, "%.*s+%#llx", (int)MODULE_MAX - 1, frame->module,
	                (unsigned long long)frame->offset);
}

char *cvy_crash_trace(const struct worker *worker, int signal)
{
	char text[FRAMES_MAX * 96];
	size_t len = 0;

	if (atomic_load(&worker->signal) != signal)
		return NULL;
	for (uint32_t i = 0; i < worker->frames && i < FRAMES_MAX; i++) {
		char one[80];

		print_frame(one, sizeof one, &worker->frame[i]);
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " < " : " at ",
		                        one);
	}
	return len ? strdup(text) : NULL;
}
