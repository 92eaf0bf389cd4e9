/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/history.c and what each tick does, history_fill.c and history_tick.c: what
 * is added is there, in the right points of the right levels. What goes again: test_history_trim.c.
 */
#include <math.h>

#include "lib/clock.h"
#include "historyfix.h"

/* Every point of every level against the plain arithmetic, over a restart in mid-minute. */
static void history__levels_are_exact_means_and_peaks(void **state)
{
	enum {
		TICKS = 3 * 360
	};
	struct fixture *f = *state;
	static double live[TICKS];
	struct history_series s;
	uint64_t seed = 1;
	size_t n_level[3] = { 0 };

	f->options.levels[0].keep_sec = 1800;
	f->options.levels[1].keep_sec = 5400;
	for (int i = 0; i < TICKS; i++) {
		live[i] = (double)(random_next(&seed) % 100000000 + 1);
		f->stacks[0].live_bytes_error = 10.0 * (i % 7);
		if (i % 250 == 0)
			reopen(f, T0 + i * 10);
		add(f, T0 + i * 10 + 3, live[i]);
	}
	for (int from = 0; from < TICKS; from += 200) {
		assert_ok(history_series(f->h, f->stacks[0].id, HISTORY_PROCESS_ANY, T0 + from * 10,
					 T0 + TICKS * 10, &s));
		for (size_t k = 0; k < s.n; k++) {
			const struct history_point *p = &s.points[k];
			int n = (int)p->step_sec / 10, first;
			double sum = 0, peak = 0, error = 0;

			first = (int)((p->time_sec - T0) / p->step_sec) * n;
			for (int i = first; i < first + n; i++) {
				sum += live[i];
				error += 10.0 * (i % 7);
				peak = fmax(peak, live[i]);
			}
			assert_true(p->live_bytes == sum / n);
			assert_true(fabs(p->live_error - error / n) < 1e-9);
			assert_true(p->peak_bytes == peak);
			/* Ticks come 3 s after their step begins: their mean does, too. */
			assert_true(fabs(p->time_sec - (T0 + first * 10 + 3 + (n - 1) * 5)) < 1e-3);
			assert_true(k == 0 || p->time_sec > p[-1].time_sec);
			n_level[n == 1 ? 0 : n == 6 ? 1 : 2]++;
		}
		assert_true(s.points[0].time_sec <= T0 + from * 10 + 900);
		assert_true(s.points[s.n - 1].time_sec == T0 + (TICKS - 1) * 10 + 3);
		history_series_done(&s);
	}
	assert_true(n_level[0] > 0 && n_level[1] > 0 && n_level[2] > 0);
}

static void history__ticks_of_one_step_are_one_point(void **state)
{
	struct fixture *f = *state;
	struct history_series s;

	add(f, T0 + 1, 100);
	add(f, T0 + 2, 101);
	add(f, T0 + 9, 0); /* held nothing: counts */
	add(f, T0 + 10, 7);
	add(f, T0 + 3, 203); /* the clock was set back */
	assert_ok(history_series(f->h, f->stacks[0].id, key_of(f), T0, T0 + 100, &s));
	assert_int_equal(s.n, 2);
	assert_true(s.points[0].live_bytes == 101 && s.points[0].peak_bytes == 203);
	assert_true(s.points[0].time_sec == T0 + 3.75);
	assert_true(s.points[1].live_bytes == 7);
	history_series_done(&s);
	assert_err(history_series(f->h, 77, 0, T0, T0 + 100, &s), -ENOENT);
	assert_err(history_series(f->h, f->stacks[0].id, 77, T0, T0 + 100, &s), -ENOENT);
	assert_err(history_series(f->h, f->stacks[0].id, 0, T0 + 100, T0, &s), -ENOENT);
	assert_err(history_series(f->h, f->stacks[0].id, 0, NAN, NAN, &s), -ENOENT);
}

static void history__the_smallest_stacks_are_other(void **state)
{
	struct fixture *f = *state;
	struct history_snapshot s;
	double sum = 0;

	f->options.stacks_max = 10;
	reopen(f, T0);
	f->snapshot.n_stacks = 30;
	for (int i = 0; i < 30; i++)
		f->stacks[i].live_bytes = 100 + i;
	f->stacks[29].pid = 999; /* of no process that is there: ignored */
	f->stacks[28].live_bytes = NAN;
	f->stacks[27].live_bytes = -5;
	assert_ok(history_add(f->h, &f->snapshot, T0));
	assert_ok(history_snapshot_at(f->h, T0, &s));
	assert_int_equal(s.n, 10);
	for (size_t i = 0; i < s.n; i++)
		sum += s.stacks[i].live_bytes;
	assert_true(sum == 10 * 117 + 45);
	assert_int_equal(s.other_cnt, 17);
	assert_true(s.other_bytes == 17 * 100 + 16 * 17 / 2);
	assert_true(s.floor_bytes == 116);
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_OTHER), 17);
	history_snapshot_done(&s);
}

static void history__too_many_new_stacks_wait(void **state)
{
	struct fixture *f = *state;
	struct history_snapshot s;

	f->snapshot.n_stacks = HISTORY_NEW_MAX * 2 + 50;
	for (size_t i = 0; i < f->snapshot.n_stacks; i++)
		f->stacks[i].live_bytes = 1000 + (double)i;
	for (int tick = 1; tick <= 3; tick++) {
		assert_ok(history_add(f->h, &f->snapshot, T0 + tick * 10));
		assert_ok(history_snapshot_at(f->h, T0 + tick * 10, &s));
		assert_int_equal(s.n, tick < 3 ? (size_t)(HISTORY_NEW_MAX * tick)
					       : f->snapshot.n_stacks);
		assert_int_equal(s.n + s.other_cnt, f->snapshot.n_stacks);
		history_snapshot_done(&s);
	}
	assert_int_equal(history_counter_get(f->h, HISTORY_COUNTER_DEFERRED),
			 HISTORY_NEW_MAX + 50 + 50);
}

