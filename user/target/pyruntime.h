/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pyruntime.h — version and memory layout of the CPython inside a process.
 *
 * From `_Py_DebugOffsets` where the interpreter carries it (3.13+), from a table by version for the
 * rest; then tested against the live process before anyone believes it. CPython 3.8 to 3.14,
 * x86-64, release builds with the GIL and pymalloc.
 */
#ifndef USER_TARGET_PYRUNTIME_H
#define USER_TARGET_PYRUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/strbuf.h"
#include "pgd_pyoffsets.h"
#include "target/discover.h"
#include "target/procmem.h"

enum pyline_kind {
	PYLINE_LNOTAB = 0, /* 3.8, 3.9 */
	PYLINE_PEP626, /* 3.10 */
	PYLINE_PEP657, /* 3.11+ */
	PYLINE_KIND_MAX
};

/* Offsets (bytes) that user space needs to turn a code object into names. */
struct pyruntime_names {
	uint32_t ob_type;
	uint32_t code_filename, code_name;
	uint32_t code_qualname; /* PGD_NO_OFFSET before 3.11 */
	uint32_t code_firstlineno, code_linetable;
	enum pyline_kind pyline;
	uint32_t str_length, str_state, str_ascii_data, str_wide_data;
	uint32_t bytes_size, bytes_data;
	uint32_t type_name; /* tp_name, a C string */
};

struct pyruntime {
	uint32_t version_hex; /* PY_VERSION_HEX */
	char version[24]; /* "3.11.2" */
	struct pgd_py_offsets walk;
	struct pyruntime_names names;
	uint64_t runtime; /* address of _PyRuntime in the process */
	uint64_t code_type; /* address of PyCode_Type in the process */
	uint64_t type_type; /* address of PyType_Type in the process; 0: not exported */
	uint32_t interp_head; /* _PyRuntime -> interpreters.head / .main */
	uint32_t interp_main;
	uint32_t interp_next;
	uint32_t interp_tstate_head;
	uint32_t tstate_next;
	uint32_t tss_key; /* PyGILState's pthread key, read from the process */
	uint64_t gc; /* address of the main interpreter's struct _gc_runtime_state, or 0 */
	uint64_t gc_stats; /* address of the main interpreter's generation_stats, or 0:
			    * {collections, collected, uncollectable} s64 x 3 */
	bool is_gc_incremental; /* see pylayout.h */
	uint32_t pool_bytes; /* 4096 or 16384 */
	bool is_hooked; /* tracemalloc, or a hook like it, sits over pymalloc: the sites
			 * see all blocks still, which are the target's and the hook's */
};

/* 0, or -errno with one clear sentence in `why`: -ENOTSUP wrong version (2.x, 3.6, 3.7, 3.15+),
 * free-threaded, debug build, PYTHONMALLOC=malloc | malloc_debug | debug; -EAGAIN interpreter not
 * yet initialised; -EBADMSG layout does not fit the live process (the self-test failed). */
int pyruntime_load(const struct discover *d, const struct procmem *m, struct pyruntime *ret,
		   struct strbuf *why);

/* One thread's Python stack read from outside, innermost first, same rules as the kernel's walker
 * (bpf/pywalk.bpf.h compiled on the host). Racy on a running thread: -EAGAIN if it changed under
 * us. */
struct pgd_frame;
int pyruntime_walk(const struct pyruntime *rt, const struct procmem *m, uint64_t tstate,
		   struct pgd_frame *frames, unsigned n_max, unsigned *ret_n);

/* Thread states of all interpreters, newest first; no more than n_max. */
int pyruntime_threads(const struct pyruntime *rt, const struct procmem *m, uint64_t *tstates,
		      unsigned n_max, unsigned *ret_n);

/* Self-test: every frame of at least one thread leads to a code object of type PyCode_Type.
 * 0; -EBADMSG with `why`; -EAGAIN no thread could be read whole. pyruntime_load calls it. */
int pyruntime_selftest(const struct pyruntime *rt, const struct procmem *m, struct strbuf *why);

#endif
