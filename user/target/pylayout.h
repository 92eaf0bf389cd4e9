/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pylayout.h — where does each CPython release keep what we read?
 *
 * A row per minor release (x86-64, release builds with the GIL), and the parser of
 * _Py_DebugOffsets, in which 3.13 and later say most of it themselves. Pure: no process, no file.
 * Offsets do not move within a minor release for the fields used here, except where
 * _Py_DebugOffsets tells. How the rows were got: DWARF of each release, then compared with live
 * processes (tests/e2e).
 */
#ifndef USER_TARGET_PYLAYOUT_H
#define USER_TARGET_PYLAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/pyruntime.h"

#define PYLAYOUT_MINOR_MIN 8
#define PYLAYOUT_MINOR_MAX 14

#define PYLAYOUT_DEBUG_OFFSETS_BYTES 760 /* of the longest struct that is understood: 3.14 */

struct pylayout {
	struct pgd_py_offsets walk;
	struct pyruntime_names names;
	/* _PyRuntime -> */
	uint32_t interp_head, interp_main;
	uint32_t tss_key; /* autoTSSkey._key; the int before it is _is_initialized */
	uint32_t obj_alloc; /* allocator of the object domain, or PGD_NO_OFFSET: a static */
	uint32_t raw_alloc; /* allocator of the raw domain, or PGD_NO_OFFSET */
	/* interpreter -> */
	uint32_t interp_next, interp_tstate_head;
	uint32_t tstate_next;
	bool is_gc_in_runtime; /* 3.8: gc hangs off _PyRuntime, later off the interpreter */
	uint32_t gc; /* -> struct _gc_runtime_state */
	uint32_t gc_stats; /* -> generation_stats in it */
	uint32_t pool_bytes;
};

/* PY_VERSION_HEX -> row; NULL: not supported. */
const struct pylayout *pylayout_of(uint32_t version_hex);

/* 3.14.0 to 3.14.4 collect incrementally: their generations are young, increment, full. */
bool pylayout_is_gc_incremental(uint32_t version_hex);

/* Overwrite in *l what _Py_DebugOffsets says. 0; -ENOENT: the bytes are no such struct;
 * -ENOTSUP: free-threaded; -EBADMSG: for another version, or with impossible values. */
int pylayout_apply_debug_offsets(struct pylayout *l, uint32_t version_hex, const void *bytes,
				 size_t n_bytes);

#endif
