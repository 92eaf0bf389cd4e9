/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/past.c, and what answer.c makes of it: growth since a moment, of the daemon's
 * memory and of the history, over restarts, of workers, of what is gone.
 */
#include <math.h>

#include "historyfix.h"
#include "report/answer.h"
#include "report/past.h"

static const struct snapshot_stack *stack_of(const struct past *p, uint64_t id, pid_t pid)
{
	for (size_t i = 0; i < p->snapshot.n_stacks; i++)
		if (p->snapshot.stacks[i].id == id && p->snapshot.stacks[i].pid == pid)
			return &p->snapshot.stacks[i];
	fail_msg("no stack %llx of pid %d", (unsigned long long)id, pid);
	return NULL;
}

/* Ticks 10 s apart, the first stack as f(i) says; the last one is the snapshot's. */
static void ticks(struct fixture *f, int first, int end, double (*live)(int i))
{
	for (int i = first; i < end; i++) {
		f->stacks[0].since = T0;
		f->snapshot.at = T0 + i * 10;
		add(f, f->snapshot.at, live(i));
	}
}

static double steady(int i)
{
	return 1000 + 70 * i;
}

/* What a daemon knows that was started anew at tick 200. */
static double restarted(int i)
{
	return i < 200 ? 1e6 + 70 * i : 70 * (i - 200);
}

static void past__growth_is_of_the_time_since(void **state)
{
	struct fixture *f = *state;
	const struct snapshot_stack *s;
	struct past past;

	ticks(f, 0, 400, steady);
	for (double back = 100; back <= 3900; back += 760) {
		assert_ok(past_new(&f->snapshot, f->h, f->snapshot.at - back, &past));
		s = stack_of(&past, f->stacks[0].id, 100);
		assert_true(fabs(s->growth_bytes_per_second - 7) < 1e-3 && s->growth_error < 1e-2);
		assert_true(s->n_history >= 9 && s->n_history <= PAST_MOMENTS_MAX);
		assert_int_equal(s->n_history, past.snapshot.n_history);
		assert_true(fabs(s->history[0] - steady(0) - 7 * (past.since_sec - T0)) < 1);
		assert_true(s->history[s->n_history - 1] == f->stacks[0].live_bytes);
		assert_true(fabs(f->snapshot.at - back - past.since_sec) < back / 10 + 10);
		past_done(&past);
	}
	/* Longer than is known: as far as is known, and that is said. */
	assert_ok(past_new(&f->snapshot, f->h, 1000, &past));
	assert_true(past.since_sec >= T0 && past.since_sec < T0 + 900);
	past_done(&past);
}

static void past__a_restart_is_no_drop(void **state)
{
	struct fixture *f = *state;
	const struct snapshot_stack *s;
	struct past past;

	ticks(f, 0, 200, restarted);
	reopen(f, T0 + 2000);
	ticks(f, 200, 260, restarted);
	assert_ok(past_new(&f->snapshot, f->h, T0, &past));
	s = stack_of(&past, f->stacks[0].id, 100);
	assert_true(fabs(s->growth_bytes_per_second - 7) < 1e-3);
	for (size_t i = 1; i < s->n_history; i++)
		assert_true(s->history[i] > s->history[i - 1]);
	past_done(&past);
	/* Not even before the first tick of the one that is asked. */
	reopen(f, T0 + 2600);
	f->snapshot.at = T0 + 2605;
	f->stacks[0].live_bytes = 0;
	assert_ok(past_new(&f->snapshot, f->h, T0, &past));
	s = stack_of(&past, f->stacks[0].id, 100);
	assert_true(fabs(s->growth_bytes_per_second - 7) < 1e-3);
	past_done(&past);
}

