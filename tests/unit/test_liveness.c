/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/liveness.c: pools, chunks and types as bytes. */
#include "image.h"
#include "sample/liveness.h"

#define BASE	   0x7f0000000000ull
#define POOL	   BASE /* one of 16 KiB, blocks of 64 bytes */
#define BYTES	   64u
#define BLOCK(i)   (POOL + 48 + (uint64_t)(i)*BYTES)
#define N_CARVED   40u
#define TYPE_TYPE  (BASE + 0x8000)
#define TYPE(i)	   (BASE + 0x9000 + (uint64_t)(i)*512)
#define CHUNKS	   (BASE + 0x10000)
#define CHUNK(i)   (CHUNKS + 16 + (uint64_t)(i)*1024)
#define POINTER(i) (0x7e0000000000ull + (uint64_t)(i)*64)

static struct image image;
static struct pyruntime rt;
static struct liveness *l;

static void put_pool(uint64_t pool, uint32_t count, uint64_t freeblock, uint32_t szidx,
		     uint32_t next_offset)
{
	image_u32(&image, pool, count);
	image_u64(&image, pool + 8, freeblock);
	image_u32(&image, pool + 36, szidx);
	image_u32(&image, pool + 40, next_offset);
}

static void put_type(uint64_t type, uint64_t meta, uint64_t flags, const char *name)
{
	uint64_t text = image_alloc(&image, 64);

	image_put(&image, text, name, strlen(name) + 1);
	image_u64(&image, type + 8, meta);
	image_u64(&image, type + 24, text);
	image_u64(&image, type + 168, flags);
}

static int setup(void **state)
{
	(void)state;
	image_init(&image, BASE);
	rt = (struct pyruntime){ .type_type = TYPE_TYPE, .pool_bytes = 16384 };
	rt.names.type_name = 24;
	put_pool(POOL, 9, 0, BYTES / 16 - 1, 48 + N_CARVED * BYTES);
	put_type(TYPE_TYPE, TYPE_TYPE, 1ull << 31, "type");
	assert_ok(liveness_new(&rt, &image.mem, &l));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	liveness_free(l);
	return 0;
}

static enum liveness_state look_at(uint64_t block, uint32_t n_bytes, enum pgd_lane lane,
				   struct fingerprint *print)
{
	struct liveness_block b = {
		.block = block, .bytes = n_bytes, .lane = lane, .print = print
	};

	assert_ok(liveness_look(l, &b, 1));
	return b.state;
}

static enum liveness_state look(uint64_t block, struct fingerprint *print)
{
	return look_at(block, BYTES, PGD_LANE_POOL, print);
}

