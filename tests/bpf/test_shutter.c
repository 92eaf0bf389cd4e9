/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_shutter.c — windows of the real kernel's, over a target that we drive.
 *
 * The child passes an allocation site and a free site with "blocks" of our choosing, in a pool of
 * our making (see test_account.c), while a window is open; it runs no Python, so every leaf is 0.
 * Needs root, and a kernel with uprobe_multi (6.6): skipped without.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>

#include "bpfchild.h"
#include "lib/clock.h"
#include "lib/strbuf.h"
#include "target/procmem.h"
#include "target/shutter.h"

#define POOL_BYTES   16384
#define SZIDX_OFFSET 36
#define BLOCK_BYTES  64
#define MS	     1000000ull
#define WALL_NS	     (150 * MS) /* time enough for what is to happen in a window */
#define CHUNKS	     3
#define ALLOC	     0 /* indexes of the sites */
#define FREE	     1

struct fixture {
	struct probes *p;
	struct probes_shared shared;
	struct shutter *s;
	struct child c;
	struct site v[2];
	struct sites sites;
	uint32_t slot;
	uint8_t *pool;
	uint8_t text[2][16]; /* of the sites, before */
	/* what capture saw */
	struct pgd_sample samples[PGD_SAMPLES_MAX];
	size_t n_samples;
	unsigned n_captures;
	uint64_t free_in_capture; /* a block that the child frees then; 0: none */
};

static uint64_t block(const struct fixture *f, unsigned i)
{
	return (uintptr_t)f->pool + 48 + i * BLOCK_BYTES;
}

/* One of libc's: its header says 64 bytes. */
static uint64_t chunk(const struct fixture *f, unsigned i)
{
	return (uintptr_t)f->pool + POOL_BYTES / 2 + 128 * i;
}

static bool text_of(pid_t pid, uint64_t addr, uint8_t text[16])
{
	struct procmem m;

	procmem_init(&m, pid);
	return procmem_read(&m, addr, text, 16) == 0;
}

static bool is_text_clean(const struct fixture *f)
{
	const char *const sites[] = { child_site_alloc, child_site_free };
	uint8_t now[16];

	for (int i = 0; i < 2; i++)
		if (!text_of(f->c.pid, (uintptr_t)sites[i], now) ||
		    memcmp(now, f->text[i], sizeof(now)) != 0)
			return false;
	return true;
}

