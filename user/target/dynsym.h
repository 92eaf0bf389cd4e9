/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/dynsym.h — a cheap look into an ELF file's dynamic symbols.
 *
 * elf.h reads a whole file to answer everything; this reads only the section headers and the
 * dynamic symbols, so that discover.c can ask each of the hundred files which a process has mapped
 * "do you define _PyRuntime?". Reads the file, maps nothing. x86-64 only.
 */
#ifndef USER_TARGET_DYNSYM_H
#define USER_TARGET_DYNSYM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"

#define DYNSYM_SYMBOLS_MAX (1u << 20) /* the rest is not looked at */

struct dynsym;

/* -ENOEXEC: no x86-64 ELF, or without dynamic symbols; else from open(2). */
int dynsym_open(const char *path, struct dynsym **ret);
void dynsym_free(struct dynsym *d);
DEFINE_CLEANUP(struct dynsym *, dynsym_free)

/* Is it defined here (not merely used)? */
int dynsym_has(const struct dynsym *d, const char *name);
/* vaddr of the GOT slot through which this file calls `name`. -ENOENT. */
int dynsym_got_slot(const struct dynsym *d, const char *name, uint64_t *ret_vaddr);

#endif