static void liveness__pool_header_decides(void **state)
{
	static const struct {
		const char *name;
		uint64_t block;
		uint32_t n_bytes, count, szidx, next_offset;
		enum liveness_state want;
	} rows[] = {
		{ "in use", BLOCK(3), BYTES, 9, 3, 48 + 40 * 64, LIVENESS_ALIVE },
		{ "last of the pool", BLOCK(254), BYTES, 9, 3, 16384, LIVENESS_ALIVE },
		{ "pool given back", BLOCK(3), BYTES, 0, 3, 48 + 40 * 64, LIVENESS_FREE },
		{ "other class", BLOCK(3), BYTES, 9, 4, 48 + 40 * 80, LIVENESS_REUSED },
		{ "wanted another", BLOCK(3), BYTES * 2, 9, 3, 48 + 40 * 64, LIVENESS_REUSED },
		{ "no class", BLOCK(3), BYTES, 9, 32, 48 + 40 * 64, LIVENESS_REUSED },
		{ "nonsense", BLOCK(3), BYTES, 9, ~0u, ~0u, LIVENESS_REUSED },
		{ "never carved", BLOCK(40), BYTES, 9, 3, 48 + 40 * 64, LIVENESS_FREE },
		{ "carved to nowhere", BLOCK(254), BYTES, 9, 3, ~0u, LIVENESS_ALIVE },
		{ "hangs over", POOL + 16384 - 16, BYTES, 9, 3, ~0u, LIVENESS_REUSED },
		{ "in between", BLOCK(3) + 16, BYTES, 9, 3, 48 + 40 * 64, LIVENESS_REUSED },
		{ "in the header", POOL + 16, BYTES, 9, 3, 48 + 40 * 64, LIVENESS_REUSED },
		{ "not mapped", BASE - 16384 + 48, BYTES, 9, 3, 0, LIVENESS_FREE },
		{ "page 0", 48, BYTES, 9, 3, 0, LIVENESS_FREE },
		{ "end of the world", ~0ull - 63, BYTES, 9, 3, 0, LIVENESS_FREE },
		{ "of no bytes", BLOCK(3), 0, 9, 3, 48 + 40 * 64, LIVENESS_REUSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fingerprint print = { 0 };
		enum liveness_state got;

		put_pool(POOL, rows[i].count, 0, rows[i].szidx, rows[i].next_offset);
		got = look_at(rows[i].block, rows[i].n_bytes, PGD_LANE_POOL, &print);
		if (got != rows[i].want)
			print_error("%s: %d\n", rows[i].name, got);
		assert_int_equal(got, rows[i].want);
		assert_int_equal(print.kind,
				 got == LIVENESS_ALIVE ? FINGERPRINT_MEMORY : FINGERPRINT_NONE);
	}
}

static void liveness__free_list_decides(void **state)
{
	static const struct {
		const char *name;
		unsigned n;
		uint64_t links[6]; /* freeblock, then what is in each */
		bool is_free[3]; /* BLOCK(1), (2), (3) */
	} rows[] = {
		{ "empty", 1, { 0 }, { 0, 0, 0 } },
		{ "all three", 4, { BLOCK(2), BLOCK(1), BLOCK(3), 0 }, { 1, 1, 1 } },
		{ "one", 2, { BLOCK(2), 0 }, { 0, 1, 0 } },
		{ "a ring", 3, { BLOCK(2), BLOCK(1), BLOCK(2) }, { 1, 1, 0 } },
		{ "itself", 2, { BLOCK(2), BLOCK(2) }, { 0, 1, 0 } },
		{ "out of the pool", 2, { BLOCK(2), POOL + 16384 + 48 }, { 0, 1, 0 } },
		{ "before the pool", 2, { BLOCK(2), POOL - 16 }, { 0, 1, 0 } },
		{ "into the header", 2, { BLOCK(2), POOL + 8 }, { 0, 1, 0 } },
		{ "in between", 2, { BLOCK(2), BLOCK(3) + 8 }, { 0, 1, 0 } },
		{ "over the end", 2, { BLOCK(2), POOL + 16384 - 8 }, { 0, 1, 0 } },
		{ "wild", 2, { BLOCK(2), ~0ull }, { 0, 1, 0 } },
		{ "small number", 2, { BLOCK(2), 7 }, { 0, 1, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t at = POOL + 8;

		for (unsigned n = 0; n < rows[i].n; n++) {
			image_u64(&image, at, rows[i].links[n]);
			at = rows[i].links[n];
		}
		for (unsigned b = 0; b < 3; b++) {
			struct fingerprint print = { 0 };
			enum liveness_state got = look(BLOCK(b + 1), &print);

			if ((got == LIVENESS_FREE) != rows[i].is_free[b])
				print_error("%s, block %u: %d\n", rows[i].name, b + 1, got);
			assert_int_equal(got == LIVENESS_FREE, rows[i].is_free[b]);
		}
	}
}

static void liveness__every_size_class_of_both_pools(void **state)
{
	(void)state;
	for (uint32_t pool_bytes = 4096; pool_bytes <= 16384; pool_bytes *= 4) {
		rt.pool_bytes = pool_bytes;
		for (uint32_t szidx = 0; szidx < 32; szidx++) {
			uint32_t n_bytes = (szidx + 1) * 16, n = (pool_bytes - 48) / n_bytes;
			struct fingerprint first = { 0 }, last = { 0 };

			put_pool(POOL, n, 0, szidx, pool_bytes);
			assert_int_equal(look_at(POOL + 48, n_bytes, PGD_LANE_POOL, &first),
					 LIVENESS_ALIVE);
			assert_int_equal(look_at(POOL + 48 + (n - 1) * n_bytes, n_bytes,
						 PGD_LANE_POOL, &last),
					 LIVENESS_ALIVE);
		}
	}
}

static void liveness__types_are_verified(void **state)
{
	static const struct {
		const char *name;
		uint64_t type;
		enum fingerprint_kind want;
		enum fingerprint_content content;
	} rows[] = {
		{ "str", TYPE(0), FINGERPRINT_OBJECT, FINGERPRINT_STR },
		{ "int", TYPE(1), FINGERPRINT_OBJECT, FINGERPRINT_FIXED },
		{ "dict", TYPE(2), FINGERPRINT_OBJECT, FINGERPRINT_DICT },
		{ "a class called int", TYPE(3), FINGERPRINT_OBJECT, FINGERPRINT_MUTABLE },
		{ "metaclass", TYPE(4), FINGERPRINT_OBJECT, FINGERPRINT_MUTABLE },
		{ "of that metaclass", TYPE(5), FINGERPRINT_OBJECT, FINGERPRINT_MUTABLE },
		{ "no type: an int", TYPE(6), FINGERPRINT_MEMORY, 0 },
		{ "not mapped", POINTER(0), FINGERPRINT_MEMORY, 0 },
		{ "of no type", TYPE(7), FINGERPRINT_MEMORY, 0 },
		{ "itself", TYPE(8), FINGERPRINT_MEMORY, 0 },
		{ "type", TYPE_TYPE, FINGERPRINT_OBJECT, FINGERPRINT_MUTABLE },
		{ "name is nowhere", TYPE(9), FINGERPRINT_OBJECT, FINGERPRINT_MUTABLE },
	};
	struct liveness_block blocks[ARRAY_SIZE(rows)];
	struct fingerprint prints[ARRAY_SIZE(rows)] = { 0 };

	(void)state;
	put_type(TYPE(0), TYPE_TYPE, 0, "str");
	put_type(TYPE(1), TYPE_TYPE, 0, "int");
	put_type(TYPE(2), TYPE_TYPE, 0, "dict");
	put_type(TYPE(3), TYPE_TYPE, 1ull << 9, "int");
	put_type(TYPE(4), TYPE_TYPE, 1ull << 31 | 1ull << 9, "Meta");
	put_type(TYPE(5), TYPE(4), 1ull << 9, "Made");
	put_type(TYPE(6), TYPE(1), 0, "");
	put_type(TYPE(7), 0, 0, "");
	put_type(TYPE(8), TYPE(8), 1ull << 31, "");
	put_type(TYPE(9), TYPE_TYPE, 0, "");
	image_u64(&image, TYPE(9) + 24, 0x1234);
	for (int round = 0; round < 2; round++) { /* the second time they are known */
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			image_u64(&image, BLOCK(i), 1);
			image_u64(&image, BLOCK(i) + 8, rows[i].type);
			prints[i].kind = FINGERPRINT_NONE;
			blocks[i] = (struct liveness_block){ .block = BLOCK(i),
							     .bytes = BYTES,
							     .print = &prints[i] };
		}
		assert_ok(liveness_look(l, blocks, ARRAY_SIZE(rows)));
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			if (prints[i].kind != rows[i].want)
				print_error("%s: %d\n", rows[i].name, prints[i].kind);
			assert_int_equal(blocks[i].state, LIVENESS_ALIVE);
			assert_int_equal(prints[i].kind, rows[i].want);
			assert_int_equal(prints[i].content, rows[i].content);
		}
	}
}

static void liveness__dead_objects_and_builds_without_type(void **state)
{
	struct fingerprint print = { 0 };

	(void)state;
	put_type(TYPE(1), TYPE_TYPE, 0, "float");
	image_u64(&image, BLOCK(1), 0); /* on the interpreter's own free list */
	image_u64(&image, BLOCK(1) + 8, TYPE(1));
	assert_int_equal(look(BLOCK(1), &print), LIVENESS_FREE);
	assert_int_equal(print.kind, FINGERPRINT_NONE);
	liveness_free(l); /* which remembers types */
	rt.type_type = 0;
	assert_ok(liveness_new(&rt, &image.mem, &l));
	image_u64(&image, BLOCK(1), 1);
	assert_int_equal(look(BLOCK(1), &print), LIVENESS_ALIVE);
	assert_int_equal(print.kind, FINGERPRINT_MEMORY);
}

static void liveness__reused_block_is_told_from_the_old_one(void **state)
{
	struct fingerprint print = { 0 };

	(void)state;
	put_type(TYPE(1), TYPE_TYPE, 0, "float");
	image_u64(&image, BLOCK(1), 1);
	image_u64(&image, BLOCK(1) + 8, TYPE(1));
	image_u64(&image, BLOCK(1) + 16, 0x3ff0000000000000ull);
	assert_int_equal(look(BLOCK(1), &print), LIVENESS_ALIVE);
	assert_int_equal(look(BLOCK(1), &print), LIVENESS_ALIVE);
	image_u64(&image, BLOCK(1) + 16, 0x4000000000000000ull);
	assert_int_equal(look(BLOCK(1), &print), LIVENESS_REUSED);
}

/* More types than are remembered, more pools than go into a turn, both lanes, any order. */
static void liveness__many_at_once(void **state)
{
	enum {
		N = 6000
	};
	static struct liveness_block blocks[N];
	static struct fingerprint prints[N];
	static uint8_t types[N * 176];
	struct procmem_image more = { .base = POINTER(0),
				      .bytes = types,
				      .n_bytes = sizeof(types) };

	(void)state;
	image.piece.next = &more;
	for (unsigned i = 0; i < N; i++)
		memcpy(types + i * 176 + 8, &(uint64_t){ TYPE_TYPE }, 8);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < N; i++) {
			bool is_chunk = i % 5 == 0;

			prints[i].kind = FINGERPRINT_NONE;
			blocks[i] = (struct liveness_block){
				.block = is_chunk ? CHUNK(i % 20)
						  : POOL + (uint64_t)(i * 7919 % 300) * 16384 + 48,
				.bytes = is_chunk ? 1016 : BYTES,
				.lane = is_chunk ? PGD_LANE_CHUNK : PGD_LANE_POOL,
				.print = &prints[i],
			};
		}
		for (unsigned i = 0; i < 21; i++)
			image_u64(&image, CHUNK(i) - 8, 1024 | 1);
		assert_ok(liveness_look(l, blocks, N));
		for (unsigned i = 0; i < N; i++) {
			uint64_t b = blocks[i].block;
			bool is_there = blocks[i].lane == PGD_LANE_CHUNK || b == POOL + 48;

			if (is_there)
				assert_int_equal(blocks[i].state, LIVENESS_ALIVE);
			else
				assert_int_not_equal(blocks[i].state, LIVENESS_ALIVE);
			assert_true(i == 0 || blocks[i - 1].lane < blocks[i].lane ||
				    blocks[i - 1].block <= b);
		}
	}
	for (unsigned i = 0; i < N; i++) { /* each block of its own type, one after the other */
		image_u64(&image, BLOCK(1), 1);
		image_u64(&image, BLOCK(1) + 8, POINTER(0) + i * 176);
		prints[0].kind = FINGERPRINT_NONE;
		assert_int_equal(look(BLOCK(1), &prints[0]), LIVENESS_ALIVE);
		assert_int_equal(prints[0].kind, FINGERPRINT_OBJECT);
	}
}

