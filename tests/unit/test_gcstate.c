/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/gcstate.c: a collector's state as bytes. */
#include "image.h"
#include "target/gcstate.h"
#include "test.h"

#define BASE	  0x7f0000000000ull
#define GC	  (BASE + 0x100)
#define STATS	  (GC + 128)
#define PERMANENT (STATS - 24)
#define OBJECTS	  (BASE + 0x1ff0) /* the second one's page is another */

static struct image image;

static void put_head(uint64_t head, uint32_t threshold, uint32_t count)
{
	image_u64(&image, head, head);
	image_u64(&image, head + 8, head);
	image_u32(&image, head + 16, threshold);
	image_u32(&image, head + 20, count);
}

/* Objects in a list, with the collector's flags in the links' low bits. */
static void put_objects(uint64_t head, uint64_t first, unsigned n)
{
	uint64_t before = head;

	for (unsigned i = 0; i < n; i++) {
		uint64_t node = first + 48 * (uint64_t)i;

		image_u64(&image, before, node | (before == head ? 0 : 1));
		image_u64(&image, node + 8, before | 2);
		before = node;
	}
	image_u64(&image, before, head);
	image_u64(&image, head + 8, before);
}

static void start(uint64_t lists)
{
	image_init(&image, BASE);
	image_u32(&image, GC + 12, 1);
	put_head(lists, 700, 12);
	put_head(lists + 24, 10, 3);
	put_head(lists + 48, 10, 1);
	put_head(PERMANENT, 0, 0);
	put_objects(lists, BASE + 0x1000, 3);
}

static void gcstate__upstream_and_debian_3_13_are_found(void **state)
{
	static const uint64_t places[] = { GC + 24, GC + 20 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct gcstate_now now;
		struct gcstate g;

		start(places[i]);
		assert_ok(gcstate_find(&image.mem, GC, STATS, &g));
		assert_int_equal(g.lists, places[i]);
		assert_int_equal(g.enabled, GC + 12);
		assert_ok(gcstate_read(&image.mem, &g, &now));
		assert_true(now.is_enabled);
		assert_int_equal(now.thresholds[0], 700);
		assert_int_equal(now.counts[0], 12);
		assert_int_equal(now.thresholds[2], 10);
		assert_int_equal(now.counts[2], 1);
		assert_int_equal(now.n_frozen, 0);
		assert_false(now.is_freezing);
	}
}

/* Its objects' links are reference counts then. */
static void gcstate__is_found_while_a_collection_runs(void **state)
{
	struct gcstate g;

	(void)state;
	for (uint64_t i = 0; i < PGD_GENERATIONS; i++) {
		start(GC + 24);
		image_u64(&image, GC + 24 + 24 * i, BASE + 0x1000);
		image_u64(&image, BASE + 0x1008, 5 << 2);
		if (i) /* the younger ones are merged into it */
			put_head(GC + 24, 700, 0);
		assert_ok(gcstate_find(&image.mem, GC, STATS, &g));
	}
}

static void gcstate__no_lists_are_no_lists(void **state)
{
	struct gcstate g = { .lists = 1 };
	struct gcstate_now now;

	(void)state;
	start(GC + 24);
	assert_err(gcstate_find(&image.mem, GC + 8, STATS + 8, &g), -EBADMSG);
	assert_int_equal(g.lists, 0);
	assert_err(gcstate_read(&image.mem, &g, &now), -ENOENT);
	assert_err(gcstate_find(&image.mem, 0, 0, &g), -EBADMSG);
	assert_err(gcstate_find(&image.mem, BASE + (1ull << 40), BASE, &g), -EBADMSG);
}

static void gcstate__frozen_objects_are_counted_over_pages(void **state)
{
	struct gcstate_now now;
	struct gcstate g;

	(void)state;
	start(GC + 24);
	put_objects(PERMANENT, OBJECTS, 5);
	assert_ok(gcstate_find(&image.mem, GC, STATS, &g));
	assert_ok(gcstate_read(&image.mem, &g, &now));
	assert_int_equal(now.n_frozen, 5);
	assert_false(now.is_freezing); /* they were there before us */
	put_objects(PERMANENT, OBJECTS, 9);
	assert_ok(gcstate_read(&image.mem, &g, &now));
	assert_int_equal(now.n_frozen, 9);
	assert_true(now.is_freezing);
	put_objects(PERMANENT, OBJECTS, 0);
	assert_ok(gcstate_read(&image.mem, &g, &now));
	assert_int_equal(now.n_frozen, 0);
	assert_true(now.is_freezing);
}

/* Its neighbour does not point back, its links lead out of memory, or round in a ring. */
static void gcstate__a_list_that_changes_under_us_is_not_known(void **state)
{
	struct gcstate_now now;
	struct gcstate g;

	(void)state;
	start(GC + 24);
	put_objects(PERMANENT, OBJECTS, 5);
	assert_ok(gcstate_find(&image.mem, GC, STATS, &g));
	image_u64(&image, OBJECTS + 48 + 8, OBJECTS + 96);
	assert_ok(gcstate_read(&image.mem, &g, &now));
	assert_int_equal(now.n_frozen, -1);
	image_u64(&image, OBJECTS + 48 + 8, OBJECTS);
	image_u64(&image, OBJECTS + 48, BASE + (1ull << 40));
	assert_ok(gcstate_read(&image.mem, &g, &now));
	assert_int_equal(now.n_frozen, -1);
	image_u64(&image, OBJECTS + 48, OBJECTS);
	image_u64(&image, OBJECTS + 8, OBJECTS + 48);
	assert_ok(gcstate_read(&image.mem, &g, &now));
	assert_int_equal(now.n_frozen, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcstate__upstream_and_debian_3_13_are_found),
		cmocka_unit_test(gcstate__is_found_while_a_collection_runs),
		cmocka_unit_test(gcstate__no_lists_are_no_lists),
		cmocka_unit_test(gcstate__frozen_objects_are_counted_over_pages),
		cmocka_unit_test(gcstate__a_list_that_changes_under_us_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
