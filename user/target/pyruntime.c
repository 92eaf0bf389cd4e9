/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pyruntime.c — see pyruntime.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel's walker, over procmem. */
#define PYWALK_READ(mem, dst, len, addr) procmem_read((mem), (addr), (dst), (len))
#include "target/pyruntime.h"
#include "pywalk.bpf.h"
#include "target/pyalloc.h"
#include "target/pylayout.h"
#include "target/pyversion.h"

#define SUPPORTED	"supported are CPython 3.8 to 3.14"
#define THREADS_MAX	256 /* looked at by the self-test */
#define SELFTEST_ROUNDS 20 /* a busy thread changes its frames while we read */

/* ── version and build ────────────────────────────────────────────────────────────────────── */

static bool is_debug_build(const struct discover *d)
{
	/* Exported under Py_REF_DEBUG only: to 3.11, 3.12 on. */
	static const char *const names[] = { "_Py_RefTotal", "_Py_IncRefTotal_DO_NOT_USE_THIS" };
	uint64_t vaddr;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (elf_symbol(d->elf, names[i], &vaddr, NULL) == 0)
			return true;
	return false;
}

static int check_build(const struct discover *d, struct pyruntime *rt, struct strbuf *why)
{
	int r, pid = (int)d->pid;

	r = pyversion_find(d->elf, d->name, &rt->version_hex, rt->version, sizeof(rt->version));
	if (r < 0)
		return strbuf_fail(why, -ENOTSUP,
				   "cannot tell the version of Python in %s of process %d: %s",
				   d->name, pid, SUPPORTED);
	if (!pylayout_of(rt->version_hex))
		return strbuf_fail(why, -ENOTSUP, "process %d runs Python %s: %s", pid, rt->version,
				   SUPPORTED);
	if (is_debug_build(d))
		return strbuf_fail(
			why, -ENOTSUP,
			"process %d runs a debug build of Python %s: its objects have another "
			"layout, supported are release builds",
			pid, rt->version);
	return 0;
}

/* ── layout ───────────────────────────────────────────────────────────────────────────────── */

/* _Py_DebugOffsets is the first member of _PyRuntime, and initialised in the file already. */
static int load_layout(const struct discover *d, const struct procmem *m,
		       const struct pyruntime *rt, struct pylayout *ret, struct strbuf *why)
{
	uint8_t bytes[PYLAYOUT_DEBUG_OFFSETS_BYTES];
	int r, pid = (int)d->pid;

	*ret = *pylayout_of(rt->version_hex);
	r = procmem_read(m, rt->runtime, bytes, sizeof(bytes));
	if (r < 0)
		return strbuf_fail(why, r, "cannot read the memory of process %d: %s%s", pid,
				   strerror(-r), r == -EPERM ? ", which needs CAP_SYS_PTRACE" : "");
	r = pylayout_apply_debug_offsets(ret, rt->version_hex, bytes, sizeof(bytes));
	if (r == -ENOTSUP)
		return strbuf_fail(
			why, r,
			"process %d runs a free-threaded build of Python %s: it has no pymalloc, "
			"supported are builds with the GIL",
			pid, rt->version);
	if (r == -EBADMSG || (r == -ENOENT && rt->version_hex >= 0x030d0000))
		return strbuf_fail(
			why, -EBADMSG,
			"process %d says to be Python %s, but its _Py_DebugOffsets do not fit", pid,
			rt->version);
	return 0;
}

static int check_allocator(const struct discover *d, const struct procmem *m,
			   const struct pylayout *l, struct pyruntime *rt, struct strbuf *why)
{
	enum pyalloc_kind kind = PYALLOC_PYMALLOC;
	int r, pid = (int)d->pid;

	r = pyalloc_check(d, m, l, rt->runtime, &kind);
	if (r < 0)
		return strbuf_fail(why, r == -ENOENT ? -EBADMSG : r,
				   "cannot find the allocator of Python %s in %s of process %d",
				   rt->version, d->name, pid);
	rt->is_hooked = kind == PYALLOC_HOOKED;
	if (kind == PYALLOC_MALLOC)
		return strbuf_fail(
			why, -ENOTSUP,
			"process %d runs with PYTHONMALLOC=malloc: its objects do not come from "
			"pymalloc; start it without that setting",
			pid);
	if (kind == PYALLOC_DEBUG)
		return strbuf_fail(
			why, -ENOTSUP,
			"process %d runs with Python's debug allocator (PYTHONMALLOC=debug or "
			"malloc_debug, -X dev, PYTHONDEVMODE): start it without that setting",
			pid);
	if (kind == PYALLOC_FOREIGN)
		return strbuf_fail(
			why, -ENOTSUP,
			"the object allocator of process %d was replaced by an extension module "
			"(PyMem_SetAllocator): its objects do not come from pymalloc",
			pid);
	return 0;
}

