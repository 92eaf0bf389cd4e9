/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/census.c — see census.h.
 *
 * Rows are in a table by PID; those that wait are also in one of four queues. All rows of a queue
 * wait equally long, so that each queue is sorted by itself: first in, first due.
 *
 * The surprising part is news from the past. A scan sees a process as it is now; what the ring
 * holds of it may be older than that, or be about another process that had this PID before. So each
 * piece of news carries a time and a start time, and what a look has seen later wins.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/libbpf.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "target/census.h"

#define HOST_PID_NS_INODE 0xeffffffcu /* PROC_PID_INIT_INO in the kernel's proc_ns.h */

/* How long a row waits in each queue: looks at 0.2, 1 and 5 s, and then, of those whom the sink
 * wants to see again, every minute. */
enum queue {
	QUEUE_FIRST = 0,
	QUEUE_SECOND,
	QUEUE_THIRD,
	QUEUE_AGAIN,
	QUEUE_MAX
};
#define MS 1000000ull
static const uint64_t delays_ns[] = { 200 * MS, 800 * MS, 4000 * MS, 60000 * MS };
_Static_assert(ARRAY_SIZE(delays_ns) == QUEUE_MAX, "a delay for each queue");

struct row {
	pid_t pid;
	uint64_t start_ticks;
	uint64_t stack_start; /* at the last look: another one after exec */
	uint64_t looked_ns; /* 0: not yet */
	uint64_t due_ns;
	enum queue queue; /* QUEUE_MAX: waits for nothing */
	bool has_come; /* the sink was told, and does not want to be told again */
	struct row *prev, *next; /* in its queue */
	UT_hash_handle hh;
};

struct census {
	struct probes *probes;
	const struct procfs *fs;
	struct census_sink sink;
	struct ring_buffer *ring;
	struct row *rows, *queues[QUEUE_MAX];
	uint64_t lost_there, lost_here; /* in the ring so far; no row for it */
	uint64_t n_repairs, repair_due_ns, repaired_ns;
};

/* What a look at a process says. */
struct look {
	uint64_t start_ticks, stack_start;
	enum census_by by;
};

/* ── rows and queues ──────────────────────────────────────────────────────────────────────── */

static struct row *row_find(const struct census *c, pid_t pid)
{
	struct row *row;

	HASH_FIND(hh, c->rows, &pid, sizeof(pid), row);
	return row;
}

/* NULL: `n_max` are there, or no memory. */
static struct row *row_add(struct census *c, pid_t pid, uint64_t start_ticks, size_t n_max)
{
	struct row *row = HASH_COUNT(c->rows) < n_max ? calloc(1, sizeof(*row)) : NULL;

	if (!row)
		return NULL;
	row->pid = pid;
	row->start_ticks = start_ticks;
	row->queue = QUEUE_MAX;
	HASH_ADD(hh, c->rows, pid, sizeof(row->pid), row);
	if (!row->hh.tbl) { /* out of memory */
		free(row);
		return NULL;
	}
	return row;
}

static void row_stop(struct census *c, struct row *row)
{
	if (row->queue < QUEUE_MAX)
		DL_DELETE(c->queues[row->queue], row);
	row->queue = QUEUE_MAX;
}

static void row_wait(struct census *c, struct row *row, enum queue queue, uint64_t since_ns)
{
	row_stop(c, row);
	row->queue = queue;
	row->due_ns = since_ns + delays_ns[queue];
	DL_APPEND(c->queues[queue], row);
}

static void row_del(struct census *c, struct row *row)
{
	row_stop(c, row);
	HASH_DEL(c->rows, row);
	free(row);
}

static void row_gone(struct census *c, struct row *row)
{
	if (row->has_come)
		c->sink.gone(c->sink.userdata, row->pid, row->start_ticks);
	row_del(c, row);
}

static void row_execed(struct census *c, struct row *row)
{
	if (row->has_come)
		c->sink.execed(c->sink.userdata, row->pid, row->start_ticks);
	row->has_come = false;
}

/* ── is it likely Python? ─────────────────────────────────────────────────────────────────── */

enum census_by census_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;

	if (!strncmp(base, "python", 6))
		return CENSUS_BY_EXE;
	if (!strncmp(base, "libpython", 9))
		return CENSUS_BY_LIBRARY;
	return strstr(base, ".cpython-3") ? CENSUS_BY_MODULE : CENSUS_BY_NOTHING;
}

/* Most Pythons are told by their executable's name: reading that link takes 1 to 3 µs,
 * the maps 50 to 120. */
static enum census_by name_of_exe(const struct procfs *fs, pid_t pid)
{
	char path[PROCFS_PATH_MAX], exe[PATH_MAX];
	ssize_t n;

	if (procfs_path(fs, pid, "exe", path, sizeof(path)) < 0)
		return CENSUS_BY_NOTHING;
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return CENSUS_BY_NOTHING;
	exe[n] = '\0';
	return census_name(exe) == CENSUS_BY_EXE ? CENSUS_BY_EXE : CENSUS_BY_NOTHING;
}

/* All of them if need be (the kernel's limit is vm.max_map_count): libraries are mapped high, hence
 * come last. */