static int setup(void **state)
{
	struct probes_options o = { .live_max = 1024 };
	struct fixture *f = calloc(1, sizeof(*f));
	struct strbuf why = STRBUF_INIT;
	uint8_t *map = mmap(NULL, 2 * POOL_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pgd_target target = { .state = PGD_TARGET_WATCHED,
				     .mode = PGD_MODE_WINDOWS,
				     .sample_of = 1,
				     .pool_mask = ~(uint64_t)(POOL_BYTES - 1) };

	assert_true(map != MAP_FAILED);
	f->pool = (uint8_t *)(((uintptr_t)map + POOL_BYTES - 1) & ~(uintptr_t)(POOL_BYTES - 1));
	*(uint32_t *)(f->pool + SZIDX_OFFSET) = BLOCK_BYTES / 16 - 1;
	for (unsigned i = 0; i < CHUNKS; i++)
		*(uint64_t *)(chunk(f, i) - 8) = 64 | 1;
	if (probes_open(&o, &f->p, &why) < 0)
		fail_msg("%s", why.buf);
	probes_shared(f->p, &f->shared);
	*state = f;
	f->v[ALLOC] = (struct site){ .offset = child_offset(child_site_alloc),
				     .kind = SITE_POP,
				     .reg = PGD_REG_DI };
	f->v[FREE] = (struct site){ .offset = child_offset(child_site_free),
				    .kind = SITE_PUSH,
				    .reg = PGD_REG_DI };
	f->sites = (struct sites){ .v = f->v, .n = 2 };
	child_start(&f->c);
	assert_true(text_of(f->c.pid, (uintptr_t)child_site_alloc, f->text[ALLOC]));
	assert_true(text_of(f->c.pid, (uintptr_t)child_site_free, f->text[FREE]));
	target.start_ticks = child_start_ticks(f->c.pid);
	target.py.runtime_tstate = PGD_NO_OFFSET;
	target.tss_key = 31; /* nobody's: no thread state, no Python */
	assert_ok(probes_slot_add(f->p, &target, &f->slot));
	assert_ok(shutter_new(f->p, &f->s));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	shutter_free(f->s);
	child_stop(&f->c);
	probes_close(f->p);
	free(f);
	return 0;
}

static void capture(void *userdata, struct pgd_sample *samples, size_t n_max)
{
	struct fixture *f = userdata;

	if (f->free_in_capture)
		child_pass(&f->c, true, f->free_in_capture, 1);
	f->n_samples = 0;
	f->n_captures++;
	for (size_t i = 0; i < n_max; i++)
		if (samples[i].block)
			f->samples[f->n_samples++] = samples[i];
}

static const struct pgd_sample *sampled(const struct fixture *f, uint64_t b)
{
	for (size_t i = 0; i < f->n_samples; i++)
		if (f->samples[i].block == b)
			return &f->samples[i];
	return NULL;
}

/* A window that its time ends. */
static struct shutter_plan *plan(struct fixture *f, enum pgd_gate_state kind)
{
	struct shutter_plan *plan = shutter_plan(f->s);

	assert_non_null(plan);
	memset(plan, 0, sizeof(*plan));
	plan->target = (struct window_target){ .path = "/proc/self/exe",
					       .pid = f->c.pid,
					       .slot = f->slot };
	probes_prog_fds(f->p, plan->target.prog_fds);
	plan->sites = &f->sites;
	memset(plan->on, 1, 2);
	plan->kind = kind;
	plan->hits_max = 1000000;
	plan->wall_max_ns = WALL_NS;
	plan->walk_of = 1u << 30; /* none by chance */
	plan->capture = kind == PGD_GATE_SAMPLE ? capture : NULL;
	plan->userdata = f;
	plan->tids[plan->n_tids++] = f->c.pid;
	return plan;
}

static void open_gate(struct fixture *f)
{
	uint64_t end = clock_monotonic_ns() + 5000 * MS;

	shutter_start(f->s);
	assert_true(shutter_is_busy(f->s));
	assert_null(shutter_plan(f->s));
	while (!__atomic_load_n(&f->shared.gate->state, __ATOMIC_ACQUIRE)) {
		assert_true(clock_monotonic_ns() < end);
		usleep(100);
	}
}

/* Until there is a result. */
static const struct shutter_result *await(struct fixture *f)
{
	struct pollfd pfd = { .fd = shutter_fd(f->s), .events = POLLIN };
	const struct shutter_result *r;

	assert_int_equal(poll(&pfd, 1, 10000), 1);
	r = shutter_take(f->s);
	assert_non_null(r);
	assert_null(shutter_take(f->s));
	assert_false(shutter_is_busy(f->s));
	return r;
}

/* ── a sampling window ────────────────────────────────────────────────────────────────────── */

static void shutter__samples_are_what_is_alive_at_the_end(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;
	const struct pgd_sample *sample;

	plan(f, PGD_GATE_SAMPLE);
	open_gate(f);
	assert_false(is_text_clean(f));
	for (unsigned i = 0; i < 8; i++)
		child_pass(&f->c, false, block(f, i), 1);
	child_pass(&f->c, true, block(f, 2), 1);
	child_pass(&f->c, true, block(f, 5), 1);
	child_pass(&f->c, true, block(f, 100), 1); /* was there before */
	r = await(f);
	assert_ok(r->error);
	assert_false(r->is_late);
	assert_int_equal(r->slot, f->slot);
	assert_int_equal(r->kind, PGD_GATE_SAMPLE);
	assert_int_equal(r->gate.allocs, 8);
	assert_int_equal(r->gate.frees, 3);
	assert_int_equal(r->gate.sampled, 8);
	assert_int_equal(r->gate.walked, 0);
	assert_int_equal(r->gate.crowded, 0);
	assert_int_equal(r->site_hits[ALLOC], 8);
	assert_int_equal(r->site_hits[FREE], 3);
	assert_int_equal(f->n_captures, 1);
	assert_int_equal(f->n_samples, 6);
	assert_null(sampled(f, block(f, 2)));
	assert_null(sampled(f, block(f, 5)));
	sample = sampled(f, block(f, 7));
	assert_non_null(sample);
	assert_int_equal(sample->bytes, BLOCK_BYTES);
	assert_int_equal(sample->lane, PGD_LANE_POOL);
	assert_int_equal(sample->site, ALLOC);
	assert_int_equal(sample->walk, PGD_WALK_LEAF);
	assert_int_equal(sample->stack, 0);
	assert_int_equal(sample->leaf, 0);
	assert_true(is_text_clean(f));
	assert_true(r->own_ns > 0 && r->own_ns < 1000 * MS);
	if (!(r->cpu_ns > 0 && r->cpu_ns < r->gate_ns))
		fail_msg("%.3f ms of %.3f ms", (double)r->cpu_ns / 1e6, (double)r->gate_ns / 1e6);
}

static void shutter__what_dies_during_capture_is_seen(void **state)
{
	struct fixture *f = *state;

	plan(f, PGD_GATE_SAMPLE);
	f->free_in_capture = block(f, 3);
	open_gate(f);
	child_pass(&f->c, false, block(f, 3), 1);
	child_pass(&f->c, false, block(f, 4), 1);
	assert_int_equal(await(f)->gate.sampled, 2);
	assert_int_equal(f->n_samples, 1);
	assert_null(sampled(f, block(f, 3)));
}

static void shutter__block_popped_again_is_the_newer_one(void **state)
{
	struct fixture *f = *state;

	plan(f, PGD_GATE_SAMPLE);
	open_gate(f);
	child_pass(&f->c, false, block(f, 1), 1);
	f->shared.suspects[0] = 1; /* from now on: how to tell them apart */
	child_pass(&f->c, false, block(f, 1), 1);
	assert_int_equal(await(f)->gate.sampled, 2);
	assert_int_equal(f->n_samples, 1);
	assert_int_equal(f->samples[0].walk, PGD_WALK_SUSPECT);
	f->shared.suspects[0] = 0;
}

static void shutter__no_sample_outlives_its_window(void **state)
{
	struct fixture *f = *state;

	plan(f, PGD_GATE_SAMPLE);
	open_gate(f);
	child_pass(&f->c, false, block(f, 1), 1);
	await(f);
	assert_int_equal(f->n_samples, 1);
	plan(f, PGD_GATE_SAMPLE)->wall_max_ns = 20 * MS;
	open_gate(f);
	assert_int_equal(await(f)->window, 2);
	assert_int_equal(f->n_samples, 0);
	assert_int_equal(f->n_captures, 2);
}

static void shutter__walked_samples_have_a_stack(void **state)
{
	static const struct {
		const char *name;
		uint32_t walk_of;
		uint8_t suspect;
		enum pgd_walk want;
	} rows[] = {
		{ "by chance", 1, 0, PGD_WALK_CHANCE },
		{ "suspect", 1u << 30, 1, PGD_WALK_SUSPECT },
		{ "none", 1u << 30, 0, PGD_WALK_LEAF },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool is_walked = rows[i].want != PGD_WALK_LEAF;
		const struct shutter_result *r;

		plan(f, PGD_GATE_SAMPLE)->walk_of = rows[i].walk_of;
		f->shared.suspects[0] = rows[i].suspect;
		open_gate(f);
		for (unsigned k = 0; k < 20; k++)
			child_pass(&f->c, false, block(f, k), 1);
		r = await(f);
		assert_int_equal(r->gate.walked, is_walked ? 20 : 0);
		assert_int_equal(f->n_samples, 20);
		for (unsigned k = 0; k < 20; k++) {
			assert_int_equal(f->samples[k].walk, rows[i].want);
			assert_int_equal(f->samples[k].stack, is_walked ? PGD_STACK_NONE : 0);
			assert_int_equal(f->samples[k].leaf, 0);
		}
	}
}

static void shutter__one_in_walk_of_is_walked(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;

	plan(f, PGD_GATE_SAMPLE)->walk_of = 4;
	open_gate(f);
	for (unsigned k = 0; k < 200; k++)
		child_do(&f->c, CHILD_BOTH, block(f, k), 10);
	r = await(f);
	assert_int_equal(r->gate.sampled, 2000);
	assert_in_range(r->gate.walked, 380, 620); /* 500 are due; 6 sigma */
}

/* Two blocks of one row: the second is not sampled, and said so. */
static void shutter__taken_row_is_counted(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;
	unsigned n = (POOL_BYTES - 48) / BLOCK_BYTES;

	plan(f, PGD_GATE_SAMPLE);
	open_gate(f);
	for (unsigned k = 0; k < n; k++)
		child_pass(&f->c, false, block(f, k), 1);
	r = await(f);
	assert_int_equal(r->gate.sampled + r->gate.crowded, n);
	assert_int_equal(f->n_samples, r->gate.sampled);
	assert_true(r->gate.crowded < n / 10);
}

/* ── its end ──────────────────────────────────────────────────────────────────────────────── */

static void shutter__hits_end_it_early(void **state)
{
	struct fixture *f = *state;
	struct shutter_plan *p = plan(f, PGD_GATE_SAMPLE);
	const struct shutter_result *r;

	p->hits_max = 500;
	p->wall_max_ns = 5000 * MS;
	open_gate(f);
	child_do(&f->c, CHILD_BOTH, block(f, 0), 400);
	r = await(f);
	assert_true(r->gate_ns < 1000 * MS);
	assert_int_equal(r->gate.told, 1);
	assert_in_range(r->gate.allocs + r->gate.frees, 500, 800);
	assert_false(r->is_late);
	/* told to the microsecond, not to the tick: the traps alone are more than 0.1 us each */
	assert_in_range(r->cpu_ns, 500 * 100, r->gate_ns);
}

static void shutter__time_ends_it(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;

	plan(f, PGD_GATE_SAMPLE)->wall_max_ns = 30 * MS;
	shutter_start(f->s);
	r = await(f);
	assert_ok(r->error);
	assert_int_equal(r->gate.told, 0);
	assert_int_equal(r->gate.allocs, 0);
	assert_true(r->gate_ns >= 30 * MS);
	/* 15 ms on an idle machine is much; a test machine may be busy */
	assert_true(r->is_late || r->gate_ns < 30 * MS + SHUTTER_LATE_NS + 100 * MS);
	assert_true(r->shut_ns <= clock_monotonic_ns());
	assert_true(is_text_clean(f));
}

/* Hits behind hits_max or behind the gate are no part of the result. */
static void shutter__nothing_counts_behind_the_gate(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;
	struct pgd_hits hits;

	plan(f, PGD_GATE_SAMPLE)->wall_max_ns = 30 * MS;
	f->free_in_capture = block(f, 9);
	open_gate(f);
	r = await(f);
	assert_int_equal(r->gate.frees, 0);
	assert_ok(probes_hits(f->p, f->slot, &hits));
	assert_int_equal(hits.free, 1); /* what it cost is told here */
	child_pass(&f->c, true, block(f, 9), 5);
	child_pass(&f->c, false, block(f, 9), 5);
	assert_ok(probes_hits(f->p, f->slot, &hits));
	assert_int_equal(hits.free, 1);
	assert_int_equal(hits.alloc, 0);
}

/* Sites on for as long as the test likes. */
static void put_on(struct fixture *f, struct window *w, bool is_rare)
{
	const struct window_pick pick = { .progs = 1u << WINDOW_ON_ALLOC | 1u << WINDOW_ON_FREE,
					  .is_rare = is_rare };
	struct window_target t = { .path = "/proc/self/exe", .pid = f->c.pid, .slot = f->slot };

	probes_prog_fds(f->p, t.prog_fds);
	assert_ok(window_open(w, WINDOW_MULTI, &t, &f->sites, &pick));
}

/* Whoever is late: the kernel side by itself, without a shutter. */
static void gate__nothing_is_sampled_after_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct window w = WINDOW_INIT;
	struct pgd_gate *gate = f->shared.gate;

	put_on(f, &w, false);
	*gate = (struct pgd_gate){ .slot = f->slot,
				   .window = 1,
				   .hits_max = 1000,
				   .walk_of = 4,
				   .deadline_ns = clock_monotonic_ns() + 60000 * MS };
	gate->state = PGD_GATE_SAMPLE;
	child_pass(&f->c, false, block(f, 0), 3);
	assert_int_equal(gate->sampled, 3);
	gate->deadline_ns = clock_monotonic_ns() - 1;
	child_pass(&f->c, false, block(f, 1), 3);
	assert_int_equal(gate->sampled, 3);
	assert_int_equal(gate->allocs, 3);
	gate->deadline_ns = UINT64_MAX;
	gate->slot = f->slot + 1; /* somebody else's window */
	child_pass(&f->c, false, block(f, 1), 3);
	assert_int_equal(gate->sampled, 3);
	gate->state = PGD_GATE_SHUT;
	gate->slot = PGD_SLOT_NONE;
	window_close(&w);
}

