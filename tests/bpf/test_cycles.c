/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_cycles.c — sites on and off, again and again, in a process that runs through them.
 *
 * The child computes the same sum over and over with both sites in its loop, and checks it. 10,000
 * cycles (CYCLES=N in the environment: so many): each waits for grace periods of the kernel's, 60
 * to 100 ms, so several threads make them at a time, as windows and rare sites overlap. A machine
 * that has not made them in CYCLES_SEC_MAX says how many it did, and the test counts as skipped.
 * Needs root.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "bpfchild.h"
#include "lib/clock.h"
#include "lib/strbuf.h"
#include "target/procmem.h"

#define CYCLES	       10000
#define CYCLES_SEC_MAX 90 /* make test-bpf gives us two minutes; that many take 45 s */
#define THREADS	       24
#define ROUNDS	       64 /* of a sum */
#define SLOWER_MAX     1.1
#define SPEED_TRIES    40 /* another process may disturb a measurement, none makes us faster */
#define NS_PER_SEC     1e9

/* What the child says of itself, on a page that we share. */
static struct self_check {
	_Atomic uint64_t n_sums, n_wrong;
} * self;

struct cycler {
	pthread_t thread;
	struct probes *p;
	struct window_target target;
	const struct sites *sites;
	uint64_t n, n_failed;
	_Atomic int64_t *left; /* cycles that nobody has begun; all threads' */
	uint64_t end_ns;
	bool is_count;
};

/* Integers and floats in many registers, flags and the stack, with the sites in between. */
static __attribute__((noinline, noclone)) uint64_t sum(uint64_t seed, bool with_sites)
{
	uint64_t a = seed, b = seed ^ 0x5555, c = 3, d = 7;
	double x = 1.5, y = (double)(seed & 0xff);

	for (uint64_t i = 0; i < ROUNDS; i++) {
		a ^= a << 13, a ^= a >> 7, a ^= a << 17;
		if (with_sites)
			child_alloc(64 + (a & 0xfff0));
		b += a * 0x9e3779b97f4a7c15ull + c;
		c = (c << 5 | c >> 59) ^ d;
		x = x * 1.0000001 + y;
		if (with_sites)
			child_free(64 + (b & 0xfff0));
		d += b > a ? c : i;
		y = y * 0.5 + (double)(d & 0xffff);
	}
	return a ^ b ^ c ^ d ^ (uint64_t)x ^ (uint64_t)y;
}

static void compute(struct child *c, uint64_t seed)
{
	uint64_t want = sum(seed, false);

	(void)c;
	if (write(c->done[1], "", 1) != 1)
		_exit(1);
	for (;; self->n_sums++)
		self->n_wrong += sum(seed, true) != want;
}

static void *cycle(void *arg)
{
	struct cycler *c = arg;
	const struct window_pick pick = {
		.progs = c->is_count ? 1u << WINDOW_ON_COUNT
				     : 1u << WINDOW_ON_ALLOC | 1u << WINDOW_ON_FREE,
	};

	while (clock_monotonic_ns() < c->end_ns && (*c->left)-- > 0) {
		struct window w = WINDOW_INIT;

		c->n_failed +=
			window_open(&w, probes_method(c->p), &c->target, c->sites, &pick) < 0;
		window_close(&w);
		c->n++;
	}
	return NULL;
}

/* Sums a second of the child's CPU time: the best of several measurements. */
static double speed(pid_t pid, double enough)
{
	double best = 0;
	clockid_t clock;

	assert_ok(clock_getcpuclockid(pid, &clock));
	for (int i = 0; i < SPEED_TRIES && (i < 10 || best < enough); i++) {
		uint64_t n = self->n_sums;
		struct timespec from, to;
		double per_sec;

		clock_gettime(clock, &from);
		usleep(50000);
		clock_gettime(clock, &to);
		per_sec = (double)(self->n_sums - n) /
			  ((double)(to.tv_sec - from.tv_sec) +
			   (double)(to.tv_nsec - from.tv_nsec) / NS_PER_SEC);
		if (per_sec > best)
			best = per_sec;
	}
	return best;
}

