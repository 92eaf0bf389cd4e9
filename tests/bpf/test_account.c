/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_account.c — what the kernel side makes of the hits of a target that we drive.
 *
 * The child has a pool of its own making: a header with a size class, and blocks behind it. It runs
 * no Python, so all blocks belong to the stack without frames.
 */
#include <bpf/bpf.h>
#include <sys/mman.h>

#include "bpfchild.h"
#include "lib/clock.h"
#include "lib/strbuf.h"
#include "sample/births.h"

#define POOL_BYTES   16384
#define SZIDX_OFFSET 36
#define BLOCK_BYTES  64
#define LIVE_MAX     16

#define BORN_UNIT_SEC 1e-3
#define PAUSE_MS      50

struct fixture {
	struct probes *p;
	struct child c;
	struct window w;
	uint32_t slot;
	uint8_t *pool;
};

static const struct window_pick allocs_and_frees = { .progs = 1u << WINDOW_ON_ALLOC |
							      1u << WINDOW_ON_FREE };

static uint64_t block(const struct fixture *f, unsigned i)
{
	return (uintptr_t)f->pool + 48 + i * BLOCK_BYTES;
}

static int setup(void **state)
{
	struct probes_options o = { .live_max = LIVE_MAX, .born_unit_sec = BORN_UNIT_SEC };
	struct fixture *f = calloc(1, sizeof(*f));
	struct strbuf why = STRBUF_INIT;
	uint8_t *map = mmap(NULL, 2 * POOL_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED);
	f->pool = (uint8_t *)(((uintptr_t)map + POOL_BYTES - 1) & ~(uintptr_t)(POOL_BYTES - 1));
	*(uint32_t *)(f->pool + SZIDX_OFFSET) = BLOCK_BYTES / 16 - 1;
	if (probes_open(&o, &f->p, &why) < 0)
		fail_msg("%s", why.buf);
	child_start(&f->c);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	window_close(&f->w);
	child_stop(&f->c);
	probes_close(f->p);
	free(f);
	return 0;
}

/* Sites of these kinds on, at the child's two nops. */
static void attach(struct fixture *f, enum site_kind alloc, enum site_kind take, uint32_t sample_of)
{
	struct site v[] = {
		{ .offset = child_offset(child_site_alloc), .kind = alloc, .reg = PGD_REG_DI },
		{ .offset = child_offset(child_site_free), .kind = take, .reg = PGD_REG_DI },
	};
	struct sites sites = { .v = v, .n = 2 };
	struct window_target t = { .path = "/proc/self/exe", .pid = f->c.pid };
	struct pgd_target target = { .state = PGD_TARGET_WATCHED,
				     .sample_of = sample_of,
				     .pool_mask = ~(uint64_t)(POOL_BYTES - 1),
				     .start_ticks = child_start_ticks(f->c.pid) };

	target.py.runtime_tstate = PGD_NO_OFFSET;
	target.tss_key = 31; /* nobody's: no thread state, no Python */
	assert_ok(probes_slot_add(f->p, &target, &t.slot));
	f->slot = t.slot;
	probes_prog_fds(f->p, t.prog_fds);
	assert_ok(window_open(&f->w, probes_method(f->p), &t, &sites, &allocs_and_frees));
}

static struct pgd_stack_total total(const struct fixture *f)
{
	struct pgd_stack_key key = { .hash = PGD_STACK_NONE, .slot = f->slot };
	struct pgd_stack_total t = { 0 };

	bpf_map_lookup_elem(probes_stacks_fd(f->p), &key, &t);
	return t;
}

static uint64_t counter(const struct fixture *f, enum pgd_counter id)
{
	uint64_t counters[PGD_COUNTER_MAX];

	assert_ok(probes_counters(f->p, f->slot, counters));
	return counters[id];
}

static void account__blocks_come_and_go(void **state)
{
	struct fixture *f = *state;

	attach(f, SITE_POP, SITE_PUSH, 1);
	for (unsigned i = 0; i < 5; i++)
		child_pass(&f->c, false, block(f, i), 1);
	assert_int_equal(total(f).live_blocks, 5);
	assert_int_equal(total(f).live_bytes, 5 * BLOCK_BYTES);
	for (unsigned i = 0; i < 5; i++)
		child_pass(&f->c, true, block(f, i), 1);
	assert_int_equal(total(f).live_blocks, 0);
	assert_int_equal(total(f).live_bytes, 0);
	assert_int_equal(total(f).alloc_blocks, 5);
	assert_int_equal(counter(f, PGD_COUNTER_NO_PYTHON), 5);
}

static void account__block_seen_at_two_sites_counts_once(void **state)
{
	struct fixture *f = *state;

	attach(f, SITE_POP, SITE_PUSH, 1);
	child_pass(&f->c, false, block(f, 0), 3);
	assert_int_equal(total(f).live_blocks, 1);
	child_pass(&f->c, true, block(f, 0), 2);
	assert_int_equal(total(f).live_blocks, 0);
}