static void liveness__chunk_headers_decide(void **state)
{
	static const struct {
		const char *name;
		uint64_t head, next;
		uint32_t n_bytes;
		enum liveness_state want;
	} rows[] = {
		{ "in use", 1024 | 1, 1024 | 1, 1016, LIVENESS_ALIVE },
		{ "its neighbour is free", 1024, 1024 | 1, 1016, LIVENESS_ALIVE },
		{ "freed and merged", 1024 | 1, 1024, 1016, LIVENESS_FREE },
		{ "mapped", 8192 | 2, 0, 8176, LIVENESS_ALIVE },
		{ "another size", 2048 | 1, 1, 1016, LIVENESS_REUSED },
		{ "no size", 0, 1, 1016, LIVENESS_REUSED },
		{ "no chunk", ~0ull, 1, 1016, LIVENESS_REUSED },
		{ "over 64 GiB", 1ull << 40 | 1, 1, ~0u, LIVENESS_REUSED },
		{ "over 4 GiB", 1ull << 33 | 1, 1, ~0u, LIVENESS_ALIVE },
		{ "smallest", 32 | 1, 1, 24, LIVENESS_ALIVE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fingerprint print = { 0 };
		enum liveness_state got;

		image_u64(&image, CHUNK(0) - 8, rows[i].head);
		image_u64(&image, CHUNK(0) + 24 - 8 + 8, 1); /* behind the smallest */
		image_u64(&image, CHUNK(1) - 8, rows[i].next);
		got = look_at(CHUNK(0), rows[i].n_bytes, PGD_LANE_CHUNK, &print);
		if (got != rows[i].want)
			print_error("%s: %d\n", rows[i].name, got);
		assert_int_equal(got, rows[i].want);
	}
}

static void liveness__chunks_that_went(void **state)
{
	static const uint64_t wild[] = { 0, 7, BASE - 64, BASE + IMAGE_BYTES, ~0ull - 7 };
	struct fingerprint print = { 0 };

	(void)state;
	image_u64(&image, CHUNK(0) - 8, 1024 | 1);
	image_u64(&image, CHUNK(1) - 8, 1024 | 1);
	for (unsigned i = 0; i < 12; i++)
		image_u64(&image, CHUNK(0) + 8 * i, POINTER(i));
	assert_int_equal(look_at(CHUNK(0), 1016, PGD_LANE_CHUNK, &print), LIVENESS_ALIVE);
	assert_int_equal(look_at(CHUNK(0), 1016, PGD_LANE_CHUNK, &print), LIVENESS_ALIVE);
	image_u64(&image, CHUNK(0), 0x123); /* the cache's link and key */
	image_u64(&image, CHUNK(0) + 8, 0x8123456789abcdefull);
	assert_int_equal(look_at(CHUNK(0), 1016, PGD_LANE_CHUNK, &print), LIVENESS_REUSED);
	for (size_t i = 0; i < ARRAY_SIZE(wild); i++)
		assert_int_equal(look_at(wild[i], 1016, PGD_LANE_CHUNK, &print), LIVENESS_FREE);
}

static void liveness__process_that_is_gone(void **state)
{
	struct fingerprint print = { 0 };
	struct liveness_block b[2] = {
		{ .block = BLOCK(1), .bytes = BYTES, .print = &print },
		{ .block = CHUNK(1), .bytes = 1016, .lane = PGD_LANE_CHUNK, .print = &print }
	};

	(void)state;
	assert_ok(liveness_look(l, b, 0));
	procmem_init(&image.mem, 0x7fffffff);
	assert_err(liveness_look(l, b, 2), -ESRCH);
	assert_err(liveness_look(l, b + 1, 1), -ESRCH);
}

/* Random bytes, with just enough sense to get past the first checks. */
static void liveness__any_bytes_do_no_harm(void **state)
{
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct liveness_block blocks[64];
		struct fingerprint prints[64] = { 0 };

		for (uint64_t at = POOL; at < POOL + 16384; at += 8) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			image_u64(&image, at,
				  x % 3 == 0   ? x
				  : x % 3 == 1 ? POOL + x / 4 % 16400
					       : x % 5);
		}
		image_u32(&image, POOL + 36, (uint32_t)(round % 33));
		for (unsigned i = 0; i < 64; i++)
			blocks[i] = (struct liveness_block){
				.block = POOL + (uint64_t)i * 256,
				.bytes = (uint32_t)(round % 33 + 1) * 16,
				.lane = i % 4 ? PGD_LANE_POOL : PGD_LANE_CHUNK,
				.print = &prints[i],
			};
		assert_ok(liveness_look(l, blocks, 64));
		assert_ok(liveness_look(l, blocks, 64));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(liveness__pool_header_decides),
		TEST(liveness__free_list_decides),
		TEST(liveness__every_size_class_of_both_pools),
		TEST(liveness__types_are_verified),
		TEST(liveness__dead_objects_and_builds_without_type),
		TEST(liveness__reused_block_is_told_from_the_old_one),
		TEST(liveness__many_at_once),
		TEST(liveness__chunk_headers_decide),
		TEST(liveness__chunks_that_went),
		TEST(liveness__process_that_is_gone),
		TEST(liveness__any_bytes_do_no_harm),
	};

	return cmocka_run_group_tests_name("liveness", tests, NULL, NULL);
}
