/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/capture.c: rows of the kernel's over a byte image, and blocks that die while
 * they are looked at. */
#include "image.h"
#include "sample/capture.h"

#define BASE	   0x7f0000000000ull
#define POOL_BYTES 16384u
#define N_POOLS	   17u
#define BYTES	   16u /* of a block: there are enough of them for a full table */
#define PER_POOL   ((POOL_BYTES - 48) / BYTES)
#define POOL(i)	   (BASE + (uint64_t)(i)*POOL_BYTES)
#define BLOCK(i)   (POOL((i) / PER_POOL) + 48 + (uint64_t)((i) % PER_POOL) * BYTES)

static struct image image;
static struct pyruntime rt;
static struct capture *c;
static struct pgd_sample samples[PGD_SAMPLES_MAX + 1];

/* What happens in the target during the look. */
static struct {
	int (*read)(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes);
	void (*happens)(void);
	int error;
	unsigned n_reads;
} look;

static int read_and_let_happen(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes)
{
	int r = look.error ? look.error : look.read(m, addr, buf, n_bytes);

	look.n_reads++;
	if (look.happens)
		look.happens();
	return r;
}

static int setup(void **state)
{
	(void)state;
	memset(&look, 0, sizeof(look));
	memset(samples, 0, sizeof(samples));
	image_init(&image, BASE);
	look.read = image.mem.read;
	image.mem.read = read_and_let_happen;
	rt = (struct pyruntime){ .pool_bytes = POOL_BYTES };
	for (unsigned i = 0; i < N_POOLS; i++) {
		image_u32(&image, POOL(i), PER_POOL);
		image_u32(&image, POOL(i) + 36, BYTES / 16 - 1);
		image_u32(&image, POOL(i) + 40, POOL_BYTES);
	}
	assert_ok(capture_new(&c));
	assert_ok(liveness_new(&rt, &image.mem, &c->liveness));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	liveness_free(c->liveness);
	capture_free(c);
	return 0;
}

static struct pgd_sample sample(uint64_t block)
{
	return (struct pgd_sample){ .block = block,
				    .stack = block + 1,
				    .leaf = block + 2,
				    .bytes = BYTES,
				    .site = (uint16_t)(block >> 4),
				    .lane = PGD_LANE_POOL,
				    .walk = PGD_WALK_SUSPECT };
}

static const struct capture_block *captured(uint64_t block)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->blocks[i].sample.block == block)
			return &c->blocks[i];
	return NULL;
}

static void capture__blocks_that_live_have_a_fingerprint(void **state)
{
	struct pgd_sample want;

	(void)state;
	image_u64(&image, BLOCK(5), 0x1234567890);
	samples[7] = sample(BLOCK(2000)); /* in no order */
	samples[100] = sample(BLOCK(5));
	samples[8191] = sample(BLOCK(6));
	capture_run(c, samples, PGD_SAMPLES_MAX);
	assert_ok(c->error);
	assert_int_equal(c->n, 3);
	for (size_t i = 0; i < c->n; i++)
		assert_int_not_equal(c->blocks[i].print.kind, FINGERPRINT_NONE);
	assert_non_null(captured(BLOCK(5)));
	want = sample(BLOCK(5));
	assert_memory_equal(&captured(BLOCK(5))->sample, &want, sizeof(want));
	assert_int_equal(captured(BLOCK(5))->print.words[0], 0x1234567890);
	want = sample(BLOCK(2000));
	assert_memory_equal(&captured(BLOCK(2000))->sample, &want, sizeof(want));
}

static void capture__no_rows_no_blocks(void **state)
{
	(void)state;
	samples[0].bytes = BYTES; /* dead: only the block's address is taken away */
	samples[0].leaf = 1;
	capture_run(c, samples, PGD_SAMPLES_MAX);
	assert_ok(c->error);
	assert_int_equal(c->n, 0);
	assert_int_equal(look.n_reads, 0);
	samples[0] = sample(BLOCK(1));
	capture_run(c, samples, 0);
	assert_int_equal(c->n, 0);
}

