/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/probes.c — see probes.h.
 *
 * The surprising part is the self-test: some kernels (6.6 to 6.9) match the PID of a uprobe_multi
 * link against one thread instead of the process, and no version number tells which are mended. So
 * a site in ourselves is attached and passed by a second thread; unseen means perf events. The same
 * site, passed some thousand times, gives the price of a trap on this machine.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <link.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "pgd_abi.h" /* before the skeleton, which names its types */
#include "pygrowd.skel.h"
#include "target/probes.h"
#include "target/procfs.h"

#define KERNEL_MIN		515 /* major * 100 + minor: bpf_get_attach_cookie, 5.15 */
#define KERNEL_UPROBE_ALLOCATES 601 /* rows of a hash map can be allocated in a uprobe: 6.1 */
#define LIVE_MAX_PREALLOCATED	(1u << 20) /* 80 MiB; four times that is no guest's share */
#define SELFTEST_SLOT		(PGD_TARGETS_MAX - 1)
#define CALIBRATE_HITS		200 /* in a batch, about 0.1 ms */
#define CALIBRATE_BATCHES	20
#define PURGE_BATCH		4096

struct probes {
	struct pygrowd_bpf *skel;
	enum window_method method;
	bool slot_used[PGD_TARGETS_MAX];
	int kernel; /* major * 100 + minor */
	int n_cpus;
	uint32_t epoch; /* the last one given out */
	int stats_fd;
	double trap_ns;
};

static int libbpf_says(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[512];

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	/* One level lower than libbpf thinks: what is fatal to it may be survivable to us. */
	if (level == LIBBPF_WARN)
		log_info("%s", line);
	else if (level == LIBBPF_INFO)
		log_debug(0, "%s", line);
	return 0;
}

/* ── can this machine do it, and may we? ──────────────────────────────────────────────────── */

/* "6.1.0-18-amd64" → 601; 0: not understood. */
static int kernel_version(const char *release)
{
	int major, minor;

	return sscanf(release, "%d.%d", &major, &minor) == 2 ? major * 100 + minor : 0;
}

static bool has_capability(int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return data[cap / 32].effective & 1u << cap % 32;
}

static int check_capabilities(struct strbuf *why)
{
	static const struct {
		int cap;
		const char *name, *what_for;
		bool admin_will_do;
	} needs[] = {
		{ CAP_BPF, "CAP_BPF", "load BPF programs", true },
		{ CAP_PERFMON, "CAP_PERFMON", "attach uprobes", true },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "read the memory of other processes", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		if (has_capability(needs[i].cap) ||
		    (needs[i].admin_will_do && has_capability(CAP_SYS_ADMIN)))
			continue;
		strbuf_printf(why, "cannot %s: capability %s is missing; run as root or grant it",
			      needs[i].what_for, needs[i].name);
		return -EPERM;
	}
	return 0;
}

int probes_check_kernel(const char *release, const char *btf_path, struct strbuf *why)
{
	if (kernel_version(release) < KERNEL_MIN)
		return strbuf_fail(why, -ENOTSUP, "kernel %s is too old: 5.15 or newer is needed",
				   release);
	if (access(btf_path, R_OK) < 0)
		return strbuf_fail(why, -ENOTSUP,
				   "kernel %s has no BTF (%s): a kernel built with "
				   "CONFIG_DEBUG_INFO_BTF=y is needed",
				   release, btf_path);
	return 0;
}

/* ── load ─────────────────────────────────────────────────────────────────────────────────── */

