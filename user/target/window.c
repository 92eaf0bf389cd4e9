/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/window.c — see window.h.
 *
 * The bpf(2) calls are made directly: libbpf has an API for uprobe_multi since 1.3, Debian 12 ships
 * 1.1, and the call is twenty lines. The structs below are the kernel's ABI (include/uapi/linux/
 * bpf.h of 6.6), written out because Debian 12's headers are older than the kernels it may run on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "pgd_abi.h"
#include "target/window.h"

#define ATTACH_PERF_EVENT 41 /* enum bpf_attach_type: BPF_PERF_EVENT */
#define UPROBE_TYPE_FILE  "/sys/bus/event_source/devices/uprobe/type"

struct link_create_head {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
};

struct link_create_multi {
	struct link_create_head head;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t cnt;
	uint32_t flags;
	uint32_t pid;
	uint32_t pad;
};

struct link_create_perf {
	struct link_create_head head;
	uint64_t cookie;
};

/* Which program a site is for, and what its cookie says of the block. */
static const struct {
	enum window_prog prog;
	enum pgd_how how;
} kinds[SITE_KIND_MAX] = {
	[SITE_POP] = { WINDOW_ON_ALLOC, PGD_HOW_POOL },
	[SITE_CARVE] = { WINDOW_ON_ALLOC, PGD_HOW_POOL },
	[SITE_MALLOC] = { WINDOW_ON_ALLOC, PGD_HOW_CHUNK },
	[SITE_PUSH] = { WINDOW_ON_FREE, PGD_HOW_POOL },
	[SITE_FREE] = { WINDOW_ON_FREE, PGD_HOW_CHUNK },
	[SITE_REALLOC] = { WINDOW_ON_FREE, PGD_HOW_REALLOC },
	[SITE_RESIZED] = { WINDOW_ON_ALLOC, PGD_HOW_RESIZED },
	[SITE_GC_START] = { WINDOW_ON_GC_START, PGD_HOW_POOL },
	[SITE_GC_DONE] = { WINDOW_ON_GC_DONE, PGD_HOW_POOL },
};

/* Where a block comes from whose size is read from glibc's chunk header. */
static bool is_chunk_alloc(enum site_kind kind)
{
	return kinds[kind].prog == WINDOW_ON_ALLOC && kinds[kind].how != PGD_HOW_POOL;
}

const char *window_method_name(enum window_method method)
{
	static const char *const names[] = { "uprobe_multi", "perf_event" };

	_Static_assert(ARRAY_SIZE(names) == WINDOW_METHOD_MAX, "a name for each method");
	return names[method];
}

static int sys_bpf(int cmd, void *attr, size_t attr_bytes)
{
	int fd = (int)syscall(__NR_bpf, cmd, attr, attr_bytes);

	return fd < 0 ? -errno : fd;
}

int window_link(int prog_fd, const char *path, pid_t pid, const uint64_t *offsets,
		const uint64_t *cookies, size_t n)
{
	struct link_create_multi attr = {
		.head = { .prog_fd = (uint32_t)prog_fd, .attach_type = WINDOW_ATTACH_MULTI },
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.cnt = (uint32_t)n,
		.pid = (uint32_t)pid,
	};

	return sys_bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
}

int window_has_multi(int prog_fd)
{
	uint64_t offset = 0;
	/* "/" is no regular file: a kernel that knows the attach type says EBADF, others EINVAL. */
	int r = window_link(prog_fd, "/", 0, &offset, NULL, 1);

	if (r >= 0)
		close(r);
	return r == -EBADF ? 0 : -ENOTSUP;
}

/* The number that perf_event_open(2) wants for uprobes: kernels give it at boot. */
static int uprobe_type(uint32_t *ret)
{
	_cleanup_fclose_ FILE *f = fopen(UPROBE_TYPE_FILE, "re");

	if (!f)
		return -errno;
	return fscanf(f, "%u", ret) == 1 ? 0 : -EINVAL;
}