/* ── a counting window ────────────────────────────────────────────────────────────────────── */

static void shutter__counting_window_counts_by_site(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;
	struct pgd_hits hits;

	plan(f, PGD_GATE_COUNT);
	open_gate(f);
	child_pass(&f->c, false, block(f, 0), 17);
	child_pass(&f->c, true, block(f, 0), 5);
	r = await(f);
	assert_ok(r->error);
	assert_int_equal(r->kind, PGD_GATE_COUNT);
	assert_int_equal(r->gate.allocs, 22);
	assert_int_equal(r->gate.frees, 0);
	assert_int_equal(r->gate.sampled, 0);
	assert_int_equal(r->site_hits[ALLOC], 17);
	assert_int_equal(r->site_hits[FREE], 5);
	assert_int_equal(f->n_captures, 0);
	assert_ok(probes_hits(f->p, f->slot, &hits));
	assert_int_equal(hits.counted, 22);
	assert_int_equal(hits.alloc + hits.free, 0);
	assert_true(is_text_clean(f));
}

static void shutter__only_sites_of_the_plan_are_on(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;

	plan(f, PGD_GATE_COUNT)->on[ALLOC] = 0;
	open_gate(f);
	child_pass(&f->c, false, block(f, 0), 17);
	child_pass(&f->c, true, block(f, 0), 5);
	r = await(f);
	assert_int_equal(r->gate.allocs, 5);
	assert_int_equal(r->site_hits[ALLOC], 0);

	memset(plan(f, PGD_GATE_COUNT)->on, 0, 2); /* none at all */
	shutter_start(f->s);
	r = await(f);
	assert_ok(r->error);
	assert_int_equal(r->gate_ns, 0);
}

