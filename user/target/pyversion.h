/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pyversion.h — which release of CPython is in this file?
 *
 * 3.11 and later export the number (Py_Version). Before, Py_GetVersion() passes the text "3.9.2" to
 * a printf: found by decoding it. Last, the file's name, which does not know the micro version.
 */
#ifndef USER_TARGET_PYVERSION_H
#define USER_TARGET_PYVERSION_H

#include "target/elf.h"

/* hex: PY_VERSION_HEX; text: "3.11.2", "3.9" if the micro version is not known. -ENOENT. */
int pyversion_find(const struct elf_image *e, const char *file_name, uint32_t *ret_hex,
		   char *ret_text, size_t text_bytes);

/* "3.11.2" -> 0x030b02f0, "3.14.0rc2+" -> 0x030e00c2, "3.9" -> 0x030900f0. -EINVAL. */
int pyversion_parse(const char *text, uint32_t *ret_hex);
void pyversion_format(uint32_t hex, char *buf, size_t n_bytes);

#endif