static void capture__blocks_on_the_free_list_are_left_out(void **state)
{
	(void)state;
	image_u64(&image, POOL(0) + 8, BLOCK(3)); /* a free list of two */
	image_u64(&image, BLOCK(3), BLOCK(9));
	for (unsigned i = 0; i < 12; i++)
		samples[i] = sample(BLOCK(i));
	capture_run(c, samples, PGD_SAMPLES_MAX);
	assert_int_equal(c->n, 10);
	assert_null(captured(BLOCK(3)));
	assert_null(captured(BLOCK(9)));
}

static void capture__blocks_of_another_size_or_nowhere_are_left_out(void **state)
{
	(void)state;
	samples[0] = sample(BLOCK(0));
	samples[1] = sample(BLOCK(1));
	samples[1].bytes = 512;
	samples[2] = sample(0x1000);
	samples[3] = sample(~15ull);
	capture_run(c, samples, PGD_SAMPLES_MAX);
	assert_ok(c->error);
	assert_int_equal(c->n, 1);
	assert_non_null(captured(BLOCK(0)));
}

/* ── the kernel empties rows during the look ──────────────────────────────────────────────── */

static void one_dies(void)
{
	samples[4].block = 0;
}

static void one_is_replaced(void)
{
	samples[4] = sample(BLOCK(900)); /* same row, another block: it was not looked at */
}

static void all_die(void)
{
	for (unsigned i = 0; i < PGD_SAMPLES_MAX; i++)
		samples[i].block = 0;
}

static void capture__blocks_that_die_during_the_look_are_left_out(void **state)
{
	static const struct {
		const char *name;
		void (*happens)(void);
		size_t want;
	} rows[] = {
		{ "none", NULL, 10 },
		{ "one dies", one_dies, 9 },
		{ "one is replaced", one_is_replaced, 9 },
		{ "all die", all_die, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned k = 0; k < 10; k++)
			samples[k] = sample(BLOCK(k));
		look.happens = rows[i].happens;
		capture_run(c, samples, PGD_SAMPLES_MAX);
		if (c->n != rows[i].want)
			fail_msg("%s: %zu", rows[i].name, c->n);
		if (c->n == 9)
			assert_null(captured(BLOCK(4)));
		assert_null(captured(BLOCK(900)));
		look.happens = NULL;
	}
}

static void capture__full_table_is_captured(void **state)
{
	(void)state;
	assert_true(PER_POOL * N_POOLS > PGD_SAMPLES_MAX);
	for (unsigned i = 0; i < PGD_SAMPLES_MAX; i++) {
		samples[i] = sample(BLOCK(i));
		image_u64(&image, BLOCK(i), 0x5555550000ull + i);
	}
	samples[PGD_SAMPLES_MAX] = sample(BLOCK(PGD_SAMPLES_MAX));
	for (int round = 0; round < 2; round++) {
		capture_run(c, samples, PGD_SAMPLES_MAX + 1); /* one more than there is room for */
		assert_ok(c->error);
		assert_int_equal(c->n, PGD_SAMPLES_MAX);
		for (unsigned i = 0; i < PGD_SAMPLES_MAX; i++) {
			assert_int_equal(c->blocks[i].sample.block, BLOCK(i));
			assert_int_equal(c->blocks[i].print.words[0], 0x5555550000ull + i);
		}
	}
}

static void capture__error_of_the_look_leaves_no_blocks(void **state)
{
	(void)state;
	samples[1] = sample(BLOCK(1));
	capture_run(c, samples, PGD_SAMPLES_MAX);
	assert_int_equal(c->n, 1);
	look.error = -ESRCH;
	capture_run(c, samples, PGD_SAMPLES_MAX);
	assert_err(c->error, -ESRCH);
	assert_int_equal(c->n, 0);
	look.error = 0;
	capture_run(c, samples, PGD_SAMPLES_MAX);
	assert_ok(c->error);
	assert_int_equal(c->n, 1);
}

/* ── witnesses ────────────────────────────────────────────────────────────────────────────── */

static struct pgd_gc_trip trip;
static struct pgd_witness rows[WITNESSES_A_WINDOW];

/* n blocks that live, each with something in it; a collection has been before the window, and one
 * in it. */
