/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/pyline.h — bytecode offset → source line, by CPython's three line-table formats.
 *
 * Pure: bytes in, a number out. The bytes were copied from a process that we do not trust: any
 * input gives an answer, in time linear in its length.
 */
#ifndef USER_SAMPLE_PYLINE_H
#define USER_SAMPLE_PYLINE_H

#include <stddef.h>
#include <stdint.h>

#include "target/pyruntime.h"

/* Line of the instruction at `offset` (bytes); first: co_firstlineno. A frame that has not started
 * (offset < 0) is on `first`. 0: this instruction has no line, or the table is damaged before it.
 */
int pyline_find(enum pyline_kind kind, const uint8_t *table, size_t n_bytes, int first, int offset);

#endif