static void history__workers_of_a_service_are_one(void **state)
{
	struct fixture *f = *state;
	struct history_series s;
	struct snapshot_process a = f->processes[0], b = a;

	f->snapshot.n_stacks = 3;
	for (int i = 0; i < 3; i++) {
		f->stacks[i] = f->stacks[0];
		f->stacks[i].pid = 100 + i;
		f->stacks[i].live_bytes = 1000;
		f->stacks[i].live_bytes_error = 30 + 10 * (i == 1);
	}
	f->processes[2].cmdline = "python3 other.py";
	assert_ok(history_add(f->h, &f->snapshot, T0));
	assert_ok(history_series(f->h, f->stacks[0].id, key_of(f), T0, T0 + 1, &s));
	assert_true(s.points[0].live_bytes == 2000 && s.points[0].live_error == 50);
	history_series_done(&s);
	assert_ok(history_series(f->h, f->stacks[0].id, HISTORY_PROCESS_ANY, T0, T0 + 1, &s));
	assert_true(s.points[0].live_bytes == 3000);
	history_series_done(&s);

	a.unit = b.unit = "shop.service";
	b.cmdline = "gunicorn: worker";
	assert_true(history_process_key(&a) == history_process_key(&b));
	a.unit = b.unit = "session-3.scope";
	assert_true(history_process_key(&a) != history_process_key(&b));
	b = a;
	b.unit = "session-4.scope";
	assert_true(history_process_key(&a) == history_process_key(&b));
	b.build_id = NULL;
	assert_true(history_process_key(&a) != history_process_key(&b));
}

static void history__two_daemons_do_not_share_a_directory(void **state)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct fixture *f = *state;
	struct history *second = NULL;

	assert_err(history_open(&f->options, T0, &why, &second), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(why.buf, "another pygrowd keeps its history in"));
	add(f, T0, 5);
}

static void history__options_that_cannot_be_are_refused(void **state)
{
	struct fixture *f = *state;
	struct history_options rows[8];
	struct history *h = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		rows[i] = f->options;
	rows[0].max_bytes = HISTORY_BYTES_MIN - 1;
	rows[1].stacks_max = 0;
	rows[2].stacks_max = HISTORY_STACKS_MAX + 1;
	rows[3].levels[0].step_sec = 0;
	rows[4].levels[1].step_sec = 65;
	rows[5].levels[1].step_sec = 10;
	rows[6].levels[0].keep_sec = 119;
	rows[7].levels[2].step_sec = 30;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

		assert_err(history_open(&rows[i], T0, &why, &h), -EINVAL);
		assert_non_null(strstr(why.buf, "history: "));
		assert_null(strchr(why.buf, '\n'));
	}
	assert_err(history_add(f->h, &f->snapshot, NAN), -EINVAL);
	assert_err(history_add(f->h, &f->snapshot, -1), -EINVAL);
	assert_err(history_add(f->h, &f->snapshot, 1e300), -EINVAL);
}

/* A tick may cost 20 ms of CPU; sanitizers cost about five times that. */
static void history__a_tick_of_2000_stacks_is_cheap(void **state)
{
	static struct snapshot_frame deep[2000][30];
	uint64_t most = 0, sum = 0, before, limit = 100000000;
	struct fixture *f = *state;
	enum {
		TICKS = 120
	};

#ifdef NO_SANITIZER
	limit = 20000000;
#endif
	f->snapshot.n_stacks = 2000;
	for (size_t i = 0; i < 2000; i++) {
		for (size_t k = 0; k < 30; k++)
			deep[i][k] =
				(struct snapshot_frame){ "Class.method", "/srv/app/module.py",
							 (int)(i * (k < 3) + k * 10000), true };
		f->stacks[i].frames = deep[i];
		f->stacks[i].n_frames = 30;
		f->stacks[i].live_bytes_error = 5000;
	}
	for (int tick = 0; tick < TICKS; tick++) {
		for (size_t i = 0; i < 2000; i++)
			f->stacks[i].live_bytes = 1e6 + (double)(i * 100 + (size_t)tick * 1000);
		before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		assert_ok(history_add(f->h, &f->snapshot, T0 + 600 + tick * 10));
		before = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
		most = before > most ? before : most;
		sum += before;
	}
	print_message("2,000 stacks: %.2f ms of CPU a tick, %.2f ms at most, %.1f KiB a tick\n",
		      (double)sum / TICKS / 1e6, (double)most / 1e6,
		      (double)history_bytes(f->h) / 1024 / TICKS);
	assert_true(most < limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(history__levels_are_exact_means_and_peaks),
		WITH_DIR(history__ticks_of_one_step_are_one_point),
		WITH_DIR(history__the_smallest_stacks_are_other),
		WITH_DIR(history__too_many_new_stacks_wait),
		WITH_DIR(history__workers_of_a_service_are_one),
		WITH_DIR(history__two_daemons_do_not_share_a_directory),
		WITH_DIR(history__options_that_cannot_be_are_refused),
		WITH_DIR(history__a_tick_of_2000_stacks_is_cheap),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
