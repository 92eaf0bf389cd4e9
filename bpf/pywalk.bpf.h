/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* bpf/pywalk.bpf.h — which Python code is this thread running? Thread state → frames.
 *
 * All it knows about CPython is struct pgd_py_offsets. Compiles twice: in the kernel's programs
 * (memory by bpf_probe_read_user) and on the host (memory by the includer's PYWALK_READ), so that
 * the daemon's self-test and the unit tests run the very same walk. No pointer is trusted, every
 * loop is bounded. Hot path: one or two reads a frame.
 *
 *   tstate ─► [cframe ─►] frame ─back─► frame ─back─► … ─► NULL      innermost first
 *                           └─code─► code object: the check bytes
 *
 * Includes to come before: <linux/types.h>, in the kernel also <linux/bpf.h>, <bpf/bpf_helpers.h>.
 */
#ifndef PYWALK_BPF_H
#define PYWALK_BPF_H

#include <asm-generic/errno-base.h>
#include "pgd_abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Frames and shims together; a stack that alternates C and Python still shows its 128 frames. */
#define PYWALK_STEPS_MAX  (2 * PGD_FRAMES_MAX)
#define PYWALK_LEAF_STEPS 8 /* shims that can lie over the innermost frame */

/* Working memory: a map's value in the kernel, because the stack has only 512 bytes there. The
 * buffers are powers of two, so that `offset & (size - 1)` is all the proof that the verifier
 * needs. */
struct pywalk_scratch {
	__u8 frame[128];
	__u8 check[64];
	__u64 next; /* frame to read next, or 0 */
	__u64 hash; /* of the frames so far */
#ifndef __bpf__
	const void *mem; /* handed to PYWALK_READ: whose memory */
#endif
} __attribute__((aligned(8)));

_Static_assert(PGD_FRAME_BYTES_MAX < sizeof(((struct pywalk_scratch *)0)->frame), "mask");
_Static_assert(PGD_CHECK_BYTES_MAX < sizeof(((struct pywalk_scratch *)0)->check), "mask");
_Static_assert((PGD_FRAMES_MAX & (PGD_FRAMES_MAX - 1)) == 0, "frames[] is indexed by a mask");

#ifdef __bpf__
#define PYWALK_READ(mem, dst, len, addr) bpf_probe_read_user((dst), (len), (const void *)(addr))
#define PYWALK_MEM(w)			 NULL
/* verifier: forget what is known of x, so that the mask which follows is not optimised away. */
#define PYWALK_OPAQUE(x)		 asm volatile("" : "+r"(x))
#define PYWALK_GLOBAL			 __attribute__((noinline))
#else
#define PYWALK_MEM(w) ((w)->mem)
#define PYWALK_OPAQUE(x)
#define PYWALK_GLOBAL static
#endif

/* glibc x86-64: struct pthread.specific_1stblock and .specific; a slot is {u64 seq, void *data}. */
#define PYWALK_TSS_FIRST    0x310
#define PYWALK_TSS_BLOCKS   0x510
#define PYWALK_TSS_PER	    32u
#define PYWALK_TSS_KEYS_MAX 1024u

/* The buffers are bytes, their fields are not: tell the host's compiler. */
typedef __u64 __attribute__((may_alias)) pywalk_u64_alias;
typedef __s32 __attribute__((may_alias)) pywalk_s32_alias;

/* Multiply and xor-shift: three instructions a word, and all bits of the words matter. */
static __always_inline __u64 pywalk_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 32);
}

/* pgd_frame.check from the check bytes, which must be zero from code_check_bytes to
 * PGD_CHECK_BYTES_MAX, 8-aligned; and from co_firstlineno where there is no co_version: a program
 * that makes code objects in a loop gives them the names and tables of the last ones' addresses. */
static __always_inline __u32 pywalk_check_hash(const void *check, __u32 line)
{
	const pywalk_u64_alias *word = check;
	__u64 hash = (__u64)line << 32 | PGD_CHECK_BYTES_MAX;

	hash = pywalk_mix(hash, word[0]);
	hash = pywalk_mix(hash, word[1]);
	hash = pywalk_mix(hash, word[2]);
	hash = pywalk_mix(hash, word[3]);
	return (__u32)hash;
}

/* pgd_stack_key.hash: start with 0, add each frame, end with the flags. */
static __always_inline __u64 pywalk_hash_add(__u64 hash, const struct pgd_frame *f)
{
	hash = pywalk_mix(hash, f->code);
	return pywalk_mix(hash, (__u64)f->check << 32 | (__u32)f->offset);
}

static __always_inline __u64 pywalk_hash_end(__u64 hash, __u32 flags)
{
	hash = pywalk_mix(hash, flags);
	return hash > PGD_STACK_NONE ? hash : hash + PGD_STACK_NONE + 1;
}