static int name_in_maps(const struct procfs *fs, pid_t pid, enum census_by *ret)
{
	_cleanup_(procfs_maps_done) struct procfs_maps it = { 0 };
	struct procfs_map map;
	int r;

	r = procfs_maps_open(fs, pid, &it);
	if (r < 0)
		return r;
	while ((r = procfs_maps_next(&it, &map)) > 0) {
		enum census_by by;

		if (!map.is_exec || map.path[0] != '/')
			continue;
		by = census_name(map.path);
		if (by != CENSUS_BY_NOTHING) {
			*ret = by;
			return 0;
		}
	}
	return r;
}

/* -ESRCH: there is no such process, or no program in it (kernel threads, zombies). */
static int look_at(const struct census *c, pid_t pid, struct look *ret)
{
	struct procfs_stat st;
	struct look look;
	int r;

	r = procfs_stat(c->fs, pid, &st);
	if (r < 0)
		return r;
	if (st.is_kernel_thread || st.state == 'Z' || st.state == 'X')
		return -ESRCH;
	look = (struct look){ st.start_ticks, st.stack_start, name_of_exe(c->fs, pid) };
	r = look.by == CENSUS_BY_NOTHING ? name_in_maps(c->fs, pid, &look.by) : 0;
	/* Whoever wanted it watched shall read which capability is missing. */
	if ((r == -EACCES || r == -EPERM) && census_name(st.comm) == CENSUS_BY_EXE)
		look.by = CENSUS_BY_COMM;
	*ret = look;
	return 0;
}

/* What follows from a look at a process that has not come yet; `queue` is the one that it was in.
 * The row may be gone behind it. */
static void judge(struct census *c, struct row *row, const struct look *look, enum queue queue,
		  uint64_t now_ns)
{
	int r = 0;

	row->start_ticks = look->start_ticks;
	row->stack_start = look->stack_start;
	row->looked_ns = now_ns;
	if (look->by != CENSUS_BY_NOTHING) {
		r = c->sink.came(c->sink.userdata, row->pid, row->start_ticks, look->by);
		row->has_come = r != -EAGAIN;
	}
	if (row->has_come)
		row_stop(c, row);
	else if (queue < QUEUE_THIRD || r == -EAGAIN)
		row_wait(c, row, queue < QUEUE_AGAIN ? queue + 1 : QUEUE_AGAIN, now_ns);
	else
		row_del(c, row);
}

/* A look at one that waits. What cannot be read today (-EIO, -ENOMEM) may be tomorrow. */
static void look_again(struct census *c, struct row *row, uint64_t now_ns)
{
	struct look look = { row->start_ticks, row->stack_start, CENSUS_BY_NOTHING };

	if (look_at(c, row->pid, &look) == -ESRCH)
		row_del(c, row);
	else
		judge(c, row, &look, row->queue, now_ns);
}

/* ── news from the kernel ─────────────────────────────────────────────────────────────────── */

static void want_repair(struct census *c)
{
	if (c->repair_due_ns == UINT64_MAX)
		c->repair_due_ns = c->n_repairs ? c->repaired_ns + CENSUS_REPAIR_NS : 0;
}

/* Of a process as it was when it was looked at, or of another that had its PID before. */
static bool is_old_news(const struct row *row, const struct pgd_proc_event *event)
{
	return row->looked_ns >= event->at_ns;
}

static void on_began(struct census *c, struct row *row, const struct pgd_proc_event *event)
{
	if (row && is_old_news(row, event))
		return;
	if (row && row->start_ticks != event->start_ticks) { /* its end was lost */
		row_gone(c, row);
		row = NULL;
	}
	if (row)
		row_execed(c, row);
	else
		row = row_add(c, (pid_t)event->pid, event->start_ticks, CENSUS_PROCESSES_MAX);
	if (row) {
		row_wait(c, row, QUEUE_FIRST, event->at_ns);
		return;
	}
	c->lost_here++;
	want_repair(c);
}

void census_event(struct census *c, const struct pgd_proc_event *event)
{
	struct row *row;

	if (event->pid == 0 || event->pid > INT_MAX || event->what >= PGD_PROC_MAX)
		return;
	row = row_find(c, (pid_t)event->pid);
	if (event->what != PGD_PROC_EXIT)
		on_began(c, row, event);
	else if (row && row->start_ticks == event->start_ticks)
		row_gone(c, row);
}

static int on_event(void *userdata, void *data, size_t n_bytes)
{
	if (n_bytes >= sizeof(struct pgd_proc_event))
		census_event(userdata, data);
	return 0;
}

int census_events(struct census *c)
{
	uint64_t lost;
	int r;

	if (!c->ring)
		return 0;
	r = ring_buffer__consume(c->ring);
	lost = probes_procs_lost(c->probes);
	if (lost != c->lost_there)
		want_repair(c);
	c->lost_there = lost;
	return r < 0 ? r : 0;
}

/* ── a search of /proc ────────────────────────────────────────────────────────────────────── */

/* One that came: is it still there, and the same? What the kernel's news says at once, had it
 * fitted. */