static int load(struct probes *p, const struct probes_options *o, struct strbuf *why)
{
	struct bpf_program *site_progs[WINDOW_PROG_MAX];
	struct rlimit memlock = { RLIM_INFINITY, RLIM_INFINITY };
	uint32_t live_max = o->live_max;
	struct pygrowd_bpf *skel;
	int r;

	p->skel = skel = pygrowd_bpf__open();
	if (!skel) {
		r = -errno;
		strbuf_printf(why, "cannot open the BPF object: %s", strerror(-r));
		return r;
	}
	if (p->kernel >= KERNEL_UPROBE_ALLOCATES)
		bpf_map__set_map_flags(skel->maps.pgd_live, BPF_F_NO_PREALLOC);
	else if (!live_max)
		live_max = LIVE_MAX_PREALLOCATED;
	if (live_max)
		bpf_map__set_max_entries(skel->maps.pgd_live, live_max);

	site_progs[WINDOW_ON_ALLOC] = skel->progs.on_alloc;
	site_progs[WINDOW_ON_FREE] = skel->progs.on_free;
	site_progs[WINDOW_ON_GC_START] = skel->progs.on_gc_start;
	site_progs[WINDOW_ON_GC_DONE] = skel->progs.on_gc_done;
	site_progs[WINDOW_ON_COUNT] = skel->progs.on_count;
	for (int i = 0; !o->force_perf && i < WINDOW_PROG_MAX; i++)
		bpf_program__set_expected_attach_type(site_progs[i], WINDOW_ATTACH_MULTI);

	setrlimit(RLIMIT_MEMLOCK, &memlock); /* kernels before 5.11 charge maps to it */
	r = pygrowd_bpf__load(skel);
	if (r < 0) {
		strbuf_printf(why,
			      "the kernel refused the BPF programs: %s; `pygrowd -v -v` shows its "
			      "reasons",
			      strerror(-r));
		return r;
	}
	return 0;
}

/* ── self-test and price of a trap ────────────────────────────────────────────────────────── */

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