static void account__free_of_a_strange_block_is_nothing(void **state)
{
	struct fixture *f = *state;

	attach(f, SITE_POP, SITE_PUSH, 1);
	child_pass(&f->c, true, block(f, 3), 1);
	child_pass(&f->c, true, 0, 1);
	child_pass(&f->c, true, ~0ull, 1);
	assert_int_equal(total(f).live_blocks, 0);
}

static void account__full_live_map_is_counted(void **state)
{
	struct fixture *f = *state;
	uint64_t n;

	attach(f, SITE_POP, SITE_PUSH, 1);
	for (unsigned i = 0; i < 4 * LIVE_MAX; i++)
		child_pass(&f->c, false, block(f, i), 1);
	n = (uint64_t)total(f).live_blocks;
	assert_in_range(n, LIVE_MAX, 4 * LIVE_MAX - 1);
	assert_int_equal(n + counter(f, PGD_COUNTER_LIVE_FULL), 4 * LIVE_MAX);
}

static void sample__block_in_no_pool_is_counted(void **state)
{
	struct fixture *f = *state;

	attach(f, SITE_POP, SITE_PUSH, 1);
	child_pass(&f->c, false, block(f, 0) + 16, 1); /* not at a block's start */
	child_pass(&f->c, false, 4096 + 48, 1); /* not mapped */
	child_pass(&f->c, false, ~0ull << 12, 1); /* the kernel's */
	assert_int_equal(counter(f, PGD_COUNTER_BAD_POOL), 3);
	assert_int_equal(total(f).live_blocks, 0);
}

static void sample__chunk_headers_are_believed_if_plausible(void **state)
{
	struct fixture *f = *state;
	struct {
		uint64_t head;
		uint64_t bytes; /* 0: refused */
	} rows[] = {
		{ 1024 | 1, 1016 }, { 8192 | 2, 8176 }, { 0, 0 }, { 16, 0 }, { ~0ull, 0 },
	};
	uint64_t refused = 0, bytes = 0;

	/* The child has its own copy of the page from the fork on: the rows lie there already. */
	child_stop(&f->c);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		*(uint64_t *)(f->pool + 1024 * i + 56) = rows[i].head;
	child_start(&f->c);
	attach(f, SITE_MALLOC, SITE_FREE, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		child_pass(&f->c, false, (uintptr_t)f->pool + 1024 * i + 64, 1);
		bytes += rows[i].bytes;
		refused += !rows[i].bytes;
	}
	assert_int_equal(total(f).live_bytes, bytes);
	assert_int_equal(counter(f, PGD_COUNTER_BAD_CHUNK), refused);
}

static void sample__one_in_n_is_followed(void **state)
{
	struct fixture *f = *state;

	attach(f, SITE_POP, SITE_PUSH, 4);
	for (unsigned i = 0; i < 200; i++) {
		child_pass(&f->c, false, block(f, 0), 1);
		child_pass(&f->c, true, block(f, 0), 1);
	}
	assert_in_range(total(f).alloc_blocks, 20, 90); /* 50 are due; 6 sigma */
	assert_int_equal(total(f).live_blocks, 0);
}

static void hit__resized_block_is_news_only_behind_a_realloc(void **state)
{
	struct fixture *f = *state;

	child_stop(&f->c);
	*(uint64_t *)(f->pool + 56) = 1024 | 1;
	child_start(&f->c);
	attach(f, SITE_RESIZED, SITE_REALLOC, 1);
	child_pass(&f->c, false, (uintptr_t)f->pool + 64, 1);
	assert_int_equal(total(f).live_blocks, 0);
	child_pass(&f->c, true, 0, 1); /* realloc(NULL, …) */
	child_pass(&f->c, false, (uintptr_t)f->pool + 64, 1);
	assert_int_equal(total(f).live_blocks, 1);
	child_pass(&f->c, true, (uintptr_t)f->pool + 64, 1);
	assert_int_equal(total(f).live_blocks, 0);
}

/* A block of so many bytes, at a place of its own in the pool. */
static uint64_t chunk(const struct fixture *f, unsigned i)
{
	return (uintptr_t)f->pool + 1024 * i + 64;
}

/* One buffer that grows is not taken anew as a whole each time. */
static void account__resized_block_has_taken_what_it_grew(void **state)
{
	static const unsigned bytes[] = { 1016, 2040, 4088, 1016, 2040 };
	struct fixture *f = *state;

	child_stop(&f->c);
	for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++)
		*(uint64_t *)(chunk(f, i) - 8) = (bytes[i] + 8) | 1;
	child_start(&f->c);
	attach(f, SITE_MALLOC, SITE_REALLOC, 1);
	child_pass(&f->c, true, 0, 1); /* realloc(NULL, …): made of nothing */
	for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++) {
		child_pass(&f->c, false, chunk(f, i), 1);
		assert_int_equal(total(f).live_bytes, bytes[i]);
		child_pass(&f->c, true, chunk(f, i), 1);
	}
	assert_int_equal(total(f).taken_bytes, 4088 + (2040 - 1016));
	assert_int_equal(total(f).alloc_blocks, ARRAY_SIZE(bytes));
	assert_int_equal(total(f).live_bytes, 0);
}

