/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/utf8.h — text from other processes, never trusted to be text. */
#ifndef USER_LIB_UTF8_H
#define USER_LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID 0xffffffffu

/* Decodes one character at `s`, which has `len` > 0 bytes. *ret_len is how many bytes to go on;
 * 1 for UTF8_INVALID (overlong forms, surrogates and what is cut short too). */
uint32_t utf8_decode(const char *s, size_t len, size_t *ret_len);
/* At most max_bytes of `s`, invalid bytes as U+FFFD; the caller frees it. NULL: out of memory. */
char *utf8_clean(const char *s, size_t max_bytes);
/* Could this character move a terminal's cursor, change its colours or turn the text around? */
bool utf8_is_control(uint32_t c);

#endif