/* The value of a pthread key in the thread with this fs_base. 0, -EFAULT. */
static __always_inline int pywalk_tss(__u64 fs_base, __u32 key, struct pywalk_scratch *w,
				      __u64 *ret)
{
	__u64 block = fs_base + PYWALK_TSS_FIRST;

	(void)w;
	if (key >= PYWALK_TSS_KEYS_MAX)
		return -EFAULT;
	if (key >= PYWALK_TSS_PER) {
		if (PYWALK_READ(PYWALK_MEM(w), &block, sizeof(block),
				fs_base + PYWALK_TSS_BLOCKS + 8 * (key / PYWALK_TSS_PER)))
			return -EFAULT;
		if (!block) { /* this thread never set a key of that block */
			*ret = 0;
			return 0;
		}
	}
	if (PYWALK_READ(PYWALK_MEM(w), ret, sizeof(*ret), block + 16 * (key % PYWALK_TSS_PER) + 8))
		return -EFAULT;
	return 0;
}

/* The thread state of the thread with this fs_base; 0 in *ret_tstate: it runs no Python.
 * tstate_current (<= 3.11) is the GIL holder's, in a malloc without the GIL somebody else's: it is
 * believed only with our thread id. It goes first because the key is stale in subinterpreters
 * there. 0, -EFAULT. */
static __always_inline int pywalk_top(const struct pgd_py_offsets *py, __u64 runtime, __u32 tss_key,
				      __u64 fs_base, struct pywalk_scratch *w, __u64 *ret_tstate)
{
	__u64 tstate = 0, thread_id = 0;

	*ret_tstate = 0;
	if (py->runtime_tstate != PGD_NO_OFFSET &&
	    !PYWALK_READ(PYWALK_MEM(w), &tstate, sizeof(tstate), runtime + py->runtime_tstate) &&
	    tstate &&
	    !PYWALK_READ(PYWALK_MEM(w), &thread_id, sizeof(thread_id),
			 tstate + py->tstate_thread_id) &&
	    thread_id == fs_base) {
		*ret_tstate = tstate;
		return 0;
	}
	return pywalk_tss(fs_base, tss_key, w, ret_tstate);
}

/* Innermost frame of a thread state; 0 in *ret_frame: none. 0, -EFAULT. */
static __always_inline int pywalk_first(const struct pgd_py_offsets *py, __u64 tstate,
					struct pywalk_scratch *w, __u64 *ret_frame)
{
	__u64 frame = 0;

	(void)w;
	if (PYWALK_READ(PYWALK_MEM(w), &frame, sizeof(frame), tstate + py->tstate_frame))
		return -EFAULT;
	if (py->cframe_frame != PGD_NO_OFFSET &&
	    PYWALK_READ(PYWALK_MEM(w), &frame, sizeof(frame), frame + py->cframe_frame))
		return -EFAULT;
	*ret_frame = frame;
	return 0;
}

/* verifier: a field of w->frame at an offset from a map, in bounds whatever the map says. */
static __always_inline __u64 pywalk_u64(const struct pywalk_scratch *w, __u64 offset)
{
	PYWALK_OPAQUE(offset);
	return *(const pywalk_u64_alias *)(w->frame + (offset & 120));
}

static __always_inline __s32 pywalk_s32(const struct pywalk_scratch *w, __u64 offset)
{
	PYWALK_OPAQUE(offset);
	return *(const pywalk_s32_alias *)(w->frame + (offset & 124));
}

static __always_inline __u8 pywalk_u8(const struct pywalk_scratch *w, __u64 offset)
{
	PYWALK_OPAQUE(offset);
	return w->frame[offset & 127];
}

/* pgd_frame.check of a code object; 0 or -EFAULT. The includer may know it already: a row of its
 * PYWALK_CODE_ROW(slot, code) that names this very code object spares the second read of a frame.
 */
static __always_inline int pywalk_check(const struct pgd_py_offsets *py, struct pywalk_scratch *w,
					__u32 slot, struct pgd_frame *f)
{
	__u64 check_bytes = py->code_check_bytes;
	__u32 line = 0;
#ifdef PYWALK_CODE_ROW
	struct pgd_code *row = PYWALK_CODE_ROW(slot, f->code);
	__u32 epoch = PYWALK_EPOCH(slot);

	if (row && row->code == f->code && row->epoch == epoch && epoch != PGD_EPOCH_NONE) {
		f->check = row->check;
		return 0;
	}
#endif
	(void)slot;
	PYWALK_OPAQUE(check_bytes);
	if (PYWALK_READ(PYWALK_MEM(w), w->check, check_bytes & (sizeof(w->check) - 1),
			f->code + py->code_check))
		return -EFAULT;
	if (py->code_check_line != PGD_NO_OFFSET &&
	    PYWALK_READ(PYWALK_MEM(w), &line, sizeof(line), f->code + py->code_check_line))
		return -EFAULT;
	f->check = pywalk_check_hash(w->check, line);
#ifdef PYWALK_CODE_ROW
	if (row) {
		row->check = f->check;
		row->epoch = epoch;
		row->code = f->code;
	}
#endif
	return 0;
}

