/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/probes_open.c — can this machine do it, and may we? Then the kernel side is loaded.
 *
 * How sites are attached is chosen by trying it (probes_selftest.c): no version number tells which
 * kernels can.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/log.h"
#include "target/probes_internal.h"

#define KERNEL_MIN		515 /* major * 100 + minor: bpf_get_attach_cookie, 5.15 */
#define KERNEL_UPROBE_ALLOCATES 601 /* rows of a hash map can be allocated in a uprobe: 6.1 */
#define LIVE_MAX_PREALLOCATED	(1u << 20) /* 80 MiB; four times that is no guest's share */

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

/* The largest unit that is not above it. */
static uint32_t born_shift(double unit_sec)
{
	uint32_t shift = 0;

	while (shift < PGD_BORN_SHIFT_MAX && ldexp(1e-9, (int)shift + 1) <= unit_sec)
		shift++;
	return shift;
}

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

	if (o->born_unit_sec > 0)
		skel->rodata->pgd_born_shift = born_shift(o->born_unit_sec);

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

static int choose_method(struct probes *p, const struct probes_options *o, struct strbuf *why)
{
	int r = -ENOTSUP;

	if (!o->force_perf && window_has_multi(bpf_program__fd(p->skel->progs.on_free)) == 0) {
		p->method = WINDOW_MULTI;
		r = probes_selftest(p, p->method);
		if (r < 0)
			log_info("uprobe_multi does not work here (%s), using perf events",
				 strerror(-r));
	}
	if (r < 0) {
		p->method = WINDOW_PERF;
		r = probes_selftest(p, p->method);
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
	p->slot_used[PROBES_SELFTEST_SLOT] = true;
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
