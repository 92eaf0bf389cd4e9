/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/fingerprint.c — see fingerprint.h.
 *
 * Why so strict: allocators hand out last in, first out, so a program that repeats itself gets its
 * blocks back in an order that repeats too, and the same pointers with them. See the rates that
 * tests/bpf/test_liveness.c prints.
 */
#include <string.h>

#include "sample/fingerprint.h"

#define POINTER_MIN	0x10000ull /* mmap_min_addr: below are counts and flags */
#define POINTER_END	(1ull << 47)
#define HASH_UNSET	(~0ull)
#define FAST_UNITS_MAX	8 /* glibc's fast bins: chunks to 128 bytes */
#define STR_STATE	3 /* words behind the type: length, hash, state */
#define STR_FILLED	4 /* wstr to 3.11; characters of an ASCII str of 3.12+ */
#define STR_STATE_BITS	0x7cull /* kind, compact, ascii; not interned, ready, padding */
#define STR_STATE_ASCII 0x40ull
#define DICT_VERSION	2 /* words behind the type: ma_used, version */

static bool is_pointer(uint64_t w)
{
	return w >= POINTER_MIN && w < POINTER_END;
}

/* Reference counts have 32 bits (above may be flags, 3.14), a free list's link has more. */
static bool is_refcount(uint64_t w)
{
	return (uint32_t)w && !(w >> 32 & 0xffff);
}

/* ── what is it? ──────────────────────────────────────────────────────────────────────────── */

bool fingerprint_may_be_type(const struct fingerprint_view *v, unsigned at)
{
	const uint64_t *w = v->words;

	if (at >= v->n_words || !is_pointer(w[at]) || w[at] % 8)
		return false;
	/* A count of 0: an object on a free list of the interpreter. */
	if (w[at - 1] && !is_refcount(w[at - 1]))
		return false;
	/* _gc_next: a link, or 0 in an object that is not tracked. _gc_prev may be anything while
	 * the collector runs. */
	if (at >= 3 && w[at - 3] && !is_pointer(w[at - 3]))
		return false;
	/* Pre-header: dict, values, weak references. */
	return at < 5 || ((!w[0] || is_pointer(w[0])) && (!w[1] || is_pointer(w[1])));
}

