/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/typetab.h — is this word the address of a Python type, and what are its objects like?
 *
 * A type is what has PyType_Type for its type, or a type whose instances are types. Asked of the
 * process once for each, many at a time; then known. A type that goes, and something else at its
 * address, makes a fingerprint of an object that is none: compared all the same, no harm.
 */
#ifndef USER_SAMPLE_TYPETAB_H
#define USER_SAMPLE_TYPETAB_H

#include <stddef.h>

#include "lib/cleanup.h"
#include "sample/fingerprint.h"
#include "target/procmem.h"
#include "target/pyruntime.h"

struct typetab;

/* rt and m are kept by reference. n_max types, n_max > 0; then the table is emptied. Without
 * rt->type_type nothing is a type. 0 or -ENOMEM. */
int typetab_new(const struct pyruntime *rt, const struct procmem *m, size_t n_max,
		struct typetab **ret);
void typetab_free(struct typetab *t);
DEFINE_CLEANUP(struct typetab *, typetab_free)

/* Ask what may be a type in this block, if nobody knows yet; typetab_verify() brings the answers to
 * all that was asked. 0 or what procmem_read_many() says. */
int typetab_ask(struct typetab *t, const struct fingerprint_view *v);
int typetab_verify(struct typetab *t);

/* Index of the word that is a known type, 0: none. */
unsigned typetab_find(const struct typetab *t, const struct fingerprint_view *v,
		      enum fingerprint_content *ret_content);

#endif