/* ── blocks that are followed between windows ─────────────────────────────────────────────── */

static void shutter__followed_block_that_changes_hands_is_let_go(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 4; i++)
		assert_ok(probes_follow(f->p, f->slot, block(f, i)));
	plan(f, PGD_GATE_SAMPLE);
	f->free_in_capture = block(f, 3);
	open_gate(f);
	child_pass(&f->c, true, block(f, 0), 1); /* freed */
	child_pass(&f->c, false, block(f, 1), 1); /* handed out again */
	await(f);
	assert_false(probes_is_followed(f->p, f->slot, block(f, 0)));
	assert_false(probes_is_followed(f->p, f->slot, block(f, 1)));
	assert_true(probes_is_followed(f->p, f->slot, block(f, 2)));
	assert_false(probes_is_followed(f->p, f->slot, block(f, 3))); /* freed behind the gate */
}

static void rare__followed_block_that_changes_hands_is_let_go(void **state)
{
	struct fixture *f = *state;
	struct window w = WINDOW_INIT;

	for (unsigned i = 0; i < 3; i++)
		assert_ok(probes_follow(f->p, f->slot, block(f, i)));
	put_on(f, &w, true);
	child_pass(&f->c, true, block(f, 0), 1);
	child_pass(&f->c, false, block(f, 1), 1);
	assert_false(probes_is_followed(f->p, f->slot, block(f, 0)));
	assert_false(probes_is_followed(f->p, f->slot, block(f, 1)));
	assert_true(probes_is_followed(f->p, f->slot, block(f, 2)));
	window_close(&w);
}

