/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/pyobject.h — copy a str, a bytes object or a type's name out of a process.
 *
 * The address may be wild and the memory may change while we read: lengths are bounded, the flags
 * must make sense, and what is no text becomes an error or an escape, never trouble.
 */
#ifndef USER_SAMPLE_PYOBJECT_H
#define USER_SAMPLE_PYOBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/strbuf.h"
#include "target/procmem.h"
#include "target/pyruntime.h"

/* Which end of a text that is too long goes: a function is known by its start, a file by its end.
 */
enum pyobject_cut {
	PYOBJECT_CUT_END = 0,
	PYOBJECT_CUT_START
};

#define PYOBJECT_ELLIPSIS "…"

/* Add the str at addr to `ret` as UTF-8, made printable (escape.h); at most chars_max characters
 * and bytes_max bytes, the ellipsis for what was cut not counted. 0; 1: cut; -EBADMSG: no str;
 * -EFAULT; -ENOMEM. chars_max <= PYOBJECT_CHARS_MAX. */
#define PYOBJECT_CHARS_MAX 1024
int pyobject_str(const struct pyruntime_names *n, const struct procmem *m, uint64_t addr,
		 size_t chars_max, size_t bytes_max, enum pyobject_cut cut, struct strbuf *ret);

/* The content of the bytes object at addr; *ret is the caller's, NULL if empty. 0; -EBADMSG: no
 * bytes or longer than bytes_max; -EFAULT; -ENOMEM. */
int pyobject_bytes(const struct pyruntime_names *n, const struct procmem *m, uint64_t addr,
		   size_t bytes_max, uint8_t **ret, size_t *ret_n_bytes);

/* Add the type's tp_name, made printable; at most bytes_max of it. 0, 1: cut, -EFAULT, -ENOMEM. */
int pyobject_type_name(const struct pyruntime_names *n, const struct procmem *m, uint64_t type,
		       size_t bytes_max, struct strbuf *ret);

#endif
