/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/bpfchild.h — a child that passes sites of ours, with blocks that we choose.
 *
 * Two sites: nops with a "block" in rdi, one to be probed as an allocation, one as a free. Memory
 * that was mapped before child_start() is in the child at the same address.
 */
#ifndef TESTS_HARNESS_BPFCHILD_H
#define TESTS_HARNESS_BPFCHILD_H

#include <link.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/probes.h"
#include "target/procfs.h"
#include "target/window.h"
#include "test.h"

extern const char child_site_alloc[], child_site_free[];

static __attribute__((noinline, noclone)) void child_alloc(uint64_t block)
{
	asm volatile(".globl child_site_alloc\n"
		     "child_site_alloc: nop"
		     :
		     : "D"(block)
		     : "memory");
}

static __attribute__((noinline, noclone)) void child_free(uint64_t block)
{
	asm volatile(".globl child_site_free\n"
		     "child_site_free: nop"
		     :
		     : "D"(block)
		     : "memory");
}

struct child {
	pid_t pid;
	int go[2], done[2];
};

enum child_op {
	CHILD_ALLOC = 0,
	CHILD_FREE,
	CHILD_BOTH, /* alloc and free, one after the other */
	CHILD_OTHER, /* child_other, in the child; `block` is its argument */
};

struct child_command {
	uint64_t block;
	uint32_t n_times;
	uint32_t op; /* enum child_op */
};

static void (*child_other)(struct child *c, uint64_t arg); /* to be set before child_start() */

static void child_main(struct child *c)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP };
	struct child_command cmd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < ARRAY_SIZE(deadly); i++)
		signal(deadly[i], SIG_DFL); /* cmocka's handlers would run the other tests here */
	while (read(c->go[0], &cmd, sizeof(cmd)) == sizeof(cmd)) {
		for (uint32_t i = 0; i < cmd.n_times; i++) {
			if (cmd.op == CHILD_ALLOC || cmd.op == CHILD_BOTH)
				child_alloc(cmd.block);
			if (cmd.op == CHILD_FREE || cmd.op == CHILD_BOTH)
				child_free(cmd.block);
			if (cmd.op == CHILD_OTHER)
				child_other(c, cmd.block);
		}
		if (write(c->done[1], "", 1) != 1)
			break;
	}
	_exit(0);
}

static void child_start(struct child *c)
{
	assert_ok(pipe(c->go));
	assert_ok(pipe(c->done));
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (!c->pid)
		child_main(c);
}

static inline void child_ask(struct child *c, enum child_op op, uint64_t block, uint32_t n_times)
{
	struct child_command cmd = { block, n_times, op };

	assert_int_equal(write(c->go[1], &cmd, sizeof(cmd)), sizeof(cmd));
}

static inline void child_wait(struct child *c)
{
	char byte;

	assert_int_equal(read(c->done[0], &byte, 1), 1);
}

static inline void child_do(struct child *c, enum child_op op, uint64_t block, uint32_t n_times)
{
	child_ask(c, op, block, n_times);
	child_wait(c);
}

static inline void child_pass(struct child *c, bool is_free, uint64_t block, uint32_t n_times)
{
	child_do(c, is_free ? CHILD_FREE : CHILD_ALLOC, block, n_times);
}

static void child_stop(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->go[0]);
	close(c->go[1]);
	close(c->done[0]);
	close(c->done[1]);
}

struct child_find {
	uintptr_t addr;
	uint64_t offset;
};

static int child_find_offset(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct child_find *f = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && f->addr >= start && f->addr < start + ph->p_filesz) {
			f->offset = f->addr - start + ph->p_offset;
			return 1;
		}
	}
	return 0;
}

/* File offset of a site in /proc/self/exe. */
static uint64_t child_offset(const char *site)
{
	struct child_find f = { .addr = (uintptr_t)site };

	assert_int_not_equal(dl_iterate_phdr(child_find_offset, &f), 0);
	return f.offset;
}

static inline uint64_t child_start_ticks(pid_t pid)
{
	const struct procfs fs = { .root = "/proc" };
	struct procfs_stat stat;

	assert_ok(procfs_stat(&fs, pid, &stat));
	return stat.start_ticks;
}

#endif
