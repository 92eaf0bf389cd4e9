/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_collector.c — what the kernel side makes of a collector that we play.
 *
 * The child has an interpreter's collector state of our making, and passes the sites of a
 * collection as CPython does: counts are set before anything is freed, statistics after.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include "bpfchild.h"
#include "growth/cycles.h"
#include "lib/strbuf.h"
#include "pause.bpf.h"

#define POOL_BYTES   16384
#define SZIDX_OFFSET 36
#define BLOCK_BYTES  64
#define THRESHOLD    700

/* struct gc_generation and struct gc_generation_stats of CPython. */
struct state {
	int32_t enabled;
	struct {
		uint64_t next, prev;
		int32_t threshold, count;
	} lists[PGD_GENERATIONS];
	struct {
		int64_t collections, collected, uncollectable;
	} stats[PGD_GENERATIONS];
	/* What the next collection is to be like. */
	uint32_t generation, n_blocks;
	uint64_t blocks;
	uint32_t sleep_ms, does_nothing;
	uint32_t n_before; /* of the blocks, freed by a callback before it begins */
	/* Blocks of four words as witnesses have them; in the next collection the first so many
	 * die, or, before it is taken notice of, as many. */
	uint64_t witnesses[8][4];
	uint32_t n_die;
};

struct fixture {
	struct probes *p;
	struct child c;
	struct window w;
	uint32_t slot;
	uint8_t *pool;
	struct state *state;
};

extern const char child_site_gc_start[], child_site_gc_done[];

static __attribute__((noinline, noclone)) void gc_start(void)
{
	asm volatile(".globl child_site_gc_start\n"
		     "child_site_gc_start: nop" ::
			     : "memory");
}

static __attribute__((noinline, noclone)) void gc_done(void)
{
	asm volatile(".globl child_site_gc_done\n"
		     "child_site_gc_done: nop" ::
			     : "memory");
}

/* In the child: one collection, as gc_collect_main() goes about it. */
static void collect(struct child *c, uint64_t arg)
{
	struct state *s = (struct state *)(uintptr_t)arg;
	uint32_t g = s->generation;

	(void)c;
	gc_start();
	for (uint32_t i = 0; i < s->n_before; i++)
		child_free(s->blocks + i * BLOCK_BYTES);
	if (!s->does_nothing) {
		if (g + 1 < PGD_GENERATIONS)
			s->lists[g + 1].count++;
		for (uint32_t i = 0; i <= g; i++)
			s->lists[i].count = 0;
		for (uint32_t i = 0; i < s->n_die; i++)
			s->witnesses[i][0] = 0;
		for (uint32_t i = s->n_before; i < s->n_blocks; i++)
			child_free(s->blocks + i * BLOCK_BYTES);
		usleep(s->sleep_ms * 1000);
		s->stats[g].collections++;
		s->stats[g].collected += s->n_blocks;
		s->stats[g].uncollectable += g;
	}
	gc_done();
}

static uint64_t block(const struct fixture *f, unsigned i)
{
	return (uintptr_t)f->pool + 48 + i * BLOCK_BYTES;
}