static void read_text(pid_t pid, uint8_t text[2][16])
{
	struct procmem m;

	procmem_init(&m, pid);
	assert_ok(procmem_read(&m, (uintptr_t)child_site_alloc, text[0], 16));
	assert_ok(procmem_read(&m, (uintptr_t)child_site_free, text[1], 16));
}

static void cycles__leave_the_target_as_it_was(void **state)
{
	const char *wanted = getenv("CYCLES");
	struct probes_options o = { .live_max = 1024 };
	struct strbuf why = STRBUF_INIT;
	struct site v[2] = {
		{ .offset = child_offset(child_site_alloc), .kind = SITE_POP, .reg = PGD_REG_DI },
		{ .offset = child_offset(child_site_free), .kind = SITE_PUSH, .reg = PGD_REG_DI }
	};
	const struct sites sites = { .v = v, .n = 2 };
	struct cycler cyclers[THREADS] = { 0 };
	uint8_t before[2][16], after[2][16];
	const int64_t n_wanted = wanted ? strtoll(wanted, NULL, 10) : CYCLES;
	const uint64_t end_ns = clock_monotonic_ns() + CYCLES_SEC_MAX * 1000000000ull;
	_Atomic int64_t left = n_wanted;
	uint64_t n = 0, n_failed = 0, n_sums;
	double speed_before, speed_after;
	struct pgd_hits hits;
	uint64_t n_hits = 0;
	struct probes *p = NULL;
	struct child c;

	(void)state;
	if (probes_open(&o, &p, &why) < 0)
		fail_msg("%s", why.buf);
	child_other = compute;
	child_start(&c);
	child_do(&c, CHILD_OTHER, 12345, 1);
	read_text(c.pid, before);
	speed_before = speed(c.pid, INFINITY);

	for (unsigned i = 0; i < THREADS; i++) {
		struct pgd_target target = { .state = PGD_TARGET_WATCHED,
					     .mode = i % 2 ? PGD_MODE_WINDOWS : PGD_MODE_EXACT,
					     .sample_of = 1,
					     .start_ticks = child_start_ticks(c.pid) };

		cyclers[i] = (struct cycler){ .p = p,
					      .target = { .path = "/proc/self/exe", .pid = c.pid },
					      .sites = &sites,
					      .left = &left,
					      .end_ns = wanted ? UINT64_MAX : end_ns,
					      .is_count = i % 3 == 0 };
		assert_ok(probes_slot_add(p, &target, &cyclers[i].target.slot));
		probes_prog_fds(p, cyclers[i].target.prog_fds);
		assert_ok(pthread_create(&cyclers[i].thread, NULL, cycle, &cyclers[i]));
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(cyclers[i].thread, NULL);
		assert_ok(probes_hits(p, cyclers[i].target.slot, &hits));
		n += cyclers[i].n;
		n_failed += cyclers[i].n_failed;
		n_hits += hits.alloc + hits.free + hits.counted;
	}
	print_message("%llu cycles, %llu hits\n", (unsigned long long)n,
		      (unsigned long long)n_hits);
	assert_int_equal(n_failed, 0);
	assert_true(n > 100);
	assert_true(n_hits > n); /* it was running through them */

	read_text(c.pid, after);
	assert_memory_equal(before, after, sizeof(before));
	n_sums = self->n_sums;
	speed_after = speed(c.pid, speed_before);
	assert_true(self->n_sums > n_sums);
	assert_int_equal(self->n_wrong, 0);
	if (speed_after * SLOWER_MAX < speed_before)
		fail_msg("%.0f sums a second before, %.0f after", speed_before, speed_after);
	child_stop(&c);
	probes_close(p);
	if ((int64_t)n < n_wanted) {
		print_message("only %llu of %lld in %d s\n", (unsigned long long)n,
			      (long long)n_wanted, CYCLES_SEC_MAX);
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cycles__leave_the_target_as_it_was),
	};

	self = mmap(NULL, sizeof(*self), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests_name("cycles", tests, NULL, NULL);
}
