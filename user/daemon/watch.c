/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/watch.c — see watch.h. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/watch.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "target/shelter.h"

#define SELFTEST_STACKS	 8 /* stacks of a process that are checked against a walk from outside */
#define SELFTEST_THREADS 256

static void watch_free(struct watch *w)
{
	if (!w)
		return;
	window_close(&w->window);
	symbolize_free(w->symbolize);
	if (w->pidfd >= 0)
		close(w->pidfd);
	sites_done(&w->sites);
	free(w->path);
	free(w->cmdline);
	free(w->unit);
	free(w->service);
	free(w->cgroup);
	free(w->container);
	free(w);
}
DEFINE_CLEANUP(struct watch *, watch_free)

/* Where it belongs: its service, and who has started it. */
static void read_place(const struct procfs *fs, struct watch *w)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT, container = STRBUF_INIT;
	struct procfs_stat stat;
	pid_t pid = w->pid;
	size_t n;

	if (procfs_cgroup(fs, w->pid, &b) == 0)
		w->cgroup = strbuf_take(&b);
	n = w->cgroup ? procfs_service(w->cgroup) : 0;
	if (n)
		w->service = strndup(w->cgroup, n);
	if (w->cgroup && procfs_container(w->cgroup, &container) == 0)
		w->container = strbuf_take(&container);
	while (w->n_ancestors < WATCH_ANCESTORS_MAX && procfs_stat(fs, pid, &stat) == 0 &&
	       stat.ppid > 0)
		pid = w->ancestors[w->n_ancestors++] = stat.ppid;
}

/* A process that has changed its user without exec is protected by the kernel: root's. */
static int64_t read_owner(const struct procfs *fs, pid_t pid)
{
	char path[PROCFS_PATH_MAX];
	struct stat st;

	if (procfs_path(fs, pid, "", path, sizeof(path)) < 0 || stat(path, &st) < 0)
		return -1;
	return st.st_uid;
}

/* By its number inside, and by its user. */
static void read_numbers(const struct procfs *fs, struct procfs_users *users, struct watch *w)
{
	struct procfs_status status;

	if (procfs_status(fs, w->pid, &status) < 0)
		return;
	if (status.inner_pid != w->pid)
		w->pid_inside = status.inner_pid;
	memcpy(w->user, procfs_user(users, status.uid), sizeof(w->user));
}

static void read_words(const struct procfs *fs, struct watch *w)
{
	struct strbuf b = STRBUF_INIT;
	struct procfs_stat stat;

	if (procfs_stat(fs, w->pid, &stat) == 0)
		memcpy(w->comm, stat.comm, sizeof(w->comm));
	w->uid = read_owner(fs, w->pid);
	if (procfs_cmdline(fs, w->pid, &b) == 0)
		w->cmdline = strbuf_take(&b);
	if (read_owner(fs, w->pid) != w->uid) /* by exec: whose command line was it? */
		w->uid = -1;
	strbuf_reset(&b);
	if (procfs_unit(fs, w->pid, &b) == 0)
		w->unit = strbuf_take(&b);
	strbuf_done(&b);
}

static int find_sites(const struct watch_options *o, const struct discover *d, struct sites *ret,
		      struct strbuf *why)
{
	const char *build_id = elf_build_id(d->elf);
	int r;

	if (o->state_dir && sites_load(o->state_dir, build_id, ret) == 0)
		return 0;
	r = sites_find(d->elf, ret);
	if (r < 0) {
		strbuf_printf(why,
			      "pid %d: no allocation sites found in %s: %s; this build of Python "
			      "cannot be watched",
			      d->pid, d->name,
			      r == -ENOENT ? "it shows no free list of pymalloc" : strerror(-r));
		return r == -ENOENT ? -ENOTSUP : r;
	}
	if (o->state_dir) {
		int saved = sites_save(o->state_dir, build_id, ret);

		if (saved < 0) /* a read-only state directory only costs time at the next start */
			log_debug(saved, "save sites to %s, ignoring", o->state_dir);
	}
	return 0;
}