/* ── live state ───────────────────────────────────────────────────────────────────────────── */

static int say_early(struct strbuf *why, const struct discover *d)
{
	return strbuf_fail(why, -EAGAIN, "Python in process %d is not initialised yet",
			   (int)d->pid);
}

/* Key and main interpreter: what exists only once Py_Initialize() has got so far. */
static int load_live(const struct discover *d, const struct procmem *m, const struct pylayout *l,
		     struct pyruntime *rt, struct strbuf *why)
{
	uint32_t is_initialized, key;
	uint64_t interp, tstate;
	int r;

	r = procmem_u32(m, rt->runtime + l->tss_key - 4, &is_initialized);
	if (r == 0)
		r = procmem_u32(m, rt->runtime + l->tss_key, &key);
	if (r == 0)
		r = procmem_u64(m, rt->runtime + l->interp_main, &interp);
	if (r < 0)
		return strbuf_fail(why, r, "cannot read the state of Python in process %d: %s",
				   (int)d->pid, strerror(-r));
	if (!is_initialized || !interp)
		return say_early(why, d);
	if (is_initialized != 1 || key >= PYWALK_TSS_KEYS_MAX)
		return strbuf_fail(
			why, -EBADMSG,
			"the layout of Python %s does not fit process %d: no thread key at "
			"_PyRuntime + %u",
			rt->version, (int)d->pid, l->tss_key);
	if (procmem_u64(m, interp + l->interp_tstate_head, &tstate) < 0 || !tstate)
		return say_early(why, d);
	rt->tss_key = key;
	rt->gc = (l->is_gc_in_runtime ? rt->runtime : interp) + l->gc;
	rt->gc_stats = (l->is_gc_in_runtime ? rt->runtime : interp) + l->gc_stats;
	rt->is_gc_incremental = pylayout_is_gc_incremental(rt->version_hex);
	return 0;
}

int pyruntime_load(const struct discover *d, const struct procmem *m, struct pyruntime *ret,
		   struct strbuf *why)
{
	struct pyruntime rt = { 0 };
	uint64_t runtime, code_type, type_type;
	struct pylayout l;
	int r;

	if (elf_symbol(d->elf, "_PyRuntime", &runtime, NULL) < 0 ||
	    elf_symbol(d->elf, "PyCode_Type", &code_type, NULL) < 0)
		return strbuf_fail(why, -ENOEXEC, "%s of process %d is not CPython", d->name,
				   (int)d->pid);
	rt.runtime = runtime + d->bias;
	rt.code_type = code_type + d->bias;
	if (elf_symbol(d->elf, "PyType_Type", &type_type, NULL) == 0)
		rt.type_type = type_type + d->bias;
	r = check_build(d, &rt, why);
	if (r < 0)
		return r;
	r = load_layout(d, m, &rt, &l, why);
	if (r < 0)
		return r;
	rt.walk = l.walk;
	rt.names = l.names;
	rt.interp_head = l.interp_head;
	rt.interp_main = l.interp_main;
	rt.interp_next = l.interp_next;
	rt.interp_tstate_head = l.interp_tstate_head;
	rt.tstate_next = l.tstate_next;
	rt.pool_bytes = l.pool_bytes;
	r = load_live(d, m, &l, &rt, why);
	if (r < 0)
		return r;
	r = check_allocator(d, m, &l, &rt, why);
	if (r < 0)
		return r;
	r = pyruntime_selftest(&rt, m, why);
	if (r < 0)
		return r;
	*ret = rt;
	return 0;
}

/* ── walking from outside ─────────────────────────────────────────────────────────────────── */

static void walk_once(const struct pyruntime *rt, const struct procmem *m, uint64_t tstate,
		      struct pgd_stack_event *ret)
{
	struct pywalk_scratch w = { .mem = m };

	pywalk_frames(&rt->walk, tstate, &w, ret);
}