/* Read frame w->next and its code object's check bytes; add it to ev unless it is a shim, which is
 * nobody's code. 0: w->next is the next frame; -EFAULT; -E2BIG: ev is full.
 *
 * verifier: a function with a global name is checked once, for all arguments, and all of the walk's
 * state is in memory, where nothing is known of it. So the loop below costs it a few steps a turn;
 * inlined, the paths "frame" and "shim" do not merge and the check takes over a million. */
PYWALK_GLOBAL int pywalk_step(const struct pgd_py_offsets *py, struct pywalk_scratch *w,
			      struct pgd_stack_event *ev)
{
	__u64 frame_bytes, n;
	struct pgd_frame f;

	if (!py || !w || !ev)
		return -EFAULT;
	n = ev->n_frames;
	frame_bytes = py->frame_bytes;

	PYWALK_OPAQUE(frame_bytes);
	if (PYWALK_READ(PYWALK_MEM(w), w->frame, frame_bytes & (sizeof(w->frame) - 1),
			w->next + py->frame_start))
		return -EFAULT;
	w->next = pywalk_u64(w, py->frame_back);
	if (py->frame_owner != PGD_NO_OFFSET && pywalk_u8(w, py->frame_owner) >= py->owner_skip)
		return 0;
	if (n >= PGD_FRAMES_MAX)
		return -E2BIG;

	f.code = pywalk_u64(w, py->frame_code) & py->code_mask;
	if (py->lasti_kind == PGD_LASTI_POINTER)
		f.offset = (__s32)(pywalk_u64(w, py->frame_lasti) - f.code - py->code_bytes);
	else
		f.offset = pywalk_s32(w, py->frame_lasti);
	if (py->lasti_kind == PGD_LASTI_UNITS)
		f.offset = (__s32)((__u32)f.offset * 2);

	if (pywalk_check(py, w, ev->key.slot, &f))
		return -EFAULT;

	w->hash = pywalk_hash_add(w->hash, &f);
	ev->n_frames = (__u32)n + 1;
	PYWALK_OPAQUE(n);
	ev->frames[n & (PGD_FRAMES_MAX - 1)] = f;
	return 0;
}

/* Hash of a leaf: where in which code object. Never 0. */
static __always_inline __u64 pywalk_leaf_hash(const struct pgd_frame *f)
{
	__u64 hash = pywalk_mix(pywalk_mix(0, f->code), (__u32)f->offset);

	return hash ? hash : 1;
}

/* A walk in three parts, so that it can end after the innermost frame. ev is a map's value in the
 * kernel; its frames, n_frames, flags and key.hash are the walk's, the rest is the caller's. */
static __always_inline void pywalk_begin(const struct pgd_py_offsets *py, __u64 tstate,
					 struct pywalk_scratch *w, struct pgd_stack_event *ev)
{
	ev->n_frames = 0;
	ev->flags = 0;
	w->hash = 0;
	w->next = 0;
	__builtin_memset(w->check, 0, sizeof(w->check));
	if (tstate && pywalk_first(py, tstate, w, &w->next))
		ev->flags = PGD_STACK_F_UNREADABLE;
}

/* On to the innermost frame: shims are none. */
static __always_inline void pywalk_leaf(const struct pgd_py_offsets *py, struct pywalk_scratch *w,
					struct pgd_stack_event *ev)
{
	for (int i = 0; i < PYWALK_LEAF_STEPS && w->next && !ev->n_frames && !ev->flags; i++)
		if (pywalk_step(py, w, ev))
			ev->flags = PGD_STACK_F_UNREADABLE;
}

/* On to the end. */
static __always_inline void pywalk_rest(const struct pgd_py_offsets *py, struct pywalk_scratch *w,
					struct pgd_stack_event *ev)
{
	int r = ev->flags ? -EFAULT : 0;

	for (int i = 0; i < PYWALK_STEPS_MAX && w->next && !r; i++)
		r = pywalk_step(py, w, ev);
	if (r == -EFAULT)
		ev->flags = PGD_STACK_F_UNREADABLE;
	else if (r == -E2BIG || w->next) /* next is 0 behind the 129th of 129 */
		ev->flags = PGD_STACK_F_TRUNCATED;
	ev->key.hash =
		ev->flags || ev->n_frames ? pywalk_hash_end(w->hash, ev->flags) : PGD_STACK_NONE;
}

/* All frames of a thread state. tstate 0, or no frame: n_frames 0 and PGD_STACK_NONE. */
static __always_inline void pywalk_frames(const struct pgd_py_offsets *py, __u64 tstate,
					  struct pywalk_scratch *w, struct pgd_stack_event *ev)
{
	pywalk_begin(py, tstate, w, ev);
	pywalk_rest(py, w, ev);
}

#endif
