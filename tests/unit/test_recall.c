/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/recall.c: a history of the last minutes, a stack table that begins anew, and
 * processes that were there before, or were not. The clocks are real, ticks are as they say.
 */
#include <math.h>

#include "daemon/recall.h"
#include "lib/clock.h"
#include "historyfix.h"

#define HELD \
	1e6 /* by a stack at the first tick of the daemon before, and 7 bytes/s more after it */

struct daemon {
	struct stacktab *stacks;
	struct watch watches[2], *list[2];
	struct pipeline pipeline;
	struct recall recall;
	double start_sec; /* Unix time: the first tick of the one before */
	double now_sec; /* monotonic: of the last tick */
};

/* Begun so long ago. */
static void watch_init(struct watch *w, uint32_t slot, double age_sec)
{
	double boot_sec = (double)clock_ns(CLOCK_BOOTTIME) / 1e9;

	*w = (struct watch){ .pid = 100 + (pid_t)slot, .slot = slot };
	w->cmdline = (char *)"python3 app.py";
	snprintf(w->build_id, sizeof(w->build_id), "0123abcd");
	w->start_ticks = (uint64_t)(fmax(boot_sec - age_sec, 0) * (double)sysconf(_SC_CLK_TCK));
}

/* What a daemon wrote that ended half a minute ago, after 5 minutes, each 10 s. */
static void fill_before(struct fixture *f, struct daemon *d, size_t n_stacks)
{
	d->start_sec = floor(clock_realtime_sec() / 10) * 10 - 330;
	for (int i = 0; i < 30; i++) {
		for (size_t k = 0; k < n_stacks; k++)
			f->stacks[k].live_bytes = HELD + 70 * i;
		f->snapshot.n_stacks = n_stacks;
		assert_ok(history_add(f->h, &f->snapshot, d->start_sec + i * 10));
	}
	reopen(f, clock_realtime_sec());
}

static void daemon_init(struct fixture *f, struct daemon *d, double interval_sec)
{
	assert_ok(stacktab_new(&d->stacks));
	for (int i = 0; i < 2; i++) {
		watch_init(&d->watches[i], (uint32_t)i, 1000);
		d->list[i] = &d->watches[i];
	}
	d->pipeline = (struct pipeline){ .stacks = d->stacks, .watches = d->list, .n_watches = 1 };
	d->now_sec = clock_monotonic_sec();
	recall_begin(&d->recall, f->h, d->stacks, 10, interval_sec);
}

/* One interval in which each stack holds so much; ids are those of its frames. */
static void tick(struct daemon *d, double now_sec, size_t n_stacks, uint32_t slot, int64_t bytes)
{
	stacktab_begin(d->stacks);
	for (size_t k = 0; k < n_stacks; k++) {
		const struct pgd_stack_key key = { .slot = slot, .hash = k + 2 };
		const struct pgd_stack_total total = { .live_bytes = bytes, .live_blocks = 1 };
		struct snapshot_frame frame = frames[0];

		frame.line = (int)k + 1;
		assert_ok(stacktab_add(d->stacks, &key, &frame, 1, false, clock_realtime_sec()));
		assert_ok(stacktab_account(d->stacks, &key, &total, false));
	}
	stacktab_end(d->stacks, now_sec);
	recall_tick(&d->recall, &d->pipeline);
}

static struct stack *stack_at(const struct daemon *d, uint32_t slot, size_t k)
{
	const struct pgd_stack_key key = { .slot = slot, .hash = k + 2 };
	struct stack *stack = stacktab_find(d->stacks, &key);

	assert_non_null(stack);
	return stack;
}

static struct series_rate rate_of(const struct daemon *d, uint32_t slot, size_t k)
{
	return series_rate(stacktab_series(d->stacks, stack_at(d, slot, k)), SERIES_RATE_POINTS);
}

/* The ids that the table will give. */
static void ids_take(struct fixture *f, size_t n_stacks)
{
	struct daemon d = { 0 };

	assert_ok(stacktab_new(&d.stacks));
	d.pipeline.stacks = d.stacks;
	tick(&d, 1, n_stacks, 0, 1);
	for (size_t k = 0; k < n_stacks; k++)
		f->stacks[k].id = stack_at(&d, 0, k)->id;
	stacktab_free(d.stacks);
}

static void need_uptime(void)
{
	if (clock_ns(CLOCK_BOOTTIME) < 1200 * 1000000000ull) {
		print_message("skipped: this machine has not run for 20 minutes\n");
		skip();
	}
}