static void check(struct census *c, struct row *row, uint64_t now_ns)
{
	struct procfs_stat st;
	int r = procfs_stat(c->fs, row->pid, &st);

	if (r < 0 && r != -ESRCH)
		return;
	if (r < 0 || st.state == 'Z' || st.state == 'X' || st.start_ticks != row->start_ticks) {
		row_gone(c, row);
	} else if (st.stack_start && st.stack_start != row->stack_start) { /* 0: about to end */
		row_execed(c, row);
		row_wait(c, row, QUEUE_FIRST, now_ns);
	}
}

/* One that has not come. Only its newest rows shall wait for another look if there are so many: who
 * is Python has a place before them. */
static void scan_one(struct census *c, pid_t pid, uint64_t now_ns)
{
	struct row *row = row_find(c, pid);
	struct look look;

	if (row && row->has_come)
		return;
	if (look_at(c, pid, &look) < 0)
		return;
	if (!row)
		row = row_add(c, pid, look.start_ticks,
			      look.by == CENSUS_BY_NOTHING ? CENSUS_PROCESSES_MAX / 2
							   : CENSUS_PROCESSES_MAX);
	if (row)
		judge(c, row, &look, QUEUE_FIRST, now_ns);
	else
		c->lost_here++;
}

/* "4711" → 4711; 0: no PID. */
static pid_t pid_of(const char *name)
{
	char *end;
	long pid;

	if (!isdigit((unsigned char)name[0]))
		return 0;
	errno = 0;
	pid = strtol(name, &end, 10);
	return *end || errno || pid > INT_MAX ? 0 : (pid_t)pid;
}

int census_scan(struct census *c, uint64_t now_ns)
{
	struct row *row, *next;
	struct dirent *entry;
	DIR *dir;

	dir = opendir(c->fs->root);
	if (!dir)
		return -errno;
	HASH_ITER (hh, c->rows, row, next)
		if (row->has_come)
			check(c, row, now_ns);
	while ((entry = readdir(dir))) {
		pid_t pid = pid_of(entry->d_name);

		if (pid > 0)
			scan_one(c, pid, now_ns);
	}
	closedir(dir);
	return 0;
}

/* ── time ─────────────────────────────────────────────────────────────────────────────────── */

uint64_t census_due_ns(const struct census *c)
{
	uint64_t due = c->repair_due_ns;

	for (enum queue q = 0; q < QUEUE_MAX; q++)
		if (c->queues[q] && c->queues[q]->due_ns < due)
			due = c->queues[q]->due_ns;
	return due;
}

void census_tick(struct census *c, uint64_t now_ns)
{
	unsigned n = 0;

	if (c->repair_due_ns <= now_ns && census_scan(c, now_ns) == 0) {
		c->n_repairs++;
		c->repaired_ns = now_ns;
		c->repair_due_ns = UINT64_MAX;
	}
	for (enum queue q = 0; q < QUEUE_MAX; q++)
		while (n < CENSUS_LOOKS_MAX && c->queues[q] && c->queues[q]->due_ns <= now_ns) {
			look_again(c, c->queues[q], now_ns);
			n++;
		}
}

/* ── open and close ───────────────────────────────────────────────────────────────────────── */

static int open_news(struct census *c, struct strbuf *why)
{
	struct stat ns;
	int r;

	if (stat("/proc/self/ns/pid", &ns) == 0 && ns.st_ino != HOST_PID_NS_INODE)
		return strbuf_fail(
			why, -ENOTSUP,
			"cannot be told of new processes in a PID namespace: run pygrowd "
			"on the host, or in a container with the host's PIDs");
	c->ring = ring_buffer__new(probes_procs_fd(c->probes), on_event, c, NULL);
	r = c->ring ? probes_procs_attach(c->probes) : -errno;
	if (r < 0)
		return strbuf_fail(why, r,
				   "cannot attach to the kernel's tracepoints of new processes: "
				   "%s; that needs CAP_BPF and CAP_PERFMON",
				   strerror(-r));
	c->lost_there = probes_procs_lost(c->probes);
	return 0;
}

int census_open(struct probes *probes, const struct procfs *fs, const struct census_sink *sink,
		struct census **ret, struct strbuf *why)
{
	_cleanup_(census_closep) struct census *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->fs = fs;
	c->sink = *sink;
	c->repair_due_ns = UINT64_MAX;
	c->probes = probes;
	r = probes ? open_news(c, why) : 0;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

void census_close(struct census *c)
{
	struct row *row, *next;

	if (!c)
		return;
	if (c->probes)
		probes_procs_detach(c->probes);
	ring_buffer__free(c->ring);
	HASH_ITER (hh, c->rows, row, next)
		row_del(c, row);
	free(c);
}

int census_fd(const struct census *c)
{
	return c->ring ? ring_buffer__epoll_fd(c->ring) : -1;
}

uint64_t census_lost(const struct census *c)
{
	return c->lost_there + c->lost_here;
}

uint64_t census_repairs(const struct census *c)
{
	return c->n_repairs;
}

size_t census_rows(const struct census *c)
{
	return HASH_COUNT(c->rows);
}
