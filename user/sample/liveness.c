/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/liveness.c — see liveness.h.
 *
 *   blocks, sorted ──► turn: as many as one read can hold ──► free? ──► type? ──► fingerprint
 *                      pools whole, chunks by their head
 *
 * The copy of a pool has the header, the free list and the contents of its blocks, so one read
 * answers all. It is hostile: every offset is checked against the copy.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "sample/liveness.h"
#include "sample/typetab.h"

#define TURN_BYTES	(256u << 10) /* 16 pools; 64 KiB costs the same, 1 MiB a fifth more: caches */
#define TURN_CHUNKS_MAX 1024

/* struct pool_header of CPython 3.8 to 3.14. */
#define POOL_COUNT	 0 /* u32 */
#define POOL_FREEBLOCK	 8
#define POOL_SZIDX	 36 /* u32 */
#define POOL_NEXTOFFSET	 40 /* u32 */
#define POOL_FIRST	 48
#define POOL_BLOCK_BYTES 16
#define POOL_BYTES_MAX	 16384u
#define POOL_BLOCKS_MAX	 (POOL_BYTES_MAX / POOL_BLOCK_BYTES)
#define POOL_SZIDX_MAX	 31

/* malloc_chunk of glibc. */
#define CHUNK_IN_USE_BEFORE 1ull /* flag: the chunk before this one is in use */
#define CHUNK_MMAPPED	    2ull
#define CHUNK_FLAGS	    7ull
#define CHUNK_BYTES_MAX	    (1ull << 36) /* chunk_units has 32 bits */
#define CHUNK_HEAD_BYTES    (8 + 8 * FINGERPRINT_WORDS)

struct liveness {
	const struct pyruntime *rt;
	const struct procmem *m;
	uint64_t *buf; /* TURN_BYTES */
	struct procmem_piece *pieces; /* TURN_CHUNKS_MAX */
	struct typetab *types;
};

int liveness_new(const struct pyruntime *rt, const struct procmem *m, struct liveness **ret)
{
	_cleanup_(liveness_freep) struct liveness *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->rt = rt;
	l->m = m;
	l->buf = calloc(1, TURN_BYTES);
	l->pieces = calloc(TURN_CHUNKS_MAX, sizeof(*l->pieces));
	if (!l->buf || !l->pieces)
		return -ENOMEM;
	r = typetab_new(rt, m, LIVENESS_TYPES_MAX, &l->types);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l);
	return 0;
}

void liveness_free(struct liveness *l)
{
	if (!l)
		return;
	free(l->buf);
	free(l->pieces);
	typetab_free(l->types);
	free(l);
}

/* ── one block ────────────────────────────────────────────────────────────────────────────── */

/* What the allocator says is in use: by whom? Those without a fingerprint only ask for their type
 * yet. */
static int look_inside(struct liveness *l, const struct fingerprint_view *v,
		       struct liveness_block *b)
{
	b->state = LIVENESS_ALIVE;
	if (b->print->kind == FINGERPRINT_NONE)
		return typetab_ask(l->types, v);
	if (!fingerprint_is_same(b->print, v))
		b->state = LIVENESS_REUSED;
	return 0;
}

/* Second round, when the types are known. */
static void take_print(const struct liveness *l, const struct fingerprint_view *v,
		       struct liveness_block *b)
{
	enum fingerprint_content content;
	unsigned at = typetab_find(l->types, v, &content);

	if (at && !v->words[at - 1])
		b->state = LIVENESS_FREE; /* on a list of the interpreter's own */
	else if (at)
		fingerprint_take(v, at, content, b->print);
	else
		fingerprint_take(v, 0, FINGERPRINT_MUTABLE, b->print);
}

/* ── pools ────────────────────────────────────────────────────────────────────────────────── */

struct pool {
	uint64_t addr;
	const uint8_t *copy; /* pool_bytes of it */
	uint32_t pool_bytes, block_bytes;
	uint32_t count, next_offset;
	uint8_t is_free[POOL_BLOCKS_MAX / 8]; /* bit by block number */
};

static uint32_t copy_u32(const uint8_t *copy, uint32_t offset)
{
	uint32_t v;

	memcpy(&v, copy + offset, sizeof(v));
	return v;
}

static uint64_t copy_u64(const uint8_t *copy, uint32_t offset)
{
	uint64_t v;

	memcpy(&v, copy + offset, sizeof(v));
	return v;
}

/* Number of the block at this offset, or -1: no block starts and ends in the pool there. */
static int pool_number(const struct pool *p, uint64_t offset)
{
	if (offset < POOL_FIRST || offset > p->pool_bytes - p->block_bytes ||
	    (offset - POOL_FIRST) % p->block_bytes)
		return -1;
	return (int)((offset - POOL_FIRST) / p->block_bytes);
}

/* The list may change while the pool is copied, or be nonsense: as many steps as there can be
 * blocks, and no step out of the pool. */