static void past__workers_share_what_they_held_together(void **state)
{
	struct fixture *f = *state;
	struct past past;

	f->snapshot.n_stacks = 3;
	for (int k = 0; k < 3; k++) {
		f->stacks[k] = f->stacks[0];
		f->stacks[k].pid = 100 + k;
		f->stacks[k].since = T0;
	}
	f->processes[2].cmdline = "python3 other.py";
	for (int i = 0; i < 200; i++) {
		f->stacks[0].live_bytes = 100 * i;
		f->stacks[1].live_bytes = 300 * i;
		f->stacks[2].live_bytes = 900 * i;
		f->snapshot.at = T0 + i * 10;
		assert_ok(history_add(f->h, &f->snapshot, f->snapshot.at));
	}
	assert_ok(past_new(&f->snapshot, f->h, T0, &past));
	for (int k = 0; k < 3; k++)
		assert_true(
			fabs(stack_of(&past, f->stacks[0].id, 100 + k)->growth_bytes_per_second -
			     (k == 0   ? 10
			      : k == 1 ? 30
				       : 90)) < 1e-3);
	past_done(&past);
}

/* A line whose stacks come and go does not grow. */
static void past__what_is_gone_is_counted(void **state)
{
	struct fixture *f = *state;
	const struct snapshot_stack *gone;
	double growth = 0;
	struct past past;

	f->snapshot.n_stacks = 3;
	f->stacks[2].pid = 101; /* of another process, which is gone by now */
	f->processes[1].cmdline = "another";
	for (int i = 0; i < 200; i++) {
		f->stacks[0].live_bytes = i < 100 ? 5000 : 0;
		f->stacks[1].live_bytes = i < 100 ? 0 : 5000;
		f->stacks[2].live_bytes = 7000;
		f->stacks[0].since = f->stacks[1].since = T0;
		f->snapshot.at = T0 + i * 10;
		assert_ok(history_add(f->h, &f->snapshot, f->snapshot.at));
	}
	f->stacks[0] = f->stacks[1];
	f->snapshot.n_stacks = 1;
	f->snapshot.n_processes = 1;
	assert_ok(past_new(&f->snapshot, f->h, T0, &past));
	assert_int_equal(past.snapshot.n_stacks, 2);
	for (size_t i = 0; i < 2; i++)
		growth += past.snapshot.stacks[i].growth_bytes_per_second;
	assert_true(fabs(growth) < 1e-6);
	assert_true(past.snapshot.stacks[0].growth_bytes_per_second > 1);
	gone = &past.snapshot.stacks[1];
	assert_true(gone->live_bytes == 0 && gone->pid == 100 && isnan(gone->since));
	assert_int_equal(gone->n_frames, ARRAY_SIZE(frames));
	assert_string_equal(gone->frames[0].function, "Cache.put");
	past_done(&past);
}

/* Among those that are not kept apart, it may have held anything up to the smallest that are. */
static void past__what_was_too_small_to_be_kept_is_not_known(void **state)
{
	struct fixture *f = *state;
	struct past past;

	f->options.stacks_max = 1;
	reopen(f, T0);
	f->snapshot.n_stacks = 3;
	for (int i = 0; i < 100; i++) {
		f->stacks[0].live_bytes = 5000;
		f->stacks[1].live_bytes = 100;
		f->stacks[2].live_bytes = i == 99 ? 100 : 0;
		f->stacks[0].since = f->stacks[1].since = T0;
		f->stacks[2].since = f->snapshot.at = T0 + i * 10;
		assert_ok(history_add(f->h, &f->snapshot, f->snapshot.at));
	}
	assert_ok(past_new(&f->snapshot, f->h, T0, &past));
	assert_true(stack_of(&past, f->stacks[0].id, 100)->growth_bytes_per_second == 0);
	assert_true(isnan(stack_of(&past, f->stacks[1].id, 100)->growth_bytes_per_second));
	assert_true(stack_of(&past, f->stacks[2].id, 100)->growth_bytes_per_second > 0);
	past_done(&past);
}