/* ── rare sites ───────────────────────────────────────────────────────────────────────────── */

struct births {
	struct pgd_birth v[64];
	size_t n;
};

static int on_birth(void *userdata, void *data, size_t n_bytes)
{
	struct births *b = userdata;

	assert_true(n_bytes >= sizeof(struct pgd_birth));
	assert_true(b->n < ARRAY_SIZE(b->v));
	memcpy(&b->v[b->n++], data, sizeof(struct pgd_birth));
	return 0;
}

static void take_births(struct fixture *f, struct births *ret)
{
	struct ring_buffer *ring;

	ret->n = 0;
	ring = ring_buffer__new(probes_births_fd(f->p), on_birth, ret, NULL);
	assert_non_null(ring);
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
}

static void rare__births_are_told_with_their_stack(void **state)
{
	struct fixture *f = *state;
	struct window w = WINDOW_INIT;
	struct births b;

	put_on(f, &w, true);
	for (unsigned i = 0; i < 5; i++)
		child_pass(&f->c, false, block(f, i), 1);
	child_pass(&f->c, false, block(f, 0) + 16, 1); /* no block */
	child_pass(&f->c, true, block(f, 1), 1);
	take_births(f, &b);
	assert_int_equal(b.n, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(b.v[i].what, PGD_BIRTH_BLOCK);
		assert_int_equal(b.v[i].slot, f->slot);
		assert_int_equal(b.v[i].sample.block, block(f, i));
		assert_int_equal(b.v[i].sample.bytes, BLOCK_BYTES);
		assert_int_equal(b.v[i].sample.stack, PGD_STACK_NONE);
		assert_int_equal(b.v[i].sample.walk, PGD_WALK_SUSPECT);
	}
	take_births(f, &b);
	assert_int_equal(b.n, 0);
	window_close(&w);
}

static void rare__hits_are_counted_by_slot_and_site(void **state)
{
	struct fixture *f = *state;
	uint32_t *hits = &f->shared.rare_hits[f->slot * PGD_SITES_MAX];
	struct window w = WINDOW_INIT;

	put_on(f, &w, false);
	child_do(&f->c, CHILD_BOTH, block(f, 0), 5);
	window_close(&w);
	assert_int_equal(hits[ALLOC] + hits[FREE], 0);

	put_on(f, &w, true);
	child_pass(&f->c, false, block(f, 0), 7);
	child_pass(&f->c, true, block(f, 0), 3);
	assert_int_equal(hits[ALLOC], 7);
	assert_int_equal(hits[FREE], 3);
	hits[ALLOC] = 0;
	child_pass(&f->c, false, block(f, 0), 2);
	assert_int_equal(hits[ALLOC], 2);
	hits[ALLOC] = hits[FREE] = 0;
	for (size_t i = 0; i < PGD_TARGETS_MAX * PGD_SITES_MAX; i++)
		assert_int_equal(f->shared.rare_hits[i], 0); /* nobody else's */
	window_close(&w);
}

/* In its own target's window a rare site is counted, and tells births still. */
static void rare__births_are_told_in_a_window_too(void **state)
{
	struct fixture *f = *state;
	struct window w = WINDOW_INIT;
	const struct shutter_result *r;
	struct births b;

	put_on(f, &w, true);
	plan(f, PGD_GATE_SAMPLE)->on[FREE] = 0; /* its links are there twice */
	open_gate(f);
	child_pass(&f->c, false, block(f, 0), 2);
	r = await(f);
	assert_int_equal(r->gate.allocs, 4);
	assert_int_equal(r->gate.sampled, 2);
	take_births(f, &b);
	assert_int_equal(b.n, 2);
	window_close(&w);
}

