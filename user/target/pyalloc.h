/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pyalloc.h — do this process's objects come from pymalloc?
 *
 * Read from the live allocator slots, not from the environment: PYTHONMALLOC, -X dev, -X
 * tracemalloc and PyMem_SetAllocator() all end there, whenever they were called.
 */
#ifndef USER_TARGET_PYALLOC_H
#define USER_TARGET_PYALLOC_H

#include "target/discover.h"
#include "target/procmem.h"
#include "target/pylayout.h"

enum pyalloc_kind {
	PYALLOC_PYMALLOC = 0, /* the default */
	PYALLOC_HOOKED, /* pymalloc under a hook of the interpreter's own (tracemalloc) */
	PYALLOC_MALLOC, /* PYTHONMALLOC=malloc: libc serves everything */
	PYALLOC_DEBUG, /* PYTHONMALLOC=debug, malloc_debug, -X dev */
	PYALLOC_FOREIGN, /* somebody else's functions: PyMem_SetAllocator() in an extension */
	PYALLOC_KIND_MAX
};

/* 0; -ENOENT: the slots were not found in this build (<= 3.11: they are statics, found by decoding
 * PyObject_Malloc); -EFAULT. `runtime` is the address of _PyRuntime in the process. */
int pyalloc_check(const struct discover *d, const struct procmem *m, const struct pylayout *l,
		  uint64_t runtime, enum pyalloc_kind *ret);

#endif
