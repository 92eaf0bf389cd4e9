/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procfs.h — what does /proc say of a process?
 *
 * The root is settable, so that a test can give a tree of its own. Everything in there is written
 * by somebody else and may vanish between two lines: all functions return -ESRCH for a process that
 * is gone, -EACCES or -EPERM for one that we may not look into, -EBADMSG for text we do not
 * understand; results are untouched then.
 */
#ifndef USER_TARGET_PROCFS_H
#define USER_TARGET_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "lib/cleanup.h"
#include "lib/strbuf.h"

#define PROCFS_PATH_MAX	      4352 /* root, PID, a name and a path of PATH_MAX */
#define PROCFS_TEXT_BYTES_MAX 4096 /* longer command lines are cut, "..." */
#define PROCFS_FILE_BYTES_MAX (1u << 20) /* environ, cgroup: the rest is not looked at */
#define PROCFS_COMM_BYTES     64
#define PROCFS_USER_BYTES     64 /* longer names are written "uid:1234" */
#define PROCFS_USERS_MAX      64 /* remembered; one more takes the place of the oldest */

struct procfs {
	const char *root; /* "/proc" */
};

/* "<root>/<pid>/<name>". -ENAMETOOLONG. */
int procfs_path(const struct procfs *fs, pid_t pid, const char *name, char *buf, size_t n_bytes);

/* ── /proc/PID/stat ───────────────────────────────────────────────────────────────────────── */
struct procfs_stat {
	char comm[PROCFS_COMM_BYTES]; /* may hold blanks, brackets, control characters */
	char state; /* 'R', 'S', 'D', 'T', 'Z', ... */
	pid_t ppid;
	bool is_kernel_thread;
	uint64_t cpu_ticks; /* user + system, all threads, sysconf(_SC_CLK_TCK) a second */
	uint32_t threads_cnt;
	uint64_t start_ticks; /* since boot: tells a PID from its reuse */
	uint64_t stack_start; /* address: another one after exec; 0 if we may not know */
};
int procfs_stat(const struct procfs *fs, pid_t pid, struct procfs_stat *ret);

/* ── /proc/PID/status ─────────────────────────────────────────────────────────────────────── */
struct procfs_status {
	uid_t uid; /* real */
	pid_t inner_pid; /* its PID in its own, innermost namespace */
	int seccomp_mode; /* 0: none, 1: strict, 2: filtered; -1: kernel does not say */
};
int procfs_status(const struct procfs *fs, pid_t pid, struct procfs_status *ret);

/* ── /proc/PID/maps ───────────────────────────────────────────────────────────────────────── */
struct procfs_map {
	uint64_t start, end; /* [start, end) */
	uint64_t offset; /* in the file */
	bool is_exec, is_write;
	dev_t dev; /* as the kernel counts; differs from stat(2) on overlayfs before 6.6, btrfs */
	ino_t inode;
	bool is_deleted; /* the name has no file any more, or another one */
	const char *path; /* "" for anonymous; without " (deleted)"; until the next call */
};

/*	_cleanup_(procfs_maps_done) struct procfs_maps it = { 0 };
 *	r = procfs_maps_open(fs, pid, &it);
 *	while ((r = procfs_maps_next(&it, &map)) > 0) ...      0: end, < 0: error
 */
struct procfs_maps {
	FILE *f;
	char *line;
	size_t cap;
};
int procfs_maps_open(const struct procfs *fs, pid_t pid, struct procfs_maps *ret);
int procfs_maps_next(struct procfs_maps *it, struct procfs_map *ret);
void procfs_maps_done(struct procfs_maps *it);
/* One line of the file; cuts it into pieces in place. Exposed for tests and the fuzzer. */
int procfs_map_parse(char *line, struct procfs_map *ret);

/* ── /proc/PID/smaps_rollup ───────────────────────────────────────────────────────────────── */
struct procfs_memory {
	uint64_t rss_bytes;
	uint64_t uss_bytes; /* Private_Clean + Private_Dirty: given back if it exits */
};
/* Walks the page tables: 0.1 ms for a small process, tens of ms for many GiB. */
int procfs_memory(const struct procfs *fs, pid_t pid, struct procfs_memory *ret);

/* ── words ────────────────────────────────────────────────────────────────────────────────── */
/* Arguments with blanks between, unprintable characters escaped (escape.h); "[comm]" for an empty
 * one. */
int procfs_cmdline(const struct procfs *fs, pid_t pid, struct strbuf *ret);
/* systemd's unit: the innermost "*.service" or "*.scope" of its cgroup. -ENOENT: none. */
int procfs_unit(const struct procfs *fs, pid_t pid, struct strbuf *ret);
/* Path of its cgroup, escaped: in systemd's tree, or in the unified one. -ENOENT: none. */
int procfs_cgroup(const struct procfs *fs, pid_t pid, struct strbuf *ret);
/* The innermost container that such a path names: the 64 hexadecimal digits of Docker, Podman,
 * containerd and CRI-O, else the name of a systemd-nspawn machine or of an LXC container. Pure.
 * -ENOENT: none, as far as the path says. */
int procfs_container(const char *cgroup, struct strbuf *ret);
/* How much of such a path names the service that it belongs to: up to its innermost unit, if that
 * is a "*.service", or a container. 0: it says nothing, as with other scopes and with
 * user@.service, which hold whatever somebody started in a login session. Pure. */
size_t procfs_service(const char *cgroup);

/* Names of users, remembered: asking may mean asking a server. Zeroes are a valid, empty one. */
struct procfs_users {
	struct procfs_user {
		uid_t uid;
		char name[PROCFS_USER_BYTES]; /* "": free */
	} v[PROCFS_USERS_MAX];
	unsigned next; /* the one to be replaced */
};
/* "uid:1234" if nobody knows the name. Valid until the next call. */
const char *procfs_user(struct procfs_users *u, uid_t uid);

/* ── what rules ask of a process ──────────────────────────────────────────────────────────── */
struct procfs_facts {
	uint64_t start_ticks; /* with the PID: all of this is of that one process */
	pid_t ppid, inner_pid; /* inner_pid: see procfs_status */
	uid_t uid;
	char comm[PROCFS_COMM_BYTES];
	char user[PROCFS_USER_BYTES];
	char *cmdline; /* see procfs_cmdline; never NULL */
	char *unit, *cgroup, *container; /* NULL: none */
};
int procfs_facts_load(const struct procfs *fs, pid_t pid, struct procfs_users *users,
		      struct procfs_facts *ret);
void procfs_facts_done(struct procfs_facts *f);

#endif
