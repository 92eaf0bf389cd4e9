/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/probes_selftest.c — does a uprobe of this method work here, and what does a trap
 * cost?
 *
 * Some kernels (6.6 to 6.9) match the PID of a uprobe_multi link against one thread instead of the
 * process, and no version number tells which are mended. So a site in ourselves is attached and
 * passed by a second thread; unseen means perf events. The same site, passed some thousand times,
 * gives the price of a trap on this machine.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <unistd.h>

#include "lib/clock.h"
#include "target/probes_internal.h"
#include "target/procfs.h"

#define CALIBRATE_HITS	  200 /* in a batch, about 0.1 ms */
#define CALIBRATE_BATCHES 20

extern const char probes_selftest_nop[];

/* A site in ourselves: a nop, with a "block" in rdi, as at a call of free(). */
static __attribute__((noinline, noclone)) void selftest_site(void *block)
{
	asm volatile(".globl probes_selftest_nop\n"
		     "probes_selftest_nop: nop"
		     :
		     : "D"(block)
		     : "memory");
}

static void *selftest_thread(void *arg)
{
	selftest_site(arg);
	return NULL;
}

/* File offset of probes_selftest_nop in /proc/self/exe. */
static int selftest_offset(struct dl_phdr_info *info, size_t size, void *ret)
{
	uintptr_t addr = (uintptr_t)probes_selftest_nop;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && addr >= start && addr < start + ph->p_filesz) {
			*(uint64_t *)ret = addr - start + ph->p_offset;
			return 1;
		}
	}
	return 0;
}

/* Of several short batches the cheapest, in CPU time: whoever else wants this CPU, or takes it from
 * the virtual machine, makes a trap dearer by the clock on the wall (150 times were seen).
 */
static double calibrate(void *block)
{
	uint64_t best_ns = UINT64_MAX;

	for (int i = 0; i < CALIBRATE_BATCHES; i++) {
		uint64_t start_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), ns;

		for (int hit = 0; hit < CALIBRATE_HITS; hit++)
			selftest_site(block);
		ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns;
		if (ns && ns < best_ns)
			best_ns = ns;
	}
	return (double)best_ns / CALIBRATE_HITS;
}

int probes_selftest(struct probes *p, enum window_method method)
{
	struct site site = { .kind = SITE_FREE, .reg = PGD_REG_DI };
	struct sites sites = { .v = &site, .n = 1 };
	const struct window_pick count = { .progs = 1u << WINDOW_ON_COUNT };
	struct window_target wt = { .path = "/proc/self/exe",
				    .pid = getpid(),
				    .slot = PROBES_SELFTEST_SLOT };
	struct pgd_target t = { .state = PGD_TARGET_WATCHED };
	const struct procfs fs = { .root = "/proc" };
	struct procfs_stat stat;
	struct window w = WINDOW_INIT;
	struct pgd_hits hits = { 0 };
	uint32_t slot = PROBES_SELFTEST_SLOT;
	pthread_t thread;
	int r;

	if (!dl_iterate_phdr(selftest_offset, &site.offset))
		return -ENOTSUP;
	r = procfs_stat(&fs, getpid(), &stat);
	if (r < 0)
		return r;
	t.start_ticks = stat.start_ticks;
	r = bpf_map_update_elem(bpf_map__fd(p->skel->maps.pgd_targets), &slot, &t, BPF_ANY);
	if (r < 0)
		return r;
	probes_prog_fds(p, wt.prog_fds);
	r = window_open(&w, method, &wt, &sites, &count);
	if (r < 0)
		return r;
	if (pthread_create(&thread, NULL, selftest_thread, &site) == 0)
		pthread_join(thread, NULL);
	r = probes_hits(p, slot, &hits);
	p->trap_ns = calibrate(&site);
	window_close(&w);

	t.state = PGD_TARGET_FREE;
	bpf_map_update_elem(bpf_map__fd(p->skel->maps.pgd_targets), &slot, &t, BPF_ANY);
	if (r < 0)
		return r;
	return hits.counted == 1 ? 0 : -ENOTSUP;
}