static int add_slot(struct probes *p, struct watch *w)
{
	struct pgd_target t = {
		.py = w->runtime.walk,
		.runtime = w->runtime.runtime,
		.pool_mask = ~((uint64_t)w->runtime.pool_bytes - 1),
		.gc_stats = w->runtime.gc_stats,
		.gc_lists = w->gcstate.lists,
		.gc_enabled = w->gcstate.enabled,
		.gc_is_incremental = w->runtime.is_gc_incremental,
		.tss_key = w->runtime.tss_key,
		.sample_of = 1,
		.start_ticks = w->start_ticks,
		.state = PGD_TARGET_WATCHED,
	};

	return probes_slot_add(p, &t, &w->slot);
}

int watch_open(struct probes *p, pid_t pid, const struct watch_options *o, struct watch **ret,
	       struct strbuf *why)
{
	_cleanup_(watch_freep) struct watch *w = calloc(1, sizeof(*w));
	_cleanup_(discover_done) struct discover d = { 0 };
	struct procfs_stat stat;
	int r;

	if (!w)
		return -ENOMEM;
	w->pid = pid;
	w->pidfd = w->pid_inside = -1;
	w->overhead = w->coverage_allocs = w->coverage_frees = NAN;

	r = discover_open(o->fs, pid, &d, why);
	if (r < 0)
		return r;
	procmem_init(&w->mem, pid);
	r = pyruntime_load(&d, &w->mem, &w->runtime, why);
	if (r < 0)
		return r;
	r = find_sites(o, &d, &w->sites, why);
	if (r < 0)
		return r;
	w->start_ticks = d.start_ticks;
	r = procfs_stat(o->fs, pid, &stat);
	if (r < 0)
		return r;
	w->stack_start = stat.stack_start;
	r = symbolize_new(&w->runtime, &w->mem, &w->symbolize);
	if (r < 0)
		return r;
	w->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (w->pidfd < 0) {
		r = -errno;
		strbuf_printf(why, "pid %d: %s; it has just exited", pid, strerror(-r));
		return r;
	}
	read_numbers(o->fs, o->users, w);
	read_words(o->fs, w);
	read_place(o->fs, w);
	snprintf(w->build_id, sizeof(w->build_id), "%s", elf_build_id(d.elf));
	w->has_gc = w->runtime.gc_stats && sites_count(&w->sites, SITE_GC_START) &&
		    sites_count(&w->sites, SITE_GC_DONE);
	r = gcstate_find(&w->mem, w->runtime.gc, w->runtime.gc_stats, &w->gcstate);
	if (r < 0)
		log_debug(r, "find the collector's lists in pid %d, ignoring", pid);
	if (w->runtime.is_hooked)
		snprintf(w->why, sizeof(w->why),
			 "tracemalloc or a hook like it is on: its own blocks are in the figures");
	if (!d.has_glibc)
		snprintf(w->why, sizeof(w->why),
			 "another malloc than glibc's: blocks over 512 bytes are not seen");
	w->has_glibc = d.has_glibc;
	w->path = TAKE_PTR(d.path);

	r = add_slot(p, w);
	if (r < 0) {
		strbuf_printf(why, "pid %d: %s", pid,
			      r == -ENOSPC ? "too many processes are watched already"
					   : strerror(-r));
		return r;
	}
	*ret = TAKE_PTR(w);
	return 0;
}

struct attach {
	struct probes *probes;
	struct watch *watch;
	const struct window_target *target;
	const struct window_pick *pick;
};

static int attach_work(void *userdata)
{
	struct attach *a = userdata;

	return window_open(&a->watch->window, probes_method(a->probes), a->target, &a->watch->sites,
			   a->pick);
}

int watch_put_on(struct probes *p, struct watch *w, const struct window_target *t,
		 const struct window_pick *pick)
{
	struct attach a = { p, w, t, pick };

	return shelter_run(attach_work, &a);
}

int watch_attach(struct probes *p, struct watch *w, struct strbuf *why)
{
	struct window_target t = { .path = w->path, .pid = w->pid, .slot = w->slot };
	struct window_pick pick = { .progs = WINDOW_ALL_PROGS, .skip_chunks = !w->has_glibc };
	int r;

	if (!w->has_gc)
		pick.progs &= ~(1u << WINDOW_ON_GC_START | 1u << WINDOW_ON_GC_DONE);
	probes_prog_fds(p, t.prog_fds);
	r = watch_put_on(p, w, &t, &pick);
	if (r < 0) {
		strbuf_printf(why, "pid %d: cannot attach %zu sites to %s: %s", w->pid, w->sites.n,
			      w->path, strerror(-r));
		return r;
	}
	w->opened_sec = clock_monotonic_sec();
	return 0;
}