static void fill(unsigned n, size_t n_room)
{
	trip = (struct pgd_gc_trip){ .phase = 3, .begun = 258, .seen = 258 };
	memset(rows, 0, sizeof(rows));
	for (unsigned i = 0; i < n; i++) {
		image_u64(&image, BLOCK(i), 0x7f5555550000ull + i);
		samples[i] = sample(BLOCK(i));
		samples[i].epoch = (uint8_t)trip.begun;
	}
	c->witnesses = (struct capture_witnesses){ .trip = &trip, .phase = 3, .seed = 1 };
	c->witnesses.room.n = n_room;
	for (size_t i = 0; i < n_room; i++)
		c->witnesses.room.rows[i] = &rows[i];
}

static size_t n_watched(void)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		n += rows[i].state == PGD_WITNESS_WATCHED;
	return n;
}

static void capture__witnesses_are_blocks_since_the_last_collection(void **state)
{
	(void)state;
	fill(10, WITNESSES_A_WINDOW);
	samples[3].epoch--; /* the last collection may have freed it, had it been garbage */
	samples[4].stack = 0;
	capture_run(c, samples, PGD_SAMPLES_MAX);
	assert_int_equal(c->n, 10);
	assert_true(c->witnesses.is_known);
	assert_int_equal(c->witnesses.epoch, 2);
	assert_int_equal(c->witnesses.n_candidates, 8);
	assert_int_equal(c->witnesses.n, 8);
	assert_int_equal(n_watched(), 8);
	for (size_t i = 0; i < 8; i++) {
		uint64_t block = c->blocks[c->witnesses.blocks[i]].sample.block;

		assert_int_equal(rows[i].block, block);
		assert_true(block != BLOCK(3) && block != BLOCK(4));
	}
}

/* All have the same chance: 4 of 100, 2,000 times. */
static void capture__witnesses_are_drawn(void **state)
{
	unsigned n_drawn[100] = { 0 };
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		fill(100, 4);
		c->witnesses.seed = seed;
		capture_run(c, samples, 100);
		seed = c->witnesses.seed;
		assert_int_equal(c->witnesses.n_candidates, 100);
		assert_int_equal(c->witnesses.n, 4);
		for (size_t i = 0; i < 4; i++)
			n_drawn[(rows[i].block - BLOCK(0)) / BYTES]++;
	}
	for (unsigned i = 0; i < 100; i++)
		if (n_drawn[i] < 40 || n_drawn[i] > 130)
			fail_msg("block %u: %u times", i, n_drawn[i]);
}

static void begin_collection(void)
{
	trip.begun++;
}

static void run_collection(void)
{
	trip.begun++;
	trip.seen = trip.begun;
}

static void switch_probes(void)
{
	trip.phase += 2;
}

/* Then those that it has freed would be missing among them. */
static void capture__a_collection_during_the_look_leaves_no_witness(void **state)
{
	static const struct row {
		const char *name;
		void (*before)(void), (*during)(void);
	} cases[] = {
		{ "one was running", begin_collection, NULL },
		{ "one begins", NULL, begin_collection },
		{ "one has come and gone", NULL, run_collection },
		{ "the probes were off in the window", switch_probes, NULL },
		{ "the probes were off in the look", NULL, switch_probes },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fill(10, WITNESSES_A_WINDOW);
		if (cases[i].before)
			cases[i].before();
		look.happens = cases[i].during;
		capture_run(c, samples, PGD_SAMPLES_MAX);
		look.happens = NULL;
		assert_int_equal(c->n, 10);
		if (c->witnesses.is_known || c->witnesses.n || n_watched())
			fail_msg("%s", cases[i].name);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(capture__blocks_that_live_have_a_fingerprint),
		TEST(capture__no_rows_no_blocks),
		TEST(capture__blocks_on_the_free_list_are_left_out),
		TEST(capture__blocks_of_another_size_or_nowhere_are_left_out),
		TEST(capture__blocks_that_die_during_the_look_are_left_out),
		TEST(capture__full_table_is_captured),
		TEST(capture__error_of_the_look_leaves_no_blocks),
		TEST(capture__witnesses_are_blocks_since_the_last_collection),
		TEST(capture__witnesses_are_drawn),
		TEST(capture__a_collection_during_the_look_leaves_no_witness),
	};

	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
