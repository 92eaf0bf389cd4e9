/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/census.h — which processes of this host are likely Python, and which came or went?
 *
 *	kernel: fork, exec ─► waits 0.2 s ─► look ─► likely Python: came
 *	                                      │ not (yet): again at 1 s, at 5 s, then forgotten
 *	kernel: exec, exit of one that came ─► execed, gone
 *	/proc: census_scan() ─► look at each now ─► as above
 *
 * An interpreter is mapped and initialised some milliseconds after exec, so nobody is looked at
 * before its time; what ends sooner costs one row and no look. Likely Python is who runs an
 * executable, or has mapped a file for execution, that is named like Python. Whether it is, and
 * whether we can watch it, says discover.h.
 *
 * A process is its PID and its start time. PIDs are those of the host's own PID namespace: a daemon
 * in another one can scan, but is not told of processes. Not found: who loads Python more than 5 s
 * after exec (a scan finds it), and a Python linked into a program of another name that has loaded
 * no extension module.
 *
 * Times are CLOCK_MONOTONIC, given by the caller. Callbacks may not call back.
 */
#ifndef USER_TARGET_CENSUS_H
#define USER_TARGET_CENSUS_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "pgd_abi.h"
#include "target/probes.h"
#include "target/procfs.h"

/* Rows: who came and is there, and who waits for a look. 120 bytes each. One more is not
 * followed: counted, and /proc is searched for it. */
#define CENSUS_PROCESSES_MAX 32768
/* Looks of one census_tick(): 0.1 ms each, and the loop has other things to do. */
#define CENSUS_LOOKS_MAX     64
/* Between two searches of /proc that lost news ask for. */
#define CENSUS_REPAIR_NS     (30 * 1000000000ull)

/* By what is a process likely Python? */
enum census_by {
	CENSUS_BY_NOTHING = 0, /* it is not */
	CENSUS_BY_EXE, /* "python3.11" is its executable */
	CENSUS_BY_LIBRARY, /* it has mapped "libpython3.11.so.1.0" */
	CENSUS_BY_MODULE, /* it has mapped "_json.cpython-311-x86_64-linux-gnu.so" */
	CENSUS_BY_COMM, /* we may not look into it, but it is called "python3" */
	CENSUS_BY_MAX
};

struct census;

struct census_sink {
	/* A process that is likely Python. 0, or what the caller thinks of it: with -EAGAIN (Python
	 * is not initialised yet) it comes again, at its next look and then every minute; all else
	 * is final until it execs. May be a child of ours: procfs_facts.ppid says so. */
	int (*came)(void *userdata, pid_t pid, uint64_t start_ticks, enum census_by by);
	/* One that came is another program now. If that is Python, too, it comes again. */
	void (*execed)(void *userdata, pid_t pid, uint64_t start_ticks);
	/* One that came has ended, or its PID is somebody else's. */
	void (*gone)(void *userdata, pid_t pid, uint64_t start_ticks);
	void *userdata;
};

/* `probes` NULL: no news from the kernel, only scans. `fs` and `probes` stay the caller's and must
 * outlive it. One at a time per `probes`. 0, or -errno with one clear sentence in `why`: -ENOTSUP
 * in a PID namespace, where open without `probes` does. */
int census_open(struct probes *probes, const struct procfs *fs, const struct census_sink *sink,
		struct census **ret, struct strbuf *why);
void census_close(struct census *c);
DEFINE_CLEANUP(struct census *, census_close)

/* Readable when there is news; -1 without `probes`. Owned by `c`. */
int census_fd(const struct census *c);
/* All news that there is now. 0 or -errno. */
int census_events(struct census *c);
/* When census_tick() has something to do; UINT64_MAX: not before there is news. */
uint64_t census_due_ns(const struct census *c);
/* Looks that are due, and a search of /proc if news was lost. */
void census_tick(struct census *c, uint64_t now_ns);
/* Everybody who is there now: after census_open(), so that nobody slips through between the two.
 * Also finds who has gone or become another program since. 0.1 ms a process. 0, or -errno of
 * reading the root of /proc. */
int census_scan(struct census *c, uint64_t now_ns);

/* News that did not fit, in the kernel's ring or here (PGD_COUNTER_PROCS_LOST). */
uint64_t census_lost(const struct census *c);
/* Searches of /proc that this made necessary. */
uint64_t census_repairs(const struct census *c);
/* Rows now: who came, and who waits. */
size_t census_rows(const struct census *c);

/* One piece of news. Exposed for tests. */
void census_event(struct census *c, const struct pgd_proc_event *event);
/* What the name of a file mapped for execution says: _BY_LIBRARY, _BY_MODULE, or _BY_EXE for names
 * like "python3". Pure. */
enum census_by census_name(const char *path);

#endif