static void rare__births_say_what_realloc_made_them_of(void **state)
{
	struct fixture *f = *state;
	struct window w = WINDOW_INIT;
	struct births b;

	f->v[ALLOC].kind = SITE_MALLOC;
	f->v[FREE].kind = SITE_REALLOC;
	put_on(f, &w, true);
	child_pass(&f->c, false, chunk(f, 0), 1);
	child_pass(&f->c, true, chunk(f, 0), 1);
	child_pass(&f->c, false, chunk(f, 1), 1); /* moved */
	child_pass(&f->c, true, chunk(f, 1), 1);
	child_pass(&f->c, false, chunk(f, 1), 1); /* in its place */
	child_pass(&f->c, true, 0, 1); /* realloc(NULL, …) */
	child_pass(&f->c, false, chunk(f, 2), 1);
	child_pass(&f->c, false, chunk(f, 0), 1); /* behind no realloc */
	take_births(f, &b);
	assert_int_equal(b.n, 5);
	assert_int_equal(b.v[0].made_of, 0);
	assert_int_equal(b.v[1].made_of, chunk(f, 0));
	assert_int_equal(b.v[1].sample.block, chunk(f, 1));
	assert_int_equal(b.v[2].made_of, chunk(f, 1));
	assert_int_equal(b.v[2].sample.block, chunk(f, 1));
	assert_int_equal(b.v[3].made_of, 0);
	assert_int_equal(b.v[4].made_of, 0);
	window_close(&w);
}

static unsigned count_trips(struct fixture *f)
{
	struct births b;
	unsigned n = 0;

	take_births(f, &b);
	for (size_t i = 0; i < b.n; i++)
		n += b.v[i].what == PGD_BIRTH_TRIP && b.v[i].slot == f->slot;
	return n;
}

static void trip_of_sites_that_are_always_on(struct fixture *f, bool is_rare)
{
	struct pgd_trip *trip = &f->shared.trips[f->slot];
	struct window w = WINDOW_INIT;

	assert_ok(probes_set_mode(f->p, f->slot, is_rare ? PGD_MODE_WINDOWS : PGD_MODE_EXACT));
	put_on(f, &w, is_rare);
	for (int round = 0; round < 2; round++) {
		trip->left = 10;
		trip->told = 0;
		child_do(&f->c, CHILD_BOTH, block(f, 0), 5);
		assert_int_equal(trip->told, 0);
		assert_int_equal(count_trips(f), 0);
		child_do(&f->c, CHILD_BOTH, block(f, 0), 5);
		assert_int_equal(trip->told, 1);
		assert_int_equal(count_trips(f), 1); /* once */
	}
	trip->left = INT64_MAX;
	trip->told = 0;
	child_do(&f->c, CHILD_BOTH, block(f, 0), 5);
	assert_int_equal(count_trips(f), 0);
	window_close(&w);
}

static void rare__trip_is_told_once_and_again_after_a_refill(void **state)
{
	trip_of_sites_that_are_always_on(*state, true);
}

static void exact__trip_is_told_once_and_again_after_a_refill(void **state)
{
	trip_of_sites_that_are_always_on(*state, false);
}

/* Sites of a window are no part of the allowance. */
static void shutter__hits_of_a_window_are_no_trip(void **state)
{
	struct fixture *f = *state;

	f->shared.trips[f->slot].left = 5;
	plan(f, PGD_GATE_SAMPLE);
	open_gate(f);
	child_do(&f->c, CHILD_BOTH, block(f, 0), 20);
	await(f);
	assert_int_equal(f->shared.trips[f->slot].left, 5);
	assert_int_equal(count_trips(f), 0);
}

/* ── targets that end, fork, or become another program ────────────────────────────────────── */

static void shutter__process_that_does_not_exist_is_an_error(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;

	plan(f, PGD_GATE_SAMPLE)->target.pid = 1 << 25;
	shutter_start(f->s);
	r = await(f);
	assert_err(r->error, -ESRCH);
	assert_int_equal(r->gate.sampled, 0);
	assert_int_equal(f->n_captures, 0);
	plan(f, PGD_GATE_COUNT)->target.pid = 1 << 25;
	shutter_start(f->s);
	assert_err(await(f)->error, -ESRCH);

	plan(f, PGD_GATE_SAMPLE)->n_tids = 0; /* nobody's CPU time to be had */
	shutter_start(f->s);
	assert_err(await(f)->error, -ESRCH);
	assert_true(is_text_clean(f));

	plan(f, PGD_GATE_SAMPLE); /* and the next window is as any */
	open_gate(f);
	child_pass(&f->c, false, block(f, 0), 1);
	assert_int_equal(await(f)->gate.sampled, 1);
}