/* 0: a second thread's hit was seen, and p->trap_ns is set. -ENOTSUP: it was not. */
static int selftest(struct probes *p, enum window_method method)
{
	struct site site = { .kind = SITE_FREE, .reg = PGD_REG_DI };
	struct sites sites = { .v = &site, .n = 1 };
	const struct window_pick count = { .progs = 1u << WINDOW_ON_COUNT };
	struct window_target wt = { .path = "/proc/self/exe",
				    .pid = getpid(),
				    .slot = SELFTEST_SLOT };
	struct pgd_target t = { .state = PGD_TARGET_WATCHED };
	const struct procfs fs = { .root = "/proc" };
	struct procfs_stat stat;
	struct window w = WINDOW_INIT;
	struct pgd_hits hits = { 0 };
	uint32_t slot = SELFTEST_SLOT;
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

static int choose_method(struct probes *p, const struct probes_options *o, struct strbuf *why)
{
	int r = -ENOTSUP;

	if (!o->force_perf && window_has_multi(bpf_program__fd(p->skel->progs.on_free)) == 0) {
		p->method = WINDOW_MULTI;
		r = selftest(p, p->method);
		if (r < 0)
			log_info("uprobe_multi does not work here (%s), using perf events",
				 strerror(-r));
	}
	if (r < 0) {
		p->method = WINDOW_PERF;
		r = selftest(p, p->method);
	}
	if (r < 0)
		strbuf_printf(
			why,
			"cannot attach a uprobe to ourselves: %s; is CONFIG_UPROBES on, and are "
			"CAP_PERFMON and CAP_BPF there?",
			strerror(-r));
	return r;
}

int probes_open(const struct probes_options *o, struct probes **ret, struct strbuf *why)
{
	_cleanup_(probes_closep) struct probes *p = NULL;
	struct utsname kernel;
	int r;

	libbpf_set_print(libbpf_says);
	r = check_capabilities(why);
	if (r < 0)
		return r;
	if (uname(&kernel) < 0)
		return -errno;
	r = probes_check_kernel(kernel.release, "/sys/kernel/btf/vmlinux", why);
	if (r < 0)
		return r;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->stats_fd = -1;
	p->kernel = kernel_version(kernel.release);
	p->slot_used[SELFTEST_SLOT] = true;
	p->n_cpus = libbpf_num_possible_cpus();
	if (p->n_cpus < 1)
		return -EINVAL;
	r = load(p, o, why);
	if (r < 0)
		return r;
	r = choose_method(p, o, why);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

void probes_close(struct probes *p)
{
	if (!p)
		return;
	probes_measure_runs(p, false);
	pygrowd_bpf__destroy(p->skel);
	free(p);
}

enum window_method probes_method(const struct probes *p)
{
	return p->method;
}

double probes_trap_ns(const struct probes *p)
{
	return p->trap_ns;
}

int probes_stacks_fd(const struct probes *p)
{
	return bpf_map__fd(p->skel->maps.pgd_stacks);
}

int probes_events_fd(const struct probes *p)
{
	return bpf_map__fd(p->skel->maps.pgd_events);
}

int probes_births_fd(const struct probes *p)
{
	return bpf_map__fd(p->skel->maps.pgd_births);
}

int probes_over_fd(const struct probes *p)
{
	return bpf_map__fd(p->skel->maps.pgd_over);
}

int probes_procs_fd(const struct probes *p)
{
	return bpf_map__fd(p->skel->maps.pgd_procs);
}

void probes_shared(const struct probes *p, struct probes_shared *ret)
{
	*ret = (struct probes_shared){
		.gate = &p->skel->data->pgd_gate,
		.samples = p->skel->bss->pgd_samples,
		.walked = p->skel->bss->pgd_walked,
		.site_hits = p->skel->bss->pgd_site_hits,
		.rare_hits = p->skel->bss->pgd_rare_hits,
		.suspects = p->skel->bss->pgd_suspects,
		.trips = p->skel->bss->pgd_trips,
		.gc_trips = p->skel->bss->pgd_gc_trips,
		.witnesses = p->skel->bss->pgd_witnesses,
		.epochs = p->skel->bss->pgd_epochs,
	};
}

void probes_prog_fds(const struct probes *p, int ret[WINDOW_PROG_MAX])
{
	ret[WINDOW_ON_ALLOC] = bpf_program__fd(p->skel->progs.on_alloc);
	ret[WINDOW_ON_FREE] = bpf_program__fd(p->skel->progs.on_free);
	ret[WINDOW_ON_GC_START] = bpf_program__fd(p->skel->progs.on_gc_start);
	ret[WINDOW_ON_GC_DONE] = bpf_program__fd(p->skel->progs.on_gc_done);
	ret[WINDOW_ON_COUNT] = bpf_program__fd(p->skel->progs.on_count);
}

/* ── slots ────────────────────────────────────────────────────────────────────────────────── */

/* Nobody limits what its sites cost. */
static void forget_trips(struct probes *p, uint32_t slot)
{
	p->skel->bss->pgd_trips[slot] = (struct pgd_trip){ .left = INT64_MAX };
	p->skel->bss->pgd_gc_trips[slot] = (struct pgd_gc_trip){ .left = INT64_MAX, .phase = 1 };
}

int probes_slot_add(struct probes *p, const struct pgd_target *t, uint32_t *ret_slot)
{
	uint32_t slot = 0;
	int r;

	while (slot < PGD_TARGETS_MAX && p->slot_used[slot])
		slot++;
	if (slot == PGD_TARGETS_MAX)
		return -ENOSPC;
	r = bpf_map_update_elem(bpf_map__fd(p->skel->maps.pgd_targets), &slot, t, BPF_ANY);
	if (r < 0)
		return r;
	p->slot_used[slot] = true;
	forget_trips(p, slot);
	probes_remember_codes(p, slot, true);
	*ret_slot = slot;
	return 0;
}

/* All rows of a hash map whose key belongs to `slot`; non-zero from `each` deletes the row. Best
 * effort: a row that is missed is found by nobody, since a slot's blocks are looked up by address
 * and its stacks by hash. */
static void each_row(int map_fd, size_t key_bytes, size_t value_bytes, uint32_t slot,
		     uint32_t (*key_slot)(const void *key),
		     int (*each)(void *userdata, const void *key, void *value), void *userdata)
{
	_cleanup_free_ uint8_t *keys = malloc(PURGE_BATCH * key_bytes);
	_cleanup_free_ uint8_t *values = malloc(PURGE_BATCH * value_bytes);
	uint32_t in = 0, out = 0;
	void *from = NULL;
	int r = 0;

	while (keys && values && r == 0) {
		uint32_t n = PURGE_BATCH;

		r = bpf_map_lookup_batch(map_fd, from, &out, keys, values, &n, NULL);
		if (r < 0 && r != -ENOENT)
			return;
		for (uint32_t i = 0; i < n; i++) {
			const uint8_t *key = keys + i * key_bytes;

			if (key_slot(key) == slot && each(userdata, key, values + i * value_bytes))
				bpf_map_delete_elem(map_fd, key);
		}
		in = out;
		from = &in;
	}
}

static uint32_t block_slot(const void *key)
{
	return PGD_BLOCK_SLOT(*(const uint64_t *)key);
}

static uint32_t stack_slot(const void *key)
{
	return ((const struct pgd_stack_key *)key)->slot;
}

static int let_go(void *userdata, const void *key, void *value)
{
	(void)userdata;
	(void)key;
	(void)value;
	return 1;
}

static void zero_percpu(const struct probes *p, int map_fd, uint32_t key, size_t value_bytes)
{
	_cleanup_free_ void *zero = calloc((size_t)p->n_cpus, value_bytes);

	if (zero)
		bpf_map_update_elem(map_fd, &key, zero, BPF_ANY);
}

void probes_remember_codes(struct probes *p, uint32_t slot, bool yes)
{
	/* Atomic: the shutter's thread asks too. 32 bits of windows are years. */
	uint32_t epoch = __atomic_add_fetch(&p->epoch, 1, __ATOMIC_RELAXED);

	p->skel->bss->pgd_epochs[slot] = yes && epoch != PGD_EPOCH_NONE ? epoch : PGD_EPOCH_NONE;
}

void probes_slot_del(struct probes *p, uint32_t slot)
{
	const struct pgd_target none = { .state = PGD_TARGET_FREE };
	const struct pgd_gc no_gc = { 0 };

	bpf_map_update_elem(bpf_map__fd(p->skel->maps.pgd_targets), &slot, &none, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(p->skel->maps.pgd_gc), &slot, &no_gc, BPF_ANY);
	/* Nobody will answer one any more: the guards would take us for deaf. */
	forget_trips(p, slot);
	each_row(bpf_map__fd(p->skel->maps.pgd_live), sizeof(uint64_t), sizeof(struct pgd_live),
		 slot, block_slot, let_go, NULL);
	each_row(probes_stacks_fd(p), sizeof(struct pgd_stack_key), sizeof(struct pgd_stack_total),
		 slot, stack_slot, let_go, NULL);
	zero_percpu(p, bpf_map__fd(p->skel->maps.pgd_hits), slot, sizeof(struct pgd_hits));
	for (uint32_t c = 0; c < PGD_COUNTER_MAX; c++)
		zero_percpu(p, bpf_map__fd(p->skel->maps.pgd_counters), slot * PGD_COUNTER_MAX + c,
			    sizeof(uint64_t));
	p->slot_used[slot] = false;
}

int probes_set_mode(struct probes *p, uint32_t slot, enum pgd_mode mode)
{
	int fd = bpf_map__fd(p->skel->maps.pgd_targets), r;
	struct pgd_target t;

	/* The kernel may note the address space between our read and our write: then the next hit
	 * is a first one again, which is told from exec by the start time. */
	r = bpf_map_lookup_elem(fd, &slot, &t);
	if (r < 0)
		return r;
	t.mode = mode;
	return bpf_map_update_elem(fd, &slot, &t, BPF_ANY);
}

int probes_follow(struct probes *p, uint32_t slot, uint64_t block)
{
	const struct pgd_live row = { .lane = PGD_LANE_SAMPLED };
	uint64_t key = PGD_BLOCK_KEY(slot, block);

	return bpf_map_update_elem(bpf_map__fd(p->skel->maps.pgd_live), &key, &row, BPF_ANY);
}

bool probes_is_followed(const struct probes *p, uint32_t slot, uint64_t block)
{
	uint64_t key = PGD_BLOCK_KEY(slot, block);
	struct pgd_live row;

	return bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.pgd_live), &key, &row) == 0;
}