static int detach_work(void *userdata)
{
	window_close(userdata);
	return 0;
}

void watch_detach(struct watch *w)
{
	if (w->window.n_fds)
		shelter_run(detach_work, &w->window);
}

void watch_close(struct probes *p, struct watch *w)
{
	if (!w)
		return;
	watch_detach(w);
	probes_slot_del(p, w->slot);
	watch_free(w);
}

void watch_check(struct probes *p, const struct procfs *fs, struct watch *w)
{
	struct pollfd pfd = { .fd = w->pidfd, .events = POLLIN };
	enum pgd_target_state state = PGD_TARGET_WATCHED;
	const char *what = NULL;
	struct procfs_stat stat;

	if (w->regime == WATCH_GONE)
		return;
	if (poll(&pfd, 1, 0) == 1)
		what = "exited or was killed";
	else if ((probes_state(p, w->slot, &state) == 0 && state == PGD_TARGET_EXECED) ||
		 /* 0: it has no memory any more, since it is about to exit. */
		 (procfs_stat(fs, w->pid, &stat) == 0 && stat.stack_start &&
		  stat.stack_start != w->stack_start))
		what = "replaced itself by another program (exec)";
	if (!what)
		return;
	snprintf(w->why, sizeof(w->why), "%s %.1f s after pygrowd came: figures end there", what,
		 clock_monotonic_sec() - w->opened_sec);
	w->regime = WATCH_GONE;
	w->gone_sec = clock_monotonic_sec();
	watch_detach(w);
}

uint64_t watch_hits(const struct probes *p, const struct watch *w)
{
	struct pgd_hits hits = { 0 };

	probes_hits(p, w->slot, &hits);
	return hits.alloc + hits.free;
}

void watch_measure(struct probes *p, const struct procfs *fs, struct watch *w, double ns_per_hit)
{
	double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
	uint64_t hits = watch_hits(p, w);
	struct procfs_stat stat;

	/* Sites off: what it does now costs nothing, and the figure of its last interval stands. */
	if (!w->window.n_fds || isnan(ns_per_hit) || procfs_stat(fs, w->pid, &stat) < 0)
		return;
	if (w->last_cpu_ticks && stat.cpu_ticks > w->last_cpu_ticks) {
		double spent_ns = (double)(hits - w->last_hits) * (probes_trap_ns(p) + ns_per_hit);

		w->overhead = spent_ns / ((double)(stat.cpu_ticks - w->last_cpu_ticks) * tick_ns);
		if (w->overhead > 1) /* ticks are coarse */
			w->overhead = 1;
	}
	w->last_cpu_ticks = stat.cpu_ticks;
	w->last_hits = hits;
}

/* The thread state whose thread_id is this. */
static int find_tstate(const struct watch *w, uint64_t thread_id, uint64_t *ret)
{
	uint64_t tstates[SELFTEST_THREADS], id;
	unsigned n = 0;
	int r = pyruntime_threads(&w->runtime, &w->mem, tstates, SELFTEST_THREADS, &n);

	for (unsigned i = 0; r == 0 && i < n; i++) {
		if (procmem_u64(&w->mem, tstates[i] + w->runtime.walk.tstate_thread_id, &id) == 0 &&
		    id == thread_id) {
			*ret = tstates[i];
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

void watch_selftest(struct watch *w, const struct pgd_stack_event *event)
{
	struct pgd_frame frames[PGD_FRAMES_MAX];
	unsigned n = 0;
	uint64_t tstate;

	if (w->selftest_tries >= SELFTEST_STACKS || event->flags || !event->n_frames)
		return;
	/* The thread runs on while we look: only its outermost frame is certain to be there still,
	 * and a thread that has ended proves nothing. */
	if (find_tstate(w, event->thread_id, &tstate) < 0 ||
	    pyruntime_walk(&w->runtime, &w->mem, tstate, frames, PGD_FRAMES_MAX, &n) < 0 || !n)
		return;
	w->selftest_tries++;
	if (frames[n - 1].code == event->frames[event->n_frames - 1].code)
		return;
	w->selftest_failures++;
	if (w->selftest_failures == w->selftest_tries && w->selftest_tries == SELFTEST_STACKS)
		snprintf(w->why, sizeof(w->why),
			 "stacks seen by the kernel and from outside do not agree: names may be "
			 "wrong, please report this build of Python");
}
