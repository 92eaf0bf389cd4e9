/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* include/pgd_pyoffsets.h — all that the stack walker knows about a CPython layout.
 *
 * Filled by user/target/pyruntime.c (from _Py_DebugOffsets, or from a table by version), read by
 * bpf/pywalk.bpf.h in the kernel and on the host. Facts only: no version number in here, so that
 * the walker cannot grow an `if (version)`. Offsets and lengths are bytes, x86-64.
 */
#ifndef PGD_PYOFFSETS_H
#define PGD_PYOFFSETS_H

#include <linux/types.h>

#define PGD_FRAME_BYTES_MAX 96 /* longest piece of a frame that the walker reads at once */
#define PGD_CHECK_BYTES_MAX 32 /* longest piece of a code object that identifies it */
#define PGD_NO_OFFSET	    0xffffffffu

/* How an instruction position is stored in a frame. */
enum pgd_lasti_kind {
	PGD_LASTI_BYTES = 0, /* int32, bytes into the bytecode; -1: not started (3.8, 3.9) */
	PGD_LASTI_UNITS, /* int32, two-byte units; -1: not started (3.10) */
	PGD_LASTI_POINTER, /* address of the instruction (3.11+) */
	PGD_LASTI_MAX
};

struct pgd_py_offsets {
	/* Thread state. With the GIL and a `tstate_current` (<= 3.11): *(runtime + runtime_tstate),
	 * believed only if its thread_id is this thread's fs_base. Else, and always on 3.12+: the
	 * pthread key of PyGILState, read from the thread's own block (glibc). */
	__u32 runtime_tstate; /* _PyRuntime -> tstate_current, or PGD_NO_OFFSET */
	__u32 tstate_thread_id; /* tstate -> thread_id (== fs_base on glibc) */
	__u32 tstate_frame; /* tstate -> top frame, or -> cframe if cframe_frame is set */
	__u32 cframe_frame; /* cframe -> top frame, or PGD_NO_OFFSET: no cframe */

	/* Frame: one read of frame_bytes at frame + frame_start covers the fields below, whose
	 * offsets are relative to that start. */
	__u32 frame_start;
	__u32 frame_bytes; /* <= PGD_FRAME_BYTES_MAX */
	__u32 frame_code;
	__u32 frame_back;
	__u32 frame_lasti;
	__u32 frame_owner; /* 1 byte, or PGD_NO_OFFSET */
	__u32 owner_skip; /* owner >= this: a shim frame, follow `back` without emitting it */
	__u32 lasti_kind; /* enum pgd_lasti_kind */
	__u64 code_mask; /* & on the code pointer: takes off the tag bits of 3.14 */

	/* Code object. */
	__u32 code_bytes; /* code -> first instruction (PGD_LASTI_POINTER only) */
	__u32 code_check; /* code -> bytes that tell it from a later object at its address */
	__u32 code_check_bytes; /* <= PGD_CHECK_BYTES_MAX, a multiple of 4 */
	__u32 code_check_line; /* code -> co_firstlineno, a part of it too, or PGD_NO_OFFSET */
};

#endif