void probes_unfollow(struct probes *p, uint32_t slot, uint64_t block)
{
	uint64_t key = PGD_BLOCK_KEY(slot, block);

	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.pgd_live), &key);
}

size_t probes_live_count(const struct probes *p, uint32_t slot)
{
	struct pgd_hits hits = { 0 };

	probes_hits(p, slot, &hits);
	return hits.followed > hits.forgotten ? hits.followed - hits.forgotten : 0;
}

struct live_visit {
	int (*each)(void *userdata, uint64_t block, const struct pgd_live *live);
	void *userdata;
};

static int visit_live(void *userdata, const void *key, void *value)
{
	const struct live_visit *v = userdata;

	return v->each(v->userdata, PGD_BLOCK_ADDR(*(const uint64_t *)key), value);
}

void probes_live_each(struct probes *p, uint32_t slot,
		      int (*each)(void *userdata, uint64_t block, const struct pgd_live *live),
		      void *userdata)
{
	struct live_visit v = { each, userdata };

	each_row(bpf_map__fd(p->skel->maps.pgd_live), sizeof(uint64_t), sizeof(struct pgd_live),
		 slot, block_slot, visit_live, &v);
}

static int reset_stack(void *userdata, const void *key, void *value)
{
	struct pgd_stack_total *total = value;

	total->live_bytes = 0;
	total->live_blocks = 0;
	bpf_map_update_elem(*(const int *)userdata, key, total, BPF_EXIST);
	return 0;
}