/* What realloc gives back is made of the block that this thread gave it last, and of no other. */
static void account__block_of_malloc_is_taken_as_a_whole(void **state)
{
	struct fixture *f = *state;

	child_stop(&f->c);
	for (unsigned i = 0; i < 3; i++)
		*(uint64_t *)(chunk(f, i) - 8) = 1024 | 1;
	child_start(&f->c);
	attach(f, SITE_MALLOC, SITE_REALLOC, 1);
	child_pass(&f->c, false, chunk(f, 0), 1);
	child_pass(&f->c, true, chunk(f, 0), 1);
	child_pass(&f->c, false, chunk(f, 1), 1); /* its successor, as large */
	child_pass(&f->c, false, chunk(f, 2), 1);
	assert_int_equal(total(f).live_bytes, 2 * 1016);
	assert_int_equal(total(f).taken_bytes, 2 * 1016);
}

/* The age of the block behind each row, in seconds; the youngest first. How many. */
static size_t ages(const struct fixture *f, double *ret)
{
	const struct births_options o = { .share = 1 };
	_cleanup_(births_freep) struct births *b = NULL;
	size_t n;

	assert_ok(births_new(probes_live_fd(f->p), probes_born_shift(f->p), &o, &b));
	assert_ok(births_read(b));
	n = births_count(b);
	assert_true(n <= LIVE_MAX);
	for (size_t i = 0; i < n; i++) {
		struct births_row row = births_get(b, i);
		double age = clock_monotonic_sec() - row.born_sec;
		size_t at = i;

		assert_int_equal(row.slot, f->slot);
		assert_int_equal(row.stack, PGD_STACK_NONE);
		for (; at && ret[at - 1] > age; at--)
			ret[at] = ret[at - 1];
		ret[at] = age;
	}
	return n;
}

static void account__blocks_know_when_they_were_born(void **state)
{
	struct fixture *f = *state;
	double age[LIVE_MAX];

	attach(f, SITE_POP, SITE_PUSH, 1);
	child_pass(&f->c, false, block(f, 0), 1);
	usleep(PAUSE_MS * 1000);
	child_pass(&f->c, false, block(f, 1), 1);
	assert_int_equal(ages(f, age), 2);
	assert_true(age[0] >= 0 && age[1] - age[0] > (PAUSE_MS - 2) * 1e-3);
	child_pass(&f->c, true, block(f, 0), 1);
	assert_int_equal(ages(f, age), 1);
	/* The free was missed: another block is there now, and of today. */
	usleep(PAUSE_MS * 1000);
	child_pass(&f->c, false, block(f, 1), 1);
	assert_int_equal(ages(f, age), 1);
	assert_true(age[0] < PAUSE_MS * 1e-3);
}

static void account__a_buffer_that_grows_was_born_once(void **state)
{
	struct fixture *f = *state;
	double age[LIVE_MAX];

	child_stop(&f->c);
	for (unsigned i = 0; i < 2; i++)
		*(uint64_t *)(chunk(f, i) - 8) = 1024 | 1;
	child_start(&f->c);
	attach(f, SITE_MALLOC, SITE_REALLOC, 1);
	child_pass(&f->c, false, chunk(f, 0), 1);
	usleep(PAUSE_MS * 1000);
	child_pass(&f->c, true, chunk(f, 0), 1);
	child_pass(&f->c, false, chunk(f, 1), 1); /* its successor */
	assert_int_equal(ages(f, age), 1);
	assert_true(age[0] > (PAUSE_MS - 2) * 1e-3);
}

static void probes__slot_is_empty_after_it_was_given_back(void **state)
{
	struct fixture *f = *state;
	uint32_t old;

	attach(f, SITE_POP, SITE_PUSH, 1);
	child_pass(&f->c, false, block(f, 0), 1);
	old = f->slot;
	window_close(&f->w);
	probes_slot_del(f->p, f->slot);
	attach(f, SITE_POP, SITE_PUSH, 1);
	assert_int_equal(f->slot, old);
	assert_int_equal(total(f).live_blocks, 0);
	assert_int_equal(counter(f, PGD_COUNTER_NO_PYTHON), 0);
	child_pass(&f->c, true, block(f, 0), 1); /* the old life's block */
	assert_int_equal(total(f).live_blocks, 0);
	assert_int_equal(counter(f, PGD_COUNTER_STACK_GONE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(account__blocks_come_and_go),
		T(account__block_seen_at_two_sites_counts_once),
		T(account__free_of_a_strange_block_is_nothing),
		T(account__full_live_map_is_counted),
		T(sample__block_in_no_pool_is_counted),
		T(sample__chunk_headers_are_believed_if_plausible),
		T(sample__one_in_n_is_followed),
		T(hit__resized_block_is_news_only_behind_a_realloc),
		T(account__resized_block_has_taken_what_it_grew),
		T(account__block_of_malloc_is_taken_as_a_whole),
		T(account__blocks_know_when_they_were_born),
		T(account__a_buffer_that_grows_was_born_once),
		T(probes__slot_is_empty_after_it_was_given_back),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
