/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/symbolize.h — code object and instruction offset → qualified name, file, line.
 *
 * Reads the target's memory as soon as a stack is seen for the first time, checks that the code
 * object is still the one that the kernel saw (type, and the hash in pgd_frame.check, before and
 * after reading), and remembers the answer by (code, check). Names are cut to SYMBOLIZE_NAME_MAX
 * characters, control characters (newline too) and invalid code points are escaped as \xNN, \uNNNN.
 */
#ifndef USER_SAMPLE_SYMBOLIZE_H
#define USER_SAMPLE_SYMBOLIZE_H

#include <stdbool.h>

#include "lib/cleanup.h"
#include "pgd_abi.h"
#include "target/procmem.h"
#include "target/pyruntime.h"

#define SYMBOLIZE_NAME_MAX	  256 /* characters of a function's or file's name; longer: cut, "…" */
#define SYMBOLIZE_CODES_MAX	  65536 /* remembered code objects; then the table is emptied */
#define SYMBOLIZE_TABLE_BYTES_MAX (1u << 20) /* longest line table read */
#define SYMBOLIZE_CACHE_BYTES_MAX (16u << 20) /* of all that is remembered; then it is emptied */

struct symbolize;

struct symbol {
	char function[SYMBOLIZE_NAME_MAX * 4 +
		      8]; /* UTF-8; qualified where CPython knows it (3.11+) */
	char file[SYMBOLIZE_NAME_MAX * 4 + 8];
	int line; /* 0: not known */
	bool is_internal; /* the interpreter's own frame, in no traceback: leave it out */
};

/* m and rt are kept by reference and must outlive it. */
int symbolize_new(const struct pyruntime *rt, const struct procmem *m, struct symbolize **ret);
void symbolize_free(struct symbolize *s);
DEFINE_CLEANUP(struct symbolize *, symbolize_free)

/* Always fills *ret with something printable. 0; -ESTALE: the code object was gone or is another
 * one now ("<gone>"); -EBADMSG: a name was not a valid str ("<bad name>") or was cut. */
int symbolize_frame(struct symbolize *s, const struct pgd_frame *frame, struct symbol *ret);

#endif