int pyruntime_walk(const struct pyruntime *rt, const struct procmem *m, uint64_t tstate,
		   struct pgd_frame *frames, unsigned n_max, unsigned *ret_n)
{
	struct pgd_stack_event first, second;

	walk_once(rt, m, tstate, &first);
	walk_once(rt, m, tstate, &second);
	if (first.key.hash != second.key.hash || first.flags & PGD_STACK_F_UNREADABLE)
		return -EAGAIN;
	*ret_n = first.n_frames < n_max ? first.n_frames : n_max;
	memcpy(frames, first.frames, *ret_n * sizeof(*frames));
	return 0;
}

int pyruntime_threads(const struct pyruntime *rt, const struct procmem *m, uint64_t *tstates,
		      unsigned n_max, unsigned *ret_n)
{
	uint64_t interp, tstate;
	unsigned n = 0;
	int r;

	r = procmem_u64(m, rt->runtime + rt->interp_head, &interp);
	while (r == 0 && interp && n < n_max) {
		r = procmem_u64(m, interp + rt->interp_tstate_head, &tstate);
		while (r == 0 && tstate && n < n_max) {
			tstates[n++] = tstate;
			r = procmem_u64(m, tstate + rt->tstate_next, &tstate);
		}
		if (r == 0)
			r = procmem_u64(m, interp + rt->interp_next, &interp);
	}
	if (r < 0 && !n)
		return r;
	*ret_n = n;
	return 0;
}

/* ── self-test ────────────────────────────────────────────────────────────────────────────── */

/* > 0: frames, all of them code objects; 0: no frame; -EAGAIN: cut or in motion; -EBADMSG: a
 * frame's code is no code object. */
static int check_thread(const struct pyruntime *rt, const struct procmem *m, uint64_t tstate)
{
	struct pgd_stack_event ev;
	uint64_t type;

	walk_once(rt, m, tstate, &ev);
	for (unsigned i = 0; i < ev.n_frames; i++)
		if (procmem_u64(m, ev.frames[i].code + rt->names.ob_type, &type) < 0 ||
		    type != rt->code_type)
			return -EBADMSG;
	if (ev.flags & PGD_STACK_F_UNREADABLE)
		return -EAGAIN;
	return (int)ev.n_frames;
}

/* Does the route of the kernel's walker, from a thread's fs_base, lead to its thread state? */
static bool is_key_right(const struct pyruntime *rt, const struct procmem *m, uint64_t tstate)
{
	struct pywalk_scratch w = { .mem = m };
	uint64_t fs_base;
	__u64 value;

	return procmem_u64(m, tstate + rt->walk.tstate_thread_id, &fs_base) == 0 &&
	       pywalk_tss(fs_base, rt->tss_key, &w, &value) == 0 && value == tstate;
}

int pyruntime_selftest(const struct pyruntime *rt, const struct procmem *m, struct strbuf *why)
{
	uint64_t tstates[THREADS_MAX];
	bool has_key = false, has_bad = false;
	unsigned n = 0;
	int r;

	for (int round = 0; round < SELFTEST_ROUNDS; round++) {
		bool has_frames = false;

		r = pyruntime_threads(rt, m, tstates, THREADS_MAX, &n);
		if (r < 0)
			return strbuf_fail(why, r, "cannot read the threads of Python %s: %s",
					   rt->version, strerror(-r));
		for (unsigned i = 0; i < n; i++) {
			has_key = has_key || is_key_right(rt, m, tstates[i]);
			r = check_thread(rt, m, tstates[i]);
			has_frames = has_frames || r > 0;
			has_bad = has_bad || r == -EBADMSG;
		}
		if (has_frames && has_key)
			return 0;
		/* To 3.11 tstate_current alone serves all who hold the GIL. */
		if (has_frames && rt->walk.runtime_tstate != PGD_NO_OFFSET)
			return 0;
		if (has_frames)
			return strbuf_fail(
				why, -EBADMSG,
				"the thread key of Python %s leads to no thread state: supported "
				"is glibc (is this musl?)",
				rt->version);
	}
	if (has_bad)
		return strbuf_fail(
			why, -EBADMSG,
			"the layout of Python %s does not fit this process: its frames lead to "
			"no code objects (a patched build?)",
			rt->version);
	return strbuf_fail(why, -EAGAIN, "no thread runs Python %s code right now", rt->version);
}