static uint64_t hash(const uint64_t *words, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ words[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h;
}

static bool is_fixed(const struct fingerprint *f)
{
	return f->content == FINGERPRINT_FIXED || f->content == FINGERPRINT_STR;
}

static bool is_self(const struct fingerprint_view *v, uint64_t w)
{
	return w - v->addr < v->n_words * sizeof(w);
}

/* Words of an object that are not compared: GC head, count; the type and the count are by hand. */
static bool is_skipped(unsigned type_at, unsigned i)
{
	return type_at && i <= type_at && !(type_at == 5 && i < 2);
}

enum rank {
	RANK_POINTER = 0,
	RANK_NUMBER,
	RANK_LITTLE,
	RANK_MAX
};

static enum rank rank(const struct fingerprint_view *v, uint64_t w)
{
	if (w < POINTER_MIN || w == HASH_UNSET || is_self(v, w))
		return RANK_LITTLE;
	return is_pointer(w) ? RANK_POINTER : RANK_NUMBER;
}

static uint64_t bit(unsigned i)
{
	return 1ull << i;
}

/* The words that tell first, those that do not as far as there is room. */
static uint64_t choose(const struct fingerprint_view *v, unsigned n, unsigned type_at)
{
	uint64_t mask = type_at ? bit(type_at - 1) | bit(type_at) : bit(0) | (n > 1 ? bit(1) : 0);
	unsigned room = FINGERPRINT_WORDS - (unsigned)__builtin_popcountll(mask);

	if (type_at && type_at + DICT_VERSION < n) {
		mask |= bit(type_at + DICT_VERSION);
		room--;
	}
	for (unsigned r = 0; r < RANK_MAX; r++)
		for (unsigned i = 0; i < n && room; i++)
			if (!(mask & bit(i)) && !is_skipped(type_at, i) &&
			    rank(v, v->words[i]) == r) {
				mask |= bit(i);
				room--;
			}
	return mask;
}

/* The words that the mask selects; the hash in the last if fixed content is longer. */
static void gather(const struct fingerprint_view *v, uint64_t mask, bool has_hash,
		   uint64_t ret[FINGERPRINT_WORDS])
{
	unsigned n = 0;

	for (; mask && n < FINGERPRINT_WORDS; mask &= mask - 1)
		ret[n++] = v->words[__builtin_ctzll(mask)];
	if (has_hash && v->n_words > FINGERPRINT_WORDS)
		ret[FINGERPRINT_WORDS - 1] =
			hash(v->words + FINGERPRINT_WORDS - 1, v->n_words - FINGERPRINT_WORDS + 1);
}

void fingerprint_take(const struct fingerprint_view *v, unsigned type_at,
		      enum fingerprint_content content, struct fingerprint *ret)
{
	struct fingerprint f = { .kind = type_at ? FINGERPRINT_OBJECT : FINGERPRINT_MEMORY,
				 .type_at = (uint8_t)type_at,
				 .content = type_at ? (uint8_t)content : FINGERPRINT_MUTABLE,
				 .chunk_units = v->chunk_units };
	size_t n = v->n_words < FINGERPRINT_WORDS_SEEN ? v->n_words : FINGERPRINT_WORDS_SEEN;

	if (is_fixed(&f))
		f.mask = n < FINGERPRINT_WORDS ? bit((unsigned)n) - 1 : bit(FINGERPRINT_WORDS) - 1;
	else if (n)
		f.mask = choose(v, (unsigned)n, type_at);
	gather(v, f.mask, is_fixed(&f), f.words);
	*ret = f;
}

/* ── is it still? ─────────────────────────────────────────────────────────────────────────── */

/* Word i of the block, as it was; 0 if it was not kept. */
static uint64_t word_was(const struct fingerprint *f, unsigned i)
{
	if (!(f->mask & bit(i)))
		return 0;
	return f->words[__builtin_popcountll(f->mask & (bit(i) - 1))];
}

/* Filled in after the str was made, hence no mark of it. */
static bool is_filled_later(const struct fingerprint *f, unsigned behind)
{
	bool is_ascii = f->words[f->type_at + STR_STATE] & STR_STATE_ASCII;

	/* In an ASCII str of 3.12+ there are characters at STR_FILLED, which never are 0 there, but
	 * for the empty str; to 3.11, wstr is, if nobody asked for it. A wide one has there: wstr,
	 * UTF-8's length and text, wstr's length; from 3.12 on, UTF-8's length and text. */
	if (f->words[f->type_at + behind])
		return false;
	return behind == STR_FILLED ||
	       (!is_ascii && behind > STR_FILLED && behind < STR_FILLED + 4);
}

static bool is_fixed_same(const struct fingerprint *f, const uint64_t *now)
{
	unsigned n = (unsigned)__builtin_popcountll(f->mask);

	for (unsigned i = f->type_at + 1u; i < n; i++) {
		unsigned behind = i - f->type_at;
		uint64_t changed = f->words[i] ^ now[i];

		if (f->words[i] == HASH_UNSET)
			continue;
		if (f->content == FINGERPRINT_STR) {
			if (behind == STR_STATE)
				changed &= STR_STATE_BITS;
			else if (behind > STR_STATE && is_filled_later(f, behind))
				continue;
		}
		if (changed)
			return false;
	}
	return true;
}

static bool is_mutable_same(const struct fingerprint *f, const struct fingerprint_view *v,
			    const uint64_t *now)
{
	unsigned telling[RANK_MAX] = { 0 }, kept[RANK_MAX] = { 0 }, n = 0;
	bool is_equal = true, is_zero = true;

	for (uint64_t mask = f->mask; mask; mask &= mask - 1, n++) {
		enum rank r = rank(v, f->words[n]);

		if (is_skipped(f->type_at, (unsigned)__builtin_ctzll(mask)) ||
		    f->words[n] == HASH_UNSET)
			continue;
		telling[r]++;
		kept[r] += f->words[n] == now[n];
		is_equal = is_equal && f->words[n] == now[n];
		is_zero = is_zero && !f->words[n];
	}
	if (telling[RANK_POINTER] || telling[RANK_NUMBER])
		return kept[RANK_POINTER] == telling[RANK_POINTER] &&
		       4 * kept[RANK_NUMBER] >= 3 * telling[RANK_NUMBER];
	if (f->type_at && is_zero)
		is_equal = is_equal && word_was(f, f->type_at - 1u) == v->words[f->type_at - 1];
	return is_equal;
}

static bool is_object_same(const struct fingerprint *f, const struct fingerprint_view *v,
			   const uint64_t *now)
{
	unsigned version = f->type_at + DICT_VERSION;

	if (v->words[f->type_at] != word_was(f, f->type_at) ||
	    !is_refcount(v->words[f->type_at - 1]))
		return false;
	if (is_fixed(f))
		return is_fixed_same(f, now);
	if (f->content == FINGERPRINT_DICT && f->mask & bit(version) &&
	    word_was(f, version) != v->words[version])
		return false;
	return is_mutable_same(f, v, now);
}

/* Dict keys on the interpreter's free list: a count of 0, or the list's link in its place. */
static bool is_word0_gone(uint64_t was, uint64_t now)
{
	return was && (!now || (was < POINTER_MIN && is_pointer(now)));
}

/* The bin's links, and the key of the thread's cache, overwrite words 0 and 1; fast bins have one
 * link only. Not asked of objects: a GC head changes too, and their count is 0 when they die. */
static bool is_chunk_freed(const struct fingerprint *f, const struct fingerprint_view *v)
{
	if (word_was(f, 0) == v->words[0])
		return false;
	return f->chunk_units <= FAST_UNITS_MAX || v->n_words < 2 || word_was(f, 1) != v->words[1];
}

bool fingerprint_is_same(const struct fingerprint *f, const struct fingerprint_view *v)
{
	uint64_t now[FINGERPRINT_WORDS] = { 0 };

	if (f->kind == FINGERPRINT_NONE || !f->mask || v->chunk_units != f->chunk_units ||
	    v->n_words <= 63u - (unsigned)__builtin_clzll(f->mask))
		return false;
	gather(v, f->mask, is_fixed(f), now);
	if (f->kind == FINGERPRINT_OBJECT)
		return is_object_same(f, v, now);
	if (f->chunk_units && is_chunk_freed(f, v))
		return false;
	return !is_word0_gone(word_was(f, 0), v->words[0]) && is_mutable_same(f, v, now);
}