static void shutter__target_killed_in_the_window(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;

	plan(f, PGD_GATE_SAMPLE);
	open_gate(f);
	child_pass(&f->c, false, block(f, 0), 3);
	kill(f->c.pid, SIGKILL);
	waitpid(f->c.pid, NULL, 0);
	r = await(f);
	assert_ok(r->error);
	assert_int_equal(r->gate.allocs, 3);
	assert_true(r->cpu_ns <= r->gate_ns); /* its clock went with it */
	assert_int_equal(f->n_captures, 1);
	close(f->c.go[0]); /* another one, for teardown to stop */
	close(f->c.go[1]);
	close(f->c.done[0]);
	close(f->c.done[1]);
	child_start(&f->c);
}

/* What the child's child says: on a page that the three of us share. */
static struct family {
	_Atomic int pid; /* of the child's child */
	_Atomic unsigned n_turns; /* it passes its sites again and again */
} * family;

static void fork_a_child(uint64_t b)
{
	pid_t pid = fork();

	if (pid) {
		family->pid = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;; usleep(1000), family->n_turns++) {
		child_alloc(b);
		child_free(b);
	}
}

static void shutter__child_of_the_target_is_nobodys(void **state)
{
	struct fixture *f = *state;
	const char *const sites[] = { child_site_alloc, child_site_free };
	const struct shutter_result *r;
	struct pgd_hits hits;
	uint8_t text[16];
	unsigned n;

	plan(f, PGD_GATE_SAMPLE)->wall_max_ns = 300 * MS;
	open_gate(f);
	child_pass(&f->c, false, block(f, 0), 1);
	child_do(&f->c, CHILD_OTHER, block(f, 0), 1);
	child_pass(&f->c, false, block(f, 1), 1);
	while (family->n_turns < 20)
		usleep(1000);
	r = await(f);
	assert_ok(r->error);
	assert_int_equal(r->gate.allocs, 2);
	assert_int_equal(r->gate.frees, 0);
	assert_int_equal(f->n_samples, 2); /* its frees are no deaths of ours */
	assert_ok(probes_hits(f->p, f->slot, &hits));
	assert_int_equal(hits.alloc, 2);
	assert_int_equal(hits.free, 0);
	assert_true(is_text_clean(f));
	for (int i = 0; i < 2; i++) {
		assert_true(text_of(family->pid, (uintptr_t)sites[i], text));
		assert_memory_equal(text, f->text[i], sizeof(text));
	}
	n = family->n_turns;
	usleep(50000);
	assert_true(family->n_turns > n); /* it lives */
	kill(family->pid, SIGKILL);
}

/* The child becomes another program, of the same file, which goes on to obey us. */
static void become_another(const struct child *c)
{
	char go[16], done[16];

	snprintf(go, sizeof(go), "%d", c->go[0]);
	snprintf(done, sizeof(done), "%d", c->done[1]);
	execl("/proc/self/exe", "another", go, done, (char *)NULL);
	_exit(1);
}

static void fork_or_exec(struct child *c, uint64_t b)
{
	if (b)
		fork_a_child(b);
	else
		become_another(c);
}

static int another_main(char **argv)
{
	struct child c = { .go = { atoi(argv[1]), -1 }, .done = { -1, atoi(argv[2]) } };

	if (write(c.done[1], "", 1) == 1) /* for the command that brought us here */
		child_main(&c);
	return 1;
}

/* Where a byte of our file is in a process that runs it. */
static uint64_t address_of(pid_t pid, uint64_t offset)
{
	char path[64], line[512], self[256] = "";
	uint64_t start, stop, at, ret = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	maps = fopen(path, "re");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, self) &&
		    sscanf(line, "%lx-%lx %*s %lx", &start, &stop, &at) == 3 && offset >= at &&
		    offset < at + (stop - start))
			ret = start + (offset - at);
	fclose(maps);
	assert_int_not_equal(ret, 0);
	return ret;
}

static void shutter__target_that_execs_is_nobodys(void **state)
{
	struct fixture *f = *state;
	const struct shutter_result *r;
	enum pgd_target_state now;
	struct pgd_hits hits;
	uint8_t text[16];

	plan(f, PGD_GATE_SAMPLE)->wall_max_ns = 300 * MS;
	open_gate(f);
	child_pass(&f->c, false, block(f, 0), 1);
	child_pass(&f->c, false, block(f, 1), 1);
	child_do(&f->c, CHILD_OTHER, 0, 1);
	child_pass(&f->c, false, block(f, 2), 10);
	child_pass(&f->c, true, block(f, 0), 10);
	r = await(f);
	assert_ok(r->error);
	assert_int_equal(r->gate.allocs, 2);
	assert_int_equal(r->gate.frees, 0);
	assert_ok(probes_hits(f->p, f->slot, &hits));
	assert_int_equal(hits.alloc, 2);
	assert_int_equal(hits.free, 0);
	assert_ok(probes_state(f->p, f->slot, &now));
	assert_int_equal(now, PGD_TARGET_EXECED);
	for (int i = 0; i < 2; i++) {
		assert_true(text_of(f->c.pid, address_of(f->c.pid, f->v[i].offset), text));
		assert_memory_equal(text, f->text[i], sizeof(text));
	}
	child_pass(&f->c, true, block(f, 0), 10); /* it lives */
}