static void pool_walk(struct pool *p)
{
	uint64_t block = copy_u64(p->copy, POOL_FREEBLOCK);
	uint32_t n_max = (p->pool_bytes - POOL_FIRST) / p->block_bytes;

	for (uint32_t i = 0; block && i < n_max; i++) {
		int number = pool_number(p, block - p->addr);

		if (number < 0)
			return;
		p->is_free[number / 8] |= (uint8_t)(1 << number % 8);
		block = copy_u64(p->copy, (uint32_t)(block - p->addr));
	}
}

static void pool_parse(struct pool *p, uint64_t addr, const void *copy, uint32_t pool_bytes)
{
	uint32_t szidx = copy_u32(copy, POOL_SZIDX);

	*p = (struct pool){ .addr = addr, .copy = copy, .pool_bytes = pool_bytes };
	p->count = copy_u32(copy, POOL_COUNT);
	p->next_offset = copy_u32(copy, POOL_NEXTOFFSET);
	if (szidx > POOL_SZIDX_MAX)
		return; /* no pool: of no size class */
	p->block_bytes = (szidx + 1) * POOL_BLOCK_BYTES;
	pool_walk(p);
}

/* LIVENESS_ALIVE: in use. */
static enum liveness_state pool_state(const struct pool *p, const struct liveness_block *b)
{
	uint64_t offset = b->block - p->addr;
	int number;

	if (!p->count)
		return LIVENESS_FREE;
	if (p->block_bytes != b->bytes)
		return LIVENESS_REUSED;
	if (offset >= p->next_offset)
		return LIVENESS_FREE;
	number = pool_number(p, offset);
	if (number < 0)
		return LIVENESS_REUSED;
	return p->is_free[number / 8] >> number % 8 & 1 ? LIVENESS_FREE : LIVENESS_ALIVE;
}

static struct fingerprint_view pool_view(const uint8_t *copy, uint64_t pool,
					 const struct liveness_block *b)
{
	return (struct fingerprint_view){ .addr = b->block,
					  .words = (const uint64_t *)(copy + (b->block - pool)),
					  .n_words = b->bytes / 8 };
}

/* The pools of the first blocks, as many as go into a turn. */
static size_t read_pools(struct liveness *l, const struct liveness_block *blocks, size_t n,
			 size_t *ret_n_pools)
{
	uint32_t pool_bytes = l->rt->pool_bytes;
	size_t n_pools = 0, i;

	for (i = 0; i < n && blocks[i].lane == PGD_LANE_POOL; i++) {
		uint64_t pool = blocks[i].block & ~(uint64_t)(pool_bytes - 1);

		if (n_pools && l->pieces[n_pools - 1].addr == pool)
			continue;
		if (n_pools == TURN_BYTES / pool_bytes)
			break;
		l->pieces[n_pools] =
			(struct procmem_piece){ .addr = pool,
						.buf = (uint8_t *)l->buf + n_pools * pool_bytes,
						.n_bytes = pool_bytes };
		n_pools++;
	}
	*ret_n_pools = n_pools;
	return i;
}

static bool is_in(const struct liveness *l, const struct procmem_piece *piece,
		  const struct liveness_block *b)
{
	return b->block - piece->addr < l->rt->pool_bytes;
}

static int look_at_pools(struct liveness *l, struct liveness_block *blocks, size_t n, size_t *ret_n)
{
	struct procmem_piece *piece = l->pieces;
	struct pool pool;
	size_t n_pools;
	int r;

	n = read_pools(l, blocks, n, &n_pools);
	r = procmem_read_many(l->m, l->pieces, n_pools);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct liveness_block *b = &blocks[i];
		bool is_new = i == 0;

		for (; !is_in(l, piece, b); piece++)
			is_new = true;
		if (is_new && !piece->error)
			pool_parse(&pool, piece->addr, piece->buf, l->rt->pool_bytes);
		b->state = piece->error ? LIVENESS_FREE : pool_state(&pool, b);
		if (b->state == LIVENESS_ALIVE) {
			struct fingerprint_view v = pool_view(piece->buf, piece->addr, b);

			r = look_inside(l, &v, b);
			if (r < 0)
				return r;
		}
	}
	r = typetab_verify(l->types);
	if (r < 0)
		return r;
	piece = l->pieces;
	for (size_t i = 0; i < n; i++) {
		struct fingerprint_view v;

		for (; !is_in(l, piece, &blocks[i]); piece++)
			;
		if (blocks[i].state != LIVENESS_ALIVE || blocks[i].print->kind != FINGERPRINT_NONE)
			continue;
		v = pool_view(piece->buf, piece->addr, &blocks[i]);
		take_print(l, &v, &blocks[i]);
	}
	*ret_n = n;
	return 0;
}

/* ── libc's chunks ────────────────────────────────────────────────────────────────────────── */

/* The chunk's size word and the first words of its block; behind all of them, the size words of
 * the chunks that follow. */