static void past__memory_will_do_where_it_goes_back_far_enough(void **state)
{
	struct fixture *f = *state;
	struct snapshot_stack *s = &f->stacks[0];
	struct past past;

	ticks(f, 0, 30, steady);
	f->snapshot.n_stacks = 2;
	f->snapshot.n_history = s->n_history = SNAPSHOT_HISTORY_MAX;
	f->stacks[1].n_history = 5; /* came later */
	for (int i = 0; i < SNAPSHOT_HISTORY_MAX; i++) {
		f->snapshot.history_sec[i] = 77 + i;
		s->history[i] = i < 40 ? 0 : 500 * (i - 39);
		f->stacks[1].history[i % 5] = 1000;
	}
	for (int with = 0; with < 2; with++) {
		/* 20 s: every point; 55 s: every second one, the newest among them. */
		assert_ok(past_new(&f->snapshot, with ? f->h : NULL, f->snapshot.at - 19.5, &past));
		assert_int_equal(past.snapshot.n_history, 20);
		assert_true(fabs(past.since_sec - f->snapshot.at + 19) < 1e-6);
		s = (struct snapshot_stack *)stack_of(&past, f->stacks[0].id, 100);
		assert_true(fabs(s->growth_bytes_per_second - 500) < 1e-6);
		assert_true(s->history[19] == 10000);
		s = (struct snapshot_stack *)stack_of(&past, f->stacks[1].id, 100);
		assert_true(s->n_history == 20 && s->history[14] == 0 && s->history[15] == 1000);
		past_done(&past);
		assert_ok(past_new(&f->snapshot, with ? f->h : NULL, f->snapshot.at - 55, &past));
		assert_int_equal(past.snapshot.n_history, 28);
		past_done(&past);
	}
	/* Without a history, further back is as far as it goes. */
	assert_ok(past_new(&f->snapshot, NULL, f->snapshot.at - 9999, &past));
	assert_true(past.since_sec >= f->snapshot.at - 59);
	past_done(&past);
	f->snapshot.n_history = f->stacks[0].n_history = f->stacks[1].n_history = 0;
	assert_ok(past_new(&f->snapshot, NULL, f->snapshot.at - 9, &past));
	assert_true(isnan(past.since_sec));
	past_done(&past);
}

static json_object *ask(struct fixture *f, const char *request)
{
	json_object *r = json_tokener_parse(request), *answer;

	assert_non_null(r);
	answer = answer_new(&f->snapshot, f->h, r);
	json_object_put(r);
	assert_non_null(answer);
	return answer;
}

static const char *text_at(json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static void past__report_says_since_when(void **state)
{
	struct fixture *f = *state;
	json_object *answer, *line;

	ticks(f, 0, 400, steady);
	answer = ask(f, "{\"command\": \"report\", \"since\": 1767226600}");
	assert_string_equal(text_at(answer, "growth_since"), "2026-01-01T00:18:25.000Z");
	assert_string_equal(text_at(answer, "growth_points"), "30");
	line = json_object_array_get_idx(json_object_object_get(answer, "lines"), 0);
	assert_string_equal(text_at(line, "blamed_growth_bytes_per_second"), "7.000");
	json_object_put(answer);
	answer = ask(f, "{\"command\": \"report\"}");
	assert_null(text_at(answer, "growth_since"));
	json_object_put(answer);
	answer = ask(f, "{\"command\": \"report\", \"since\": 1867226600}");
	assert_non_null(strstr(text_at(answer, "error"), "still to come"));
	json_object_put(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(past__growth_is_of_the_time_since),
		WITH_DIR(past__a_restart_is_no_drop),
		WITH_DIR(past__workers_share_what_they_held_together),
		WITH_DIR(past__what_is_gone_is_counted),
		WITH_DIR(past__what_was_too_small_to_be_kept_is_not_known),
		WITH_DIR(past__memory_will_do_where_it_goes_back_far_enough),
		WITH_DIR(past__report_says_since_when),
	};

	return cmocka_run_group_tests_name("past", tests, NULL, NULL);
}
