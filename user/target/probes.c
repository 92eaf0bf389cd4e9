/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/probes.c — see probes.h: the programs, maps and slots of a kernel side that is
 * loaded. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/probes_internal.h"

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

int probes_live_fd(const struct probes *p)
{
	return bpf_map__fd(p->skel->maps.pgd_live);
}

uint32_t probes_born_shift(const struct probes *p)
{
	return p->skel->rodata->pgd_born_shift;
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
	probes_rows_forget(p, slot);
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

size_t probes_live_count(const struct probes *p, uint32_t slot)
{
	struct pgd_hits hits = { 0 };

	probes_hits(p, slot, &hits);
	return hits.followed > hits.forgotten ? hits.followed - hits.forgotten : 0;
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