static void attach(struct fixture *f, bool has_lists, bool is_incremental)
{
	struct site v[] = {
		{ .offset = child_offset(child_site_alloc), .kind = SITE_POP, .reg = PGD_REG_DI },
		{ .offset = child_offset(child_site_free), .kind = SITE_PUSH, .reg = PGD_REG_DI },
		{ .offset = child_offset(child_site_gc_start), .kind = SITE_GC_START },
		{ .offset = child_offset(child_site_gc_done), .kind = SITE_GC_DONE },
	};
	const struct window_pick all = { .progs = WINDOW_ALL_PROGS };
	struct sites sites = { .v = v, .n = ARRAY_SIZE(v) };
	struct window_target t = { .path = "/proc/self/exe", .pid = f->c.pid };
	struct pgd_target target = { .state = PGD_TARGET_WATCHED,
				     .sample_of = 1,
				     .pool_mask = ~(uint64_t)(POOL_BYTES - 1),
				     .gc_stats = (uintptr_t)f->state->stats,
				     .gc_lists = has_lists ? (uintptr_t)f->state->lists : 0,
				     .gc_enabled = (uintptr_t)&f->state->enabled,
				     .gc_is_incremental = is_incremental,
				     .start_ticks = child_start_ticks(f->c.pid) };

	target.py.runtime_tstate = PGD_NO_OFFSET;
	target.tss_key = 31; /* nobody's: no thread state, no Python */
	assert_ok(probes_slot_add(f->p, &target, &t.slot));
	f->slot = t.slot;
	probes_prog_fds(f->p, t.prog_fds);
	assert_ok(window_open(&f->w, probes_method(f->p), &t, &sites, &all));
}