static void recall__the_rate_is_known_at_once(void **state)
{
	struct fixture *f = *state;
	struct series_rate rate;
	struct daemon d = { 0 };

	need_uptime();
	ids_take(f, 2);
	fill_before(f, &d, 1);
	daemon_init(f, &d, 10);
	tick(&d, d.now_sec, 2, 0, 300);
	rate = rate_of(&d, 0, 0);
	assert_true(fabs(rate.bytes_per_sec - 7) < 1e-3 && rate.error < 1e-2);
	assert_true(fabs(stack_at(&d, 0, 0)->since_sec - d.start_sec) < 1);
	/* One that the history does not know held nothing. */
	assert_true(rate_of(&d, 0, 1).bytes_per_sec == 0);
	assert_true(stack_at(&d, 0, 1)->since_sec > clock_realtime_sec() - 60);
	/* Its new points take over. */
	for (int i = 1; i < 31; i++)
		tick(&d, d.now_sec + i * 10, 2, 0, 300 + 20 * i);
	assert_true(fabs(rate_of(&d, 0, 0).bytes_per_sec - 2) < 1e-3);
	stacktab_free(d.stacks);
}

static void recall__another_process_has_no_part_in_it(void **state)
{
	struct fixture *f = *state;
	struct daemon d = { 0 };

	need_uptime();
	ids_take(f, 1);
	fill_before(f, &d, 1);
	daemon_init(f, &d, 10);
	watch_init(&d.watches[0], 0, -1); /* started after us */
	tick(&d, d.now_sec, 1, 0, 300);
	assert_true(rate_of(&d, 0, 0).bytes_per_sec == 0);
	assert_true(stack_at(&d, 0, 0)->since_sec > clock_realtime_sec() - 60);
	stacktab_free(d.stacks);

	/* One that came in the middle of it has what came after that. */
	daemon_init(f, &d, 10);
	watch_init(&d.watches[0], 0, 100);
	tick(&d, d.now_sec, 1, 0, 300);
	assert_true(fabs(stack_at(&d, 0, 0)->since_sec - clock_realtime_sec() + 100) < 5);
	stacktab_free(d.stacks);
	daemon_init(f, &d, 10);
	d.watches[0].cmdline = (char *)"python3 other.py";
	tick(&d, d.now_sec, 1, 0, 300);
	assert_true(rate_of(&d, 0, 0).bytes_per_sec == 0);
	stacktab_free(d.stacks);
}

static void recall__workers_have_equal_parts(void **state)
{
	struct fixture *f = *state;
	struct daemon d = { 0 };

	need_uptime();
	ids_take(f, 1);
	fill_before(f, &d, 1);
	daemon_init(f, &d, 10);
	d.pipeline.n_watches = 2;
	tick(&d, d.now_sec, 1, 0, 300);
	tick(&d, d.now_sec + 10, 1, 1, 300);
	assert_true(fabs(rate_of(&d, 1, 0).bytes_per_sec - 3.5) < 0.2);
	stacktab_free(d.stacks);
}

static void recall__a_tick_does_not_look_up_thousands(void **state)
{
	enum {
		STACKS = 3 * RECALL_STACKS_MAX / 2
	};
	struct fixture *f = *state;
	struct daemon d = { 0 };

	need_uptime();
	ids_take(f, STACKS);
	fill_before(f, &d, STACKS);
	daemon_init(f, &d, 10);
	for (int i = 0; i < 2; i++) {
		size_t n_known = 0;

		tick(&d, d.now_sec + i * 10, STACKS, 0, 300);
		for (size_t k = 0; k < STACKS; k++)
			n_known += rate_of(&d, 0, k).bytes_per_sec > 6;
		assert_int_equal(n_known, i ? STACKS : RECALL_STACKS_MAX);
	}
	stacktab_free(d.stacks);
}

static void recall__without_a_history_or_too_long_after_it_goes_on(void **state)
{
	struct fixture *f = *state;
	struct daemon d = { 0 };
	struct history *h = f->h;

	need_uptime();
	ids_take(f, 1);
	fill_before(f, &d, 1);
	h = f->h;
	f->h = NULL;
	daemon_init(f, &d, 10);
	tick(&d, d.now_sec, 1, 0, 300);
	assert_true(isnan(rate_of(&d, 0, 0).bytes_per_sec));
	stacktab_free(d.stacks);
	f->h = h;
	assert_ok(stacktab_new(&d.stacks));
	d.pipeline.stacks = d.stacks;
	recall_begin(&d.recall, f->h, d.stacks, 0.01, 0.1); /* looks back for 6 s */
	tick(&d, clock_monotonic_sec(), 1, 0, 300);
	assert_true(isnan(rate_of(&d, 0, 0).bytes_per_sec));
	assert_true(fabs(stack_at(&d, 0, 0)->since_sec - d.start_sec) <
		    1); /* is known all the same */
	stacktab_free(d.stacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(recall__the_rate_is_known_at_once),
		WITH_DIR(recall__another_process_has_no_part_in_it),
		WITH_DIR(recall__workers_have_equal_parts),
		WITH_DIR(recall__a_tick_does_not_look_up_thousands),
		WITH_DIR(recall__without_a_history_or_too_long_after_it_goes_on),
	};

	return cmocka_run_group_tests_name("recall", tests, NULL, NULL);
}