/* ── many ─────────────────────────────────────────────────────────────────────────────────── */

static void shutter__ends_its_window_when_it_is_freed(void **state)
{
	struct fixture *f = *state;

	plan(f, PGD_GATE_SAMPLE)->wall_max_ns = 50 * MS;
	open_gate(f);
	shutter_free(f->s);
	f->s = NULL;
	assert_int_equal(f->n_captures, 1);
	assert_true(is_text_clean(f));
}

static void shutter__windows_one_after_the_other(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 1; i <= 12; i++) {
		bool is_count = i % 3 == 0;
		struct shutter_plan *p = plan(f, is_count ? PGD_GATE_COUNT : PGD_GATE_SAMPLE);
		const struct shutter_result *r;

		p->hits_max = 100;
		p->wall_max_ns = 1000 * MS;
		open_gate(f);
		child_do(&f->c, CHILD_BOTH, block(f, i), 100);
		r = await(f);
		assert_ok(r->error);
		assert_int_equal(r->window, i);
		assert_int_equal(r->kind, is_count ? PGD_GATE_COUNT : PGD_GATE_SAMPLE);
		assert_in_range(r->gate.allocs + r->gate.frees, 100, 200);
		assert_true(is_text_clean(f));
	}
}

static void shutter__kernel_without_uprobe_multi_is_refused(void **state)
{
	struct probes_options o = { .live_max = 1024, .force_perf = true };
	struct strbuf why = STRBUF_INIT;
	struct shutter *s = NULL;
	struct probes *p = NULL;

	(void)state;
	if (probes_open(&o, &p, &why) < 0)
		fail_msg("%s", why.buf);
	assert_err(shutter_new(p, &s), -ENOTSUP);
	assert_null(s);
	shutter_free(NULL);
	probes_close(p);
}

static bool has_multi(void)
{
	struct probes_options o = { .live_max = 1024 };
	struct strbuf why = STRBUF_INIT;
	struct probes *p = NULL;
	bool yes;

	if (probes_open(&o, &p, &why) < 0)
		return true; /* the tests will say why */
	yes = probes_method(p) == WINDOW_MULTI;
	probes_close(p);
	return yes;
}

static void shutter__skipped_without_uprobe_multi(void **state)
{
	(void)state;
	skip();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest none[] = { cmocka_unit_test(
		shutter__skipped_without_uprobe_multi) };
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(shutter__samples_are_what_is_alive_at_the_end),
		T(shutter__what_dies_during_capture_is_seen),
		T(shutter__block_popped_again_is_the_newer_one),
		T(shutter__no_sample_outlives_its_window),
		T(shutter__walked_samples_have_a_stack),
		T(shutter__one_in_walk_of_is_walked),
		T(shutter__taken_row_is_counted),
		T(shutter__hits_end_it_early),
		T(shutter__time_ends_it),
		T(shutter__nothing_counts_behind_the_gate),
		T(gate__nothing_is_sampled_after_the_deadline),
		T(shutter__counting_window_counts_by_site),
		T(shutter__only_sites_of_the_plan_are_on),
		T(shutter__followed_block_that_changes_hands_is_let_go),
		T(rare__followed_block_that_changes_hands_is_let_go),
		T(rare__births_are_told_with_their_stack),
		T(rare__hits_are_counted_by_slot_and_site),
		T(rare__births_are_told_in_a_window_too),
		T(rare__births_say_what_realloc_made_them_of),
		T(rare__trip_is_told_once_and_again_after_a_refill),
		T(exact__trip_is_told_once_and_again_after_a_refill),
		T(shutter__hits_of_a_window_are_no_trip),
		T(shutter__process_that_does_not_exist_is_an_error),
		T(shutter__target_killed_in_the_window),
		T(shutter__child_of_the_target_is_nobodys),
		T(shutter__target_that_execs_is_nobodys),
		T(shutter__ends_its_window_when_it_is_freed),
		T(shutter__windows_one_after_the_other),
		cmocka_unit_test(shutter__kernel_without_uprobe_multi_is_refused),
	};

	if (argc == 3)
		return another_main(argv);
	if (!has_multi())
		return cmocka_run_group_tests_name("shutter", none, NULL, NULL);
	child_other = fork_or_exec;
	family = mmap(NULL, sizeof(*family), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return cmocka_run_group_tests_name("shutter", tests, NULL, NULL);
}