static int setup(void **state)
{
	struct probes_options o = { .live_max = 1024 };
	struct fixture *f = calloc(1, sizeof(*f));
	struct strbuf why = STRBUF_INIT;
	/* Of a private page the child has its own entry; of a shared one it gets one on first use.
	 */
	uint8_t *map = mmap(NULL, 2 * POOL_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED);
	f->pool = (uint8_t *)(((uintptr_t)map + POOL_BYTES - 1) & ~(uintptr_t)(POOL_BYTES - 1));
	*(uint32_t *)(f->pool + SZIDX_OFFSET) = BLOCK_BYTES / 16 - 1;
	f->state = mmap(NULL, sizeof(*f->state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	assert_true(f->state != MAP_FAILED);
	f->state->enabled = 1;
	for (int i = 0; i < PGD_GENERATIONS; i++)
		f->state->lists[i].threshold = i ? 10 : THRESHOLD;
	if (probes_open(&o, &f->p, &why) < 0)
		fail_msg("%s", why.buf);
	child_other = collect;
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

static void take(struct fixture *f, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		child_pass(&f->c, false, block(f, i), 1);
}

static void run(struct fixture *f, uint32_t generation, unsigned from, uint32_t n_blocks)
{
	f->state->generation = generation;
	f->state->blocks = block(f, from);
	f->state->n_blocks = n_blocks;
	child_do(&f->c, CHILD_OTHER, (uintptr_t)f->state, 1);
}

static struct pgd_gc gc_of(const struct fixture *f)
{
	struct pgd_gc gc;

	assert_ok(probes_gc(f->p, f->slot, &gc));
	return gc;
}

static struct pgd_stack_total total(const struct fixture *f)
{
	struct pgd_stack_key key = { .hash = PGD_STACK_NONE, .slot = f->slot };
	struct pgd_stack_total t = { 0 };

	assert_ok(bpf_map_lookup_elem(probes_stacks_fd(f->p), &key, &t));
	return t;
}

static void collector__each_generation_is_counted(void **state)
{
	struct fixture *f = *state;
	struct pgd_gc gc;

	attach(f, true, false);
	for (uint32_t g = 0; g < PGD_GENERATIONS; g++)
		for (uint32_t i = 0; i <= g; i++)
			run(f, g, 0, 10);
	gc = gc_of(f);
	for (uint32_t g = 0; g < PGD_GENERATIONS; g++) {
		assert_int_equal(gc.generations[g].collections, g + 1);
		assert_int_equal(gc.generations[g].collected, 10 * (g + 1));
		assert_int_equal(gc.generations[g].uncollectable, g * (g + 1));
		assert_int_equal(gc.generations[g].asked, g + 1);
	}
	assert_int_equal(gc.fulls, 3);
}

static void collector__a_call_that_found_nothing_to_do_is_none(void **state)
{
	struct fixture *f = *state;

	attach(f, true, false);
	f->state->does_nothing = 1;
	run(f, 0, 0, 0);
	assert_int_equal(gc_of(f).generations[0].collections, 0);
	assert_int_equal(gc_of(f).running_tid, 0);
}

static void collector__thresholds_and_requests_are_told_apart(void **state)
{
	static const struct row {
		const char *name;
		int32_t enabled, counts[PGD_GENERATIONS];
		uint32_t generation, asked;
	} rows[] = {
		{ "below its threshold", 1, { THRESHOLD, 0, 0 }, 0, 1 },
		{ "above it", 1, { THRESHOLD + 1, 0, 0 }, 0, 0 },
		{ "off", 0, { THRESHOLD + 1, 11, 11 }, 0, 1 },
		{ "young is due, full was run", 1, { THRESHOLD + 1, 3, 3 }, 2, 1 },
		{ "middle is due", 1, { THRESHOLD + 1, 11, 3 }, 1, 0 },
		{ "full is due", 1, { THRESHOLD + 1, 11, 11 }, 2, 0 },
		{ "full is due, young is not", 1, { 5, 11, 11 }, 2, 1 },
	};
	struct fixture *f = *state;

	attach(f, true, false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t g = rows[i].generation;
		uint64_t before = gc_of(f).generations[g].asked;

		f->state->enabled = rows[i].enabled;
		for (int k = 0; k < PGD_GENERATIONS; k++)
			f->state->lists[k].count = rows[i].counts[k];
		run(f, g, 0, 0);
		if (gc_of(f).generations[g].asked - before != rows[i].asked)
			fail_msg("%s", rows[i].name);
	}
}

static void collector__an_increment_is_started_by_the_young_ones(void **state)
{
	struct fixture *f = *state;

	attach(f, true, true);
	f->state->lists[0].count = THRESHOLD + 1;
	run(f, 1, 0, 0);
	run(f, 1, 0, 0);
	assert_int_equal(gc_of(f).generations[1].collections, 2);
	assert_int_equal(gc_of(f).generations[1].asked, 1);
}

static void collector__pauses_are_measured_and_classed(void **state)
{
	struct fixture *f = *state;
	struct pgd_gc_generation g;
	uint32_t n = 0;

	attach(f, true, false);
	f->state->sleep_ms = 20;
	run(f, 2, 0, 0);
	f->state->sleep_ms = 0;
	run(f, 2, 0, 0);
	g = gc_of(f).generations[2];
	assert_in_range(g.pause_ns, 20000000, 200000000);
	assert_in_range(g.pause_max_ns, 20000000, g.pause_ns);
	assert_int_equal(g.pauses[pause_class(g.pause_max_ns)], 1);
	for (unsigned i = 0; i < PGD_GC_PAUSES; i++)
		n += g.pauses[i];
	assert_int_equal(n, 2);
}

static void collector__who_frees_a_block_is_known(void **state)
{
	struct fixture *f = *state;
	struct pgd_stack_total t;

	attach(f, true, false);
	take(f, 0, 30);
	child_pass(&f->c, true, block(f, 0), 1);
	run(f, 0, 1, 4);
	run(f, 2, 5, 10);
	child_pass(&f->c, true, block(f, 15), 1);
	t = total(f);
	assert_int_equal(t.live_blocks, 14);
	assert_int_equal(t.freed_bytes, 16 * BLOCK_BYTES);
	assert_int_equal(t.gc_freed_blocks, 14);
	assert_int_equal(t.gc_freed_bytes, 14 * BLOCK_BYTES);
	assert_int_equal(t.full_freed_bytes, 10 * BLOCK_BYTES);
	assert_int_equal(gc_of(f).freed_blocks, 14);
}

/* Sawtooth: 20 more before each full collection, which frees 15 of them. */
static void collector__full_collections_leave_a_floor(void **state)
{
	struct fixture *f = *state;
	struct pgd_stack_total t;

	attach(f, true, false);
	for (unsigned i = 0; i < 3; i++) {
		take(f, 20 * i, 20);
		run(f, 0, 0, 0); /* a young one in between changes nothing of that */
		run(f, 2, 20 * i, 15);
	}
	take(f, 100, 8);
	t = total(f);
	assert_int_equal(t.full_grown_bytes, 60 * BLOCK_BYTES);
	assert_int_equal(t.full_freed_bytes, 45 * BLOCK_BYTES);
	assert_int_equal(t.floor_bytes, 15 * BLOCK_BYTES);
	assert_int_equal(t.fulls_survived, 3);
	assert_int_equal(t.live_blocks, 23);
}

/* The counts at a collection's start must not be taken for those that it sets. */
static void collector__what_callbacks_free_before_it_begins(void **state)
{
	static const int32_t counts[][PGD_GENERATIONS] = {
		{ 701, 3, 3 }, { 701, 0, 0 }, { 701, 0, 1 }, { 701, 5, 0 }, { 5, 0, 0 },
	};
	struct fixture *f = *state;

	attach(f, true, false);
	f->state->n_before = 1;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		for (uint32_t g = 0; g < PGD_GENERATIONS; g++) {
			uint64_t before, want = g == 2 ? 4 * BLOCK_BYTES : 0;

			take(f, 0, 5);
			before = total(f).full_freed_bytes;
			for (int k = 0; k < PGD_GENERATIONS; k++)
				f->state->lists[k].count = counts[i][k];
			run(f, g, 0, 5);
			if (total(f).full_freed_bytes - before != want)
				fail_msg("row %zu, generation %u: %llu", i, g,
					 (unsigned long long)(total(f).full_freed_bytes - before));
		}
	}
}

static void collector__a_stack_that_nobody_touches_is_settled_later(void **state)
{
	struct fixture *f = *state;
	struct pgd_stack_total t;

	attach(f, true, false);
	take(f, 0, 7);
	run(f, 2, 50, 0);
	run(f, 2, 50, 0);
	t = total(f);
	assert_int_equal(t.fulls_seen, 0);
	cycles_settle(&t, gc_of(f).fulls);
	assert_int_equal(t.floor_bytes, 7 * BLOCK_BYTES);
	assert_int_equal(t.full_grown_bytes, 7 * BLOCK_BYTES);
	assert_int_equal(t.fulls_survived, 2);
	take(f, 7, 1); /* and the kernel comes to the same */
	assert_int_equal(total(f).floor_bytes, 7 * BLOCK_BYTES);
	assert_int_equal(total(f).full_grown_bytes, 7 * BLOCK_BYTES);
	assert_int_equal(total(f).fulls_survived, 2);
}

static void collector__without_lists_collections_are_counted_all_the_same(void **state)
{
	struct fixture *f = *state;

	attach(f, false, false);
	take(f, 0, 10);
	run(f, 2, 0, 10);
	assert_int_equal(gc_of(f).generations[2].collections, 1);
	assert_int_equal(total(f).gc_freed_blocks, 10);
	assert_int_equal(total(f).full_freed_bytes, 0);
}

static void collector__statistics_that_cannot_be_read_are_counted(void **state)
{
	uint64_t counters[PGD_COUNTER_MAX];
	struct fixture *f = *state;
	struct state *real = f->state;

	f->state = (struct state *)(uintptr_t)64; /* never mapped */
	attach(f, true, false);
	f->state = real;
	run(f, 2, 0, 0);
	assert_ok(probes_counters(f->p, f->slot, counters));
	assert_int_equal(counters[PGD_COUNTER_GC_UNREADABLE], 1);
	assert_int_equal(gc_of(f).generations[2].collections, 0);
}

/* ── what it may cost ─────────────────────────────────────────────────────────────────────── */

static struct pgd_gc_trip *trip_of(const struct fixture *f)
{
	struct probes_shared shared;

	probes_shared(f->p, &shared);
	return &shared.gc_trips[f->slot];
}

static int on_birth(void *userdata, void *data, size_t n_bytes)
{
	const struct pgd_birth *birth = data;

	(void)n_bytes;
	*(unsigned *)userdata += birth->what == PGD_BIRTH_GC_TRIP;
	return 0;
}

static unsigned count_trips(const struct fixture *f)
{
	unsigned n = 0;
	struct ring_buffer *births = ring_buffer__new(probes_births_fd(f->p), on_birth, &n, NULL);

	assert_non_null(births);
	ring_buffer__consume(births);
	ring_buffer__free(births);
	return n;
}

static void collector__young_costs_2_and_full_5(void **state)
{
	struct fixture *f = *state;

	attach(f, true, false);
	trip_of(f)->left = 100;
	run(f, 0, 0, 0);
	assert_int_equal(trip_of(f)->left, 98);
	run(f, 2, 0, 0);
	assert_int_equal(trip_of(f)->left, 93);
	assert_int_equal(count_trips(f), 0);
}

static void collector__what_costs_too_much_is_told_once_and_not_timed(void **state)
{
	struct fixture *f = *state;
	struct pgd_gc_trip *trip;

	attach(f, true, false);
	trip = trip_of(f);
	for (unsigned i = 1; i <= 3; i++) {
		trip->left = 10;
		trip->told = 0;
		for (unsigned k = 0; k < 50; k++)
			run(f, 0, 0, 0);
		assert_int_equal(trip->told, 1);
		assert_int_equal(count_trips(f), 1);
		assert_int_equal(gc_of(f).generations[0].collections, 5 * i);
		assert_int_equal(trip->left, 10 - 50 * 2); /* all hits are paid for */
	}
}

static void collector__one_that_has_begun_is_timed_to_its_end(void **state)
{
	struct fixture *f = *state;

	attach(f, true, false);
	trip_of(f)->left = 1;
	run(f, 2, 0, 0);
	assert_int_equal(gc_of(f).generations[2].collections, 1);
	assert_int_equal(trip_of(f)->told, 1);
}

static void collector__coming_off_hits_are_paid_for_and_say_nothing(void **state)
{
	struct fixture *f = *state;
	struct pgd_gc_trip *trip;

	attach(f, true, false);
	trip = trip_of(f);
	*trip = (struct pgd_gc_trip){ .left = 3, .phase = trip->phase + 1 };
	take(f, 0, 4);
	run(f, 2, 0, 4);
	run(f, 2, 0, 0);
	assert_int_equal(trip->left, -1);
	assert_int_equal(count_trips(f), 0);
	assert_int_equal(gc_of(f).generations[2].collections, 0);
	assert_int_equal(total(f).gc_freed_blocks, 0);
	trip->left = 100;
	trip->phase++;
	run(f, 2, 0, 0);
	assert_int_equal(gc_of(f).generations[2].collections, 1);
}

/* Off in mid-collection: its end was not seen, and blocks that die later are not the collector's.
 */
static void collector__one_that_was_cut_off_is_over(void **state)
{
	struct fixture *f = *state;
	struct pgd_gc gc;

	attach(f, true, false);
	take(f, 0, 8);
	f->state->sleep_ms = 300;
	f->state->generation = 2;
	f->state->n_blocks = 0;
	child_ask(&f->c, CHILD_OTHER, (uintptr_t)f->state, 1);
	do
		gc = gc_of(f);
	while (!gc.running_tid);
	trip_of(f)->phase++;
	child_wait(&f->c);
	assert_int_not_equal(gc_of(f).running_tid, 0);
	trip_of(f)->phase++;
	child_pass(&f->c, true, block(f, 0), 1);
	assert_int_equal(total(f).freed_bytes, BLOCK_BYTES);
	assert_int_equal(total(f).gc_freed_blocks, 0);
	assert_int_equal(gc_of(f).generations[2].collections, 0);
}

/* ── witnesses ────────────────────────────────────────────────────────────────────────────── */

#define N_WITNESSES 8

static struct pgd_witness *witness(const struct fixture *f, unsigned i)
{
	struct probes_shared shared;

	probes_shared(f->p, &shared);
	return &shared.witnesses[f->slot * PGD_WITNESSES_MAX + i];
}

/* Objects of which each has a count, a type, and something of its own. */
static void watch(struct fixture *f)
{
	for (unsigned i = 0; i < N_WITNESSES; i++) {
		uint64_t *words = f->state->witnesses[i];
		struct pgd_witness *w = witness(f, i);

		words[0] = 1 + i;
		words[1] = 0x7f0000001000;
		words[2] = 0x7f0000002000 + i;
		*w = (struct pgd_witness){ .block = (uintptr_t)words,
					   .was = { words[1], words[2] },
					   .at = { 1, 2, PGD_WITNESS_NO_WORD },
					   .life = PGD_WITNESS_LIFE_COUNT,
					   .state = PGD_WITNESS_WATCHED };
	}
	trip_of(f)->n_witnesses = N_WITNESSES;
}

static void expect_states(const struct fixture *f, const char *want)
{
	static const char letters[] = ".wigLcf"; /* by enum pgd_witness_state */
	char have[N_WITNESSES + 1] = "";

	_Static_assert(sizeof(letters) == PGD_WITNESS_STATE_MAX + 1, "all have a letter");
	for (unsigned i = 0; i < N_WITNESSES; i++)
		have[i] = letters[witness(f, i)->state];
	assert_string_equal(have, want);
}

static void collector__what_a_collection_frees_is_told_from_what_was_gone_before(void **state)
{
	struct fixture *f = *state;

	attach(f, true, false);
	watch(f);
	f->state->witnesses[2][0] = 0; /* given back */
	f->state->witnesses[3][1] += 16; /* an object of another type is there now */
	f->state->witnesses[4][2] += 16; /* another one of that type */
	f->state->n_die = 2;
	run(f, 0, 0, 0);
	expect_states(f, "ccgggwww");
	f->state->witnesses[5][0] = 0x7f0000003000; /* a free list's link */
	f->state->witnesses[6][0] = 0;
	f->state->n_die = 0;
	run(f, 1, 0, 0);
	expect_states(f, "ccgggggw");
	assert_int_equal(witness(f, 7)->n_fulls, 0);
	f->state->n_die = 8;
	run(f, 2, 0, 0);
	expect_states(f, "ccgggggf");
	assert_int_equal(witness(f, 7)->n_fulls, 1);
}

static void collector__memory_is_gone_when_a_link_is_in_its_first_word(void **state)
{
	struct fixture *f = *state;

	attach(f, true, false);
	watch(f);
	for (unsigned i = 0; i < N_WITNESSES; i++) {
		*witness(f, i)->at = PGD_WITNESS_NO_WORD;
		witness(f, i)->life = PGD_WITNESS_LIFE_LITTLE;
	}
	f->state->witnesses[0][0] = 0x7f0000003000;
	f->state->witnesses[1][0] = 0;
	f->state->witnesses[2][0] = 100;
	*witness(f, 3)->at = 0; /* a word that must stay, and does not */
	witness(f, 3)->was[0] = 77;
	witness(f, 3)->life = PGD_WITNESS_LIFE_WORDS;
	witness(f, 4)->block = 0x1000; /* not mapped any more */
	run(f, 0, 0, 0);
	expect_states(f, "ggwggwww");
}

/* Where the probes have cost too much, a collection is not looked at: who has died since then may
 * have died in it. */
static void collector__after_one_that_was_missed_nobody_knows(void **state)
{
	struct fixture *f = *state;

	attach(f, true, false);
	watch(f);
	trip_of(f)->left = 0;
	f->state->n_die = 3;
	run(f, 2, 0, 0);
	expect_states(f, "wwwwwwww");
	assert_int_not_equal(trip_of(f)->begun, trip_of(f)->seen);
	trip_of(f)->left = 100;
	f->state->n_die = 0;
	run(f, 2, 0, 0);
	expect_states(f, "LLLwwwww");
	assert_int_equal(trip_of(f)->begun, trip_of(f)->seen);
	f->state->witnesses[3][0] = 0;
	run(f, 2, 0, 0);
	expect_states(f, "LLLgwwww");
}

static void collector__witnesses_are_paid_for(void **state)
{
	struct fixture *f = *state;

	attach(f, true, false);
	watch(f);
	for (unsigned i = N_WITNESSES; i < PGD_WITNESSES_MAX; i++)
		*witness(f, i) = *witness(f, 0);
	trip_of(f)->n_witnesses = PGD_WITNESSES_MAX;
	trip_of(f)->left = 100;
	run(f, 0, 0, 0);
	assert_int_equal(trip_of(f)->left, 100 - 2 - PGD_WITNESSES_MAX / PGD_WITNESSES_A_HIT);
}

/* Of our programs, a collection: both looks. */
static double run_ns(struct fixture *f, unsigned n)
{
	static const enum window_prog progs[] = { WINDOW_ON_GC_START, WINDOW_ON_GC_DONE };
	double ns = 0;

	trip_of(f)->left = INT64_MAX;
	for (unsigned i = 0; i < ARRAY_SIZE(progs); i++) {
		struct probes_runs before, after;

		probes_measure_runs(f->p, true);
		assert_ok(probes_runs(f->p, progs[i], &before));
		for (unsigned k = 0; k < n; k++)
			run(f, 0, 0, 0);
		assert_ok(probes_runs(f->p, progs[i], &after));
		probes_measure_runs(f->p, false);
		ns += (double)(after.ns - before.ns) / (double)(after.n - before.n);
	}
	return ns;
}

/* A bound that only a mistake breaks; the figure is what counts, and is in OVERHEAD.md. */
static void collector__the_price_of_a_witness(void **state)
{
	struct fixture *f = *state;
	double without_ns, with_ns;

	attach(f, true, false);
	without_ns = run_ns(f, 500);
	watch(f);
	for (unsigned i = N_WITNESSES; i < PGD_WITNESSES_MAX; i++)
		*witness(f, i) = *witness(f, i % N_WITNESSES);
	trip_of(f)->n_witnesses = PGD_WITNESSES_MAX;
	with_ns = run_ns(f, 500);
	print_message("a collection costs %.0f ns of our programs, with %d witnesses %.0f\n",
		      without_ns, PGD_WITNESSES_MAX, with_ns);
	assert_true(with_ns < without_ns + PGD_WITNESSES_MAX * 2000.0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(collector__each_generation_is_counted),
		TEST(collector__a_call_that_found_nothing_to_do_is_none),
		TEST(collector__thresholds_and_requests_are_told_apart),
		TEST(collector__an_increment_is_started_by_the_young_ones),
		TEST(collector__pauses_are_measured_and_classed),
		TEST(collector__who_frees_a_block_is_known),
		TEST(collector__full_collections_leave_a_floor),
		TEST(collector__what_callbacks_free_before_it_begins),
		TEST(collector__a_stack_that_nobody_touches_is_settled_later),
		TEST(collector__without_lists_collections_are_counted_all_the_same),
		TEST(collector__statistics_that_cannot_be_read_are_counted),
		TEST(collector__young_costs_2_and_full_5),
		TEST(collector__what_costs_too_much_is_told_once_and_not_timed),
		TEST(collector__one_that_has_begun_is_timed_to_its_end),
		TEST(collector__coming_off_hits_are_paid_for_and_say_nothing),
		TEST(collector__one_that_was_cut_off_is_over),
		TEST(collector__what_a_collection_frees_is_told_from_what_was_gone_before),
		TEST(collector__memory_is_gone_when_a_link_is_in_its_first_word),
		TEST(collector__after_one_that_was_missed_nobody_knows),
		TEST(collector__witnesses_are_paid_for),
		TEST(collector__the_price_of_a_witness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