static uint64_t *chunk_head(const struct liveness *l, size_t i)
{
	return l->buf + i * (CHUNK_HEAD_BYTES / 8);
}

static uint64_t *chunk_next(const struct liveness *l, size_t i)
{
	return chunk_head(l, TURN_CHUNKS_MAX) + i;
}

_Static_assert(TURN_CHUNKS_MAX *(CHUNK_HEAD_BYTES + 8) <= TURN_BYTES, "room for a turn");

static struct fingerprint_view chunk_view(const struct liveness *l, size_t i,
					  const struct liveness_block *b)
{
	const uint64_t *head = chunk_head(l, i);
	size_t n_words = b->bytes / 8;

	return (struct fingerprint_view){
		.addr = b->block,
		.words = head + 1,
		.n_words = n_words < FINGERPRINT_WORDS ? n_words : FINGERPRINT_WORDS,
		.chunk_units = (uint32_t)((*head & ~CHUNK_FLAGS) / 16),
	};
}

static uint64_t chunk_bytes(const struct liveness *l, size_t i)
{
	return *chunk_head(l, i) & ~CHUNK_FLAGS;
}

/* Is the size word one of a chunk, and of this block's? The kernel side keeps 32 bits of it. */
static bool is_chunk_of(const struct liveness *l, size_t i, const struct liveness_block *b)
{
	uint64_t n_bytes = chunk_bytes(l, i);

	if (n_bytes < 32 || n_bytes >= CHUNK_BYTES_MAX)
		return false;
	n_bytes -= *chunk_head(l, i) & CHUNK_MMAPPED ? 16 : 8;
	return b->bytes == (n_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)n_bytes);
}

/* A chunk that was freed and merged into the free one before it keeps its head; but the chunk
 * behind it then says so. Caches and fast bins do not: there, words of the block are overwritten.
 */
static int read_nexts(struct liveness *l, const struct liveness_block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool is_needed =
			blocks[i].state == LIVENESS_ALIVE && !(*chunk_head(l, i) & CHUNK_MMAPPED);

		*chunk_next(l, i) = CHUNK_IN_USE_BEFORE;
		l->pieces[i] = (struct procmem_piece){
			.addr = blocks[i].block - 8 + chunk_bytes(l, i),
			.buf = chunk_next(l, i),
			.n_bytes = is_needed ? 8 : 0,
		};
	}
	return procmem_read_many(l->m, l->pieces, n);
}

static int look_at_chunks(struct liveness *l, struct liveness_block *blocks, size_t n,
			  size_t *ret_n)
{
	int r;

	if (n > TURN_CHUNKS_MAX)
		n = TURN_CHUNKS_MAX;
	for (size_t i = 0; i < n; i++)
		l->pieces[i] = (struct procmem_piece){
			.addr = blocks[i].block - 8,
			.buf = chunk_head(l, i),
			.n_bytes = 8 + chunk_view(l, i, &blocks[i]).n_words * 8,
		};
	r = procmem_read_many(l->m, l->pieces, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		blocks[i].state = LIVENESS_ALIVE;
		if (l->pieces[i].error)
			blocks[i].state = LIVENESS_FREE;
		else if (!is_chunk_of(l, i, &blocks[i]))
			blocks[i].state = LIVENESS_REUSED;
	}
	r = read_nexts(l, blocks, n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct fingerprint_view v = chunk_view(l, i, &blocks[i]);

		if (blocks[i].state != LIVENESS_ALIVE)
			continue;
		if (!l->pieces[i].error && !(*chunk_next(l, i) & CHUNK_IN_USE_BEFORE))
			blocks[i].state = LIVENESS_FREE;
		else
			r = look_inside(l, &v, &blocks[i]);
	}
	if (r == 0)
		r = typetab_verify(l->types);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct fingerprint_view v = chunk_view(l, i, &blocks[i]);

		if (blocks[i].state == LIVENESS_ALIVE && blocks[i].print->kind == FINGERPRINT_NONE)
			take_print(l, &v, &blocks[i]);
	}
	*ret_n = n;
	return 0;
}

/* ── all of them ──────────────────────────────────────────────────────────────────────────── */

static int compare_blocks(const void *pa, const void *pb)
{
	const struct liveness_block *a = pa, *b = pb;

	if (a->lane != b->lane)
		return a->lane < b->lane ? -1 : 1;
	return (a->block > b->block) - (a->block < b->block);
}

int liveness_look(struct liveness *l, struct liveness_block *blocks, size_t n)
{
	_Static_assert(PGD_LANE_POOL == 0, "pools are sorted to the front");
	size_t at = 0, done;
	int r;

	qsort(blocks, n, sizeof(*blocks), compare_blocks);
	for (; at < n; at += done) {
		if (blocks[at].lane == PGD_LANE_POOL)
			r = look_at_pools(l, blocks + at, n - at, &done);
		else
			r = look_at_chunks(l, blocks + at, n - at, &done);
		if (r < 0)
			return r;
	}
	return 0;
}
