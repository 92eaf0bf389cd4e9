/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/escape.h — a name from somebody else's process, made safe to print.
 *
 * What could move a terminal's cursor, break a line of a log, reorder text or hide is written as an
 * escape (\xNN, \uNNNN, \UNNNNNNNN); all else stays readable, Chinese and emoji too. The result is
 * always valid UTF-8. utf8.h knows the encoding; this is the rule for names.
 */
#ifndef USER_LIB_ESCAPE_H
#define USER_LIB_ESCAPE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/strbuf.h"

/* One character; escaped: controls (C0, DEL, C1), line and paragraph separators, bidirectional
 * controls, invisible ones, surrogates, non-characters, what is beyond U+10FFFF. */
void escape_add_char(struct strbuf *b, uint32_t code_point);
/* Bytes that ought to be UTF-8 (paths, command lines); each byte that is not: \xNN. */
void escape_add_bytes(struct strbuf *b, const void *bytes, size_t n_bytes);

#endif