void probes_stacks_reset(struct probes *p, uint32_t slot)
{
	int fd = probes_stacks_fd(p);

	each_row(fd, sizeof(struct pgd_stack_key), sizeof(struct pgd_stack_total), slot, stack_slot,
		 reset_stack, &fd);
}

int probes_state(const struct probes *p, uint32_t slot, enum pgd_target_state *ret)
{
	struct pgd_target t;
	int r = bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.pgd_targets), &slot, &t);

	if (r < 0)
		return r;
	*ret = t.state;
	return 0;
}

int probes_gc(const struct probes *p, uint32_t slot, struct pgd_gc *ret)
{
	return bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.pgd_gc), &slot, ret);
}

/* Sum of a per-CPU value made of n 64-bit words. */
static int sum_percpu(const struct probes *p, int map_fd, uint32_t key, size_t n_words,
		      uint64_t *ret)
{
	_cleanup_free_ uint64_t *words = calloc((size_t)p->n_cpus * n_words, sizeof(*words));
	int r;

	if (!words)
		return -ENOMEM;
	r = bpf_map_lookup_elem(map_fd, &key, words);
	if (r < 0)
		return r;
	memset(ret, 0, n_words * sizeof(*ret));
	for (size_t i = 0; i < (size_t)p->n_cpus * n_words; i++)
		ret[i % n_words] += words[i];
	return 0;
}

int probes_hits(const struct probes *p, uint32_t slot, struct pgd_hits *ret)
{
	return sum_percpu(p, bpf_map__fd(p->skel->maps.pgd_hits), slot,
			  sizeof(*ret) / sizeof(uint64_t), (uint64_t *)ret);
}

int probes_counters(const struct probes *p, uint32_t slot, uint64_t ret[PGD_COUNTER_MAX])
{
	for (uint32_t c = 0; c < PGD_COUNTER_MAX; c++) {
		int r = sum_percpu(p, bpf_map__fd(p->skel->maps.pgd_counters),
				   slot * PGD_COUNTER_MAX + c, 1, &ret[c]);

		if (r < 0)
			return r;
	}
	return 0;
}

void probes_measure_runs(struct probes *p, bool on)
{
	if (on && p->stats_fd < 0)
		p->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (!on && p->stats_fd >= 0)
		close(TAKE_FD(p->stats_fd));
}

int probes_runs(const struct probes *p, enum window_prog prog, struct probes_runs *ret)
{
	struct bpf_prog_info info = { 0 };
	uint32_t info_bytes = sizeof(info);
	int fds[WINDOW_PROG_MAX], r;

	probes_prog_fds(p, fds);
	r = bpf_obj_get_info_by_fd(fds[prog], &info, &info_bytes);
	if (r < 0)
		return r;
	*ret = (struct probes_runs){ info.run_time_ns, info.run_cnt };
	return 0;
}

/* ── processes that come and go ───────────────────────────────────────────────────────────── */

static int attach_raw(const struct bpf_program *prog, struct bpf_link **ret)
{
	*ret = bpf_program__attach(prog);
	return *ret ? 0 : -errno;
}

int probes_procs_attach(struct probes *p)
{
	int r;

	/* exit first: whose coming we are told, his going we are told. */
	r = attach_raw(p->skel->progs.on_exit, &p->skel->links.on_exit);
	if (r == 0)
		r = attach_raw(p->skel->progs.on_exec, &p->skel->links.on_exec);
	if (r == 0)
		r = attach_raw(p->skel->progs.on_fork, &p->skel->links.on_fork);
	if (r < 0)
		probes_procs_detach(p);
	return r;
}

void probes_procs_detach(struct probes *p)
{
	bpf_link__destroy(TAKE_PTR(p->skel->links.on_fork));
	bpf_link__destroy(TAKE_PTR(p->skel->links.on_exec));
	bpf_link__destroy(TAKE_PTR(p->skel->links.on_exit));
}

uint64_t probes_procs_lost(const struct probes *p)
{
	return __atomic_load_n(&p->skel->bss->pgd_procs_lost, __ATOMIC_RELAXED);
}
