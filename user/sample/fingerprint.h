/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/fingerprint.h — is the block at this address still the object that we sampled?
 *
 * The words of it that tell most, taken at the end of the window in which it was sampled, when it
 * was certainly there; compared at each look. Contents stay in here: they are compared, never
 * shown. Pure: words in, answer out.
 *
 * A wrong "yes" makes a leak of nothing, a wrong "no" loses one sample of many: in doubt, no.
 *
 *	what it is                 it is the same if
 *	every object               same type; a reference count, not 0 and not a free list's link
 *	+ str                      every word behind the type, but what is filled in later: hash,
 *	                           interned, UTF-8 and wchar copies
 *	+ int float complex bytes  every word behind the type, and the hash of the rest of the block
 *	  tuple frozenset
 *	+ dict                     as other objects, and the same version (3.8 to 3.13)
 *	+ other objects            all pointers, and 3/4 of the big numbers, behind the type and in
 *	                           the pre-header
 *	memory                     all pointers, and 3/4 of the big numbers; word 0 has not become 0
 *	                           or a link
 *	libc's chunk               as above, and the same size; memory: free() has not overwritten
 *	                           words 0 and 1 both (fast bins: word 0)
 *
 * Pointers and big numbers are the words that tell. Not those below 64 KiB (counts, flags, NULL),
 * not pointers into the block itself, not reference counts and GC heads. If none tells, all words
 * must be equal; if these are all 0, the reference count too. A word that is -1 (a hash that was
 * not asked for yet) may become anything. All pointers, not some: most of those in a function or a
 * request are the same in the next one (its code, its class's shared parts).
 */
#ifndef USER_SAMPLE_FINGERPRINT_H
#define USER_SAMPLE_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_WORDS      12 /* of a block that are kept: 96 bytes */
#define FINGERPRINT_WORDS_SEEN 64 /* to choose from: the largest block of a pool */

enum fingerprint_kind {
	FINGERPRINT_NONE = 0, /* not taken yet */
	FINGERPRINT_OBJECT, /* a Python object: its type is at word type_at */
	FINGERPRINT_MEMORY, /* no object: a list's items, a dict's keys, a buffer */
	FINGERPRINT_KIND_MAX
};

/* What is known of the type's objects. */
enum fingerprint_content {
	FINGERPRINT_MUTABLE = 0,
	FINGERPRINT_FIXED, /* int, float, bytes, …: cannot change while it lives */
	FINGERPRINT_STR, /* fixed, with fields that are filled in later */
	FINGERPRINT_DICT, /* mutable, and says so by a version that no two dicts share */
	FINGERPRINT_CONTENT_MAX
};

struct fingerprint {
	uint8_t kind; /* enum fingerprint_kind */
	uint8_t type_at; /* index of the word that holds the type: 1, 3 (GC head) or 5 (pre-header)
			  */
	uint8_t content; /* enum fingerprint_content */
	uint32_t chunk_units; /* libc's chunk, in units of 16 bytes; 0: a block of pymalloc */
	uint64_t mask; /* which words of the block are kept, in order */
	uint64_t words[FINGERPRINT_WORDS]; /* fixed content that is longer: the last is a hash */
};

/* A block as it is now: all of it, or as much as was read. */
struct fingerprint_view {
	uint64_t addr;
	const uint64_t *words;
	size_t n_words;
	uint32_t chunk_units;
};

/* Could word `at` (1, 3 or 5) hold the type of an object that lives here? If so, it is an address
 * to be verified. */
bool fingerprint_may_be_type(const struct fingerprint_view *v, unsigned at);
#define FINGERPRINT_TYPE_AT_EACH(at) (unsigned at = 1; at <= 5; at += 2)

/* type_at 0: memory. */
void fingerprint_take(const struct fingerprint_view *v, unsigned type_at,
		      enum fingerprint_content content, struct fingerprint *ret);
/* False for FINGERPRINT_NONE. */
bool fingerprint_is_same(const struct fingerprint *f, const struct fingerprint_view *v);

#endif
