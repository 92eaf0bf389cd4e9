/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/window.h — put all sites of a process on, and take them off again.
 *
 * One uprobe_multi link per program (kernel 6.6); on older kernels one perf-event uprobe per site,
 * which attaches slower and takes about 100 ms a site to detach from a busy process. Either way the
 * kernel takes the breakpoints out when the file descriptors close: when we close them, exit or
 * die.
 */
#ifndef USER_TARGET_WINDOW_H
#define USER_TARGET_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "target/sites.h"

#define WINDOW_ATTACH_MULTI 48 /* enum bpf_attach_type: BPF_TRACE_UPROBE_MULTI */

enum window_method {
	WINDOW_MULTI = 0, /* BPF_TRACE_UPROBE_MULTI */
	WINDOW_PERF, /* perf_event_open of the uprobe PMU, one per site */
	WINDOW_METHOD_MAX
};

/* What a program of the kernel side is for: which kinds of sites it gets. */
enum window_prog {
	WINDOW_ON_ALLOC = 0,
	WINDOW_ON_FREE,
	WINDOW_ON_GC_START,
	WINDOW_ON_GC_DONE,
	WINDOW_ON_COUNT, /* any site */
	WINDOW_PROG_MAX
};
#define WINDOW_ALL_PROGS                                                           \
	(1u << WINDOW_ON_ALLOC | 1u << WINDOW_ON_FREE | 1u << WINDOW_ON_GC_START | \
	 1u << WINDOW_ON_GC_DONE)

struct window_target {
	const char *path; /* of the interpreter, as we can open it */
	pid_t pid;
	uint32_t slot;
	int prog_fds[WINDOW_PROG_MAX];
};

/* The open file descriptors are the attachment. Start as WINDOW_INIT. */
struct window {
	int *fds;
	size_t n_fds;
};
#define WINDOW_INIT         \
	{                   \
		.fds = NULL \
	}

const char *window_method_name(enum window_method method);

/* Which sites go on, for which programs. */
struct window_pick {
	unsigned progs; /* mask of 1 << enum window_prog */
	bool skip_chunks; /* leave out the sites where libc's blocks come from, whose size could not
			   * be read; where they go stays: what the kernel side remembers of code
			   * objects ends there */
	bool is_rare; /* they stay on between windows: PGD_COOKIE_RARE */
	const uint8_t *only; /* by index of a site: 1, it goes on; NULL: all */
};

/* Attach these sites, and add them to *w. On error *w is as before. -EPERM, -EINVAL (kernel without
 * this method), -ESRCH, … Sites that no one is picked of cost nothing. */
int window_open(struct window *w, enum window_method method, const struct window_target *t,
		const struct sites *s, const struct window_pick *pick);
void window_close(struct window *w);
/* Add a link that somebody else has made. On -ENOMEM it stays the caller's. */
int window_keep(struct window *w, int fd);

/* What window_open() does, in parts, for who attaches elsewhere (guard.h): the sites that are
 * picked for this program, at most PGD_SITES_MAX; how many. */
size_t window_list(const struct window_target *t, const struct sites *s,
		   const struct window_pick *pick, enum window_prog prog, uint64_t *ret_offsets,
		   uint64_t *ret_cookies);
/* One uprobe_multi link: its descriptor, or -errno. Nothing but one system call. */
int window_link(int prog_fd, const char *path, pid_t pid, const uint64_t *offsets,
		const uint64_t *cookies, size_t n);

/* Which program is this kind of site for? */
enum window_prog window_prog_of(enum site_kind kind);

/* Can this kernel do uprobe_multi at all? -ENOTSUP if not; prog_fd: any uprobe program. */
int window_has_multi(int prog_fd);

#endif