/* One site by perf: two descriptors, the event and the program's link to it. */
static int link_perf(uint32_t type, int prog_fd, const char *path, pid_t pid, uint64_t offset,
		     uint64_t cookie, int *ret_event_fd, int *ret_link_fd)
{
	struct perf_event_attr event = {
		.type = type,
		.size = sizeof(event),
		.config1 = (uintptr_t)path,
		.config2 = offset,
	};
	struct link_create_perf attr = {
		.head = { .prog_fd = (uint32_t)prog_fd, .attach_type = ATTACH_PERF_EVENT },
		.cookie = cookie,
	};
	_cleanup_close_ int event_fd = -1;
	int link_fd;

	event_fd = (int)syscall(__NR_perf_event_open, &event, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (event_fd < 0)
		return -errno;
	attr.head.target_fd = (uint32_t)event_fd;
	link_fd = sys_bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
	if (link_fd < 0)
		return link_fd;
	*ret_event_fd = TAKE_FD(event_fd);
	*ret_link_fd = link_fd;
	return 0;
}

static void close_from(struct window *w, size_t n_keep)
{
	/* The newest first: a perf event's link goes before its event. */
	while (w->n_fds > n_keep)
		close(w->fds[--w->n_fds]);
}

static int add_prog(struct window *w, enum window_method method, const struct window_target *t,
		    int prog_fd, const uint64_t *offsets, const uint64_t *cookies, size_t n)
{
	uint32_t type = 0;
	int r;

	if (method == WINDOW_MULTI) {
		r = window_link(prog_fd, t->path, t->pid, offsets, cookies, n);
		if (r < 0)
			return r;
		w->fds[w->n_fds++] = r;
		return 0;
	}
	r = uprobe_type(&type);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		int event_fd = -1, link_fd = -1;

		r = link_perf(type, prog_fd, t->path, t->pid, offsets[i], cookies[i], &event_fd,
			      &link_fd);
		if (r < 0)
			return r;
		w->fds[w->n_fds++] = event_fd;
		w->fds[w->n_fds++] = link_fd;
	}
	return 0;
}

enum window_prog window_prog_of(enum site_kind kind)
{
	return kinds[kind].prog;
}

static bool is_picked(const struct site *site, size_t i, enum window_prog prog,
		      const struct window_pick *pick)
{
	return (prog == WINDOW_ON_COUNT || kinds[site->kind].prog == prog) &&
	       !(pick->skip_chunks && is_chunk_alloc(site->kind)) && i < PGD_SITES_MAX &&
	       (!pick->only || pick->only[i]);
}

size_t window_list(const struct window_target *t, const struct sites *s,
		   const struct window_pick *pick, enum window_prog prog, uint64_t *ret_offsets,
		   uint64_t *ret_cookies)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct site *site = &s->v[i];

		if (!is_picked(site, i, prog, pick))
			continue;
		ret_offsets[n] = site->offset;
		ret_cookies[n++] = PGD_COOKIE(t->slot, i, site->reg, kinds[site->kind].how) |
				   (site->is_mem ? PGD_COOKIE_MEM(site->disp) : 0) |
				   (pick->is_rare ? PGD_COOKIE_RARE : 0);
	}
	return n;
}

int window_open(struct window *w, enum window_method method, const struct window_target *t,
		const struct sites *s, const struct window_pick *pick)
{
	_cleanup_free_ uint64_t *offsets = calloc(s->n + 1, sizeof(*offsets));
	_cleanup_free_ uint64_t *cookies = calloc(s->n + 1, sizeof(*cookies));
	size_t n_before = w->n_fds;
	int *fds;

	/* A site costs two descriptors at most, a program without sites none. */
	fds = realloc(w->fds, (w->n_fds + 2 * s->n + WINDOW_PROG_MAX) * sizeof(*fds));
	if (fds)
		w->fds = fds;
	if (!fds || !offsets || !cookies)
		return -ENOMEM;

	/* Free before alloc: a block whose birth is seen must have its death seen. */
	static const enum window_prog order[] = { WINDOW_ON_FREE, WINDOW_ON_GC_DONE,
						  WINDOW_ON_GC_START, WINDOW_ON_COUNT,
						  WINDOW_ON_ALLOC };
	_Static_assert(ARRAY_SIZE(order) == WINDOW_PROG_MAX, "every program has its turn");
	for (size_t p = 0; p < ARRAY_SIZE(order); p++) {
		size_t n;
		int r;

		if (!(pick->progs & 1u << order[p]))
			continue;
		n = window_list(t, s, pick, order[p], offsets, cookies);
		r = n ? add_prog(w, method, t, t->prog_fds[order[p]], offsets, cookies, n) : 0;
		if (r < 0) {
			close_from(w, n_before);
			return r;
		}
	}
	return 0;
}

void window_close(struct window *w)
{
	close_from(w, 0);
	free(w->fds);
	*w = (struct window)WINDOW_INIT;
}

int window_keep(struct window *w, int fd)
{
	int *fds = realloc(w->fds, (w->n_fds + 1) * sizeof(*fds));

	if (!fds)
		return -ENOMEM;
	w->fds = fds;
	w->fds[w->n_fds++] = fd;
	return 0;
}
