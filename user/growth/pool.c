/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/pool.c — see pool.h. An outer frame has all samples of all stacks, and there are many
 * outer frames. So windows are sorted once, to give them small numbers; each sum then counts how
 * many samples it has of each window, and puts them in place, sorting no more than windows:
 *
 *   windows of some stacks' samples   5 9 | 2 5 | 9      places   2: 0   5: 1   9: 3
 *   together                          2 5 5 9 9
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "growth/pool.h"
#include "growth/series.h"
#include "lib/cleanup.h"

void pool_done(struct pool *p)
{
	free(p->members);
	free(p->windows);
	free(p->samples);
	free(p->places);
	free(p->touched);
}

static bool has_samples(const struct snapshot_stack *s)
{
	return s->samples && s->n_samples;
}

static int pool_alloc(struct pool *p, size_t n_stacks, size_t n_samples)
{
	p->members = calloc(n_stacks + 1, sizeof(*p->members));
	p->windows = calloc(n_samples + 1, sizeof(*p->windows));
	p->samples = calloc(n_samples + 1, sizeof(*p->samples));
	p->places = calloc(n_samples + 1, sizeof(*p->places));
	p->touched = calloc(n_samples + 1, sizeof(*p->touched));
	return p->members && p->windows && p->samples && p->places && p->touched ? 0 : -ENOMEM;
}

static const struct snapshot_process *process_of(const struct snapshot *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (s->processes[i].pid == pid)
			return &s->processes[i];
	return NULL;
}

static void members_init(struct pool *p, const struct snapshot_stack *const *stacks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		p->members[i].stack = stacks[i];
		p->members[i].process = process_of(p->snapshot, stacks[i]->pid);
		if (!has_samples(stacks[i]))
			continue;
		p->members[i].windows = p->windows + p->n_samples;
		p->n_samples += stacks[i]->n_samples;
	}
	p->n_members = n;
}

struct ticket {
	uint64_t window;
	size_t *ret_number;
};

static int compare_tickets(const void *pa, const void *pb)
{
	const struct ticket *a = pa, *b = pb;

	return (a->window > b->window) - (a->window < b->window);
}

/* Windows get dense numbers, in their order: indices of `places`. */
static int number_windows(struct pool *p)
{
	_cleanup_free_ struct ticket *tickets = calloc(p->n_samples + 1, sizeof(*tickets));
	size_t n = 0, number = 0;

	if (!tickets)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_members; i++) {
		const struct snapshot_stack *s = p->members[i].stack;

		for (size_t j = 0; p->members[i].windows && j < s->n_samples; j++, n++)
			tickets[n] = (struct ticket){ s->samples[j].window, &p->windows[n] };
	}
	qsort(tickets, n, sizeof(*tickets), compare_tickets);
	for (size_t i = 0; i < n; i++) {
		number += i && tickets[i].window != tickets[i - 1].window;
		*tickets[i].ret_number = number;
	}
	return 0;
}

int pool_init(struct pool *p, const struct snapshot *snapshot,
	      const struct snapshot_stack *const *stacks, size_t n_stacks)
{
	size_t n_samples = 0;

	for (size_t i = 0; i < n_stacks; i++)
		n_samples += has_samples(stacks[i]) ? stacks[i]->n_samples : 0;
	p->snapshot = snapshot;
	if (pool_alloc(p, n_stacks, n_samples) < 0)
		return -ENOMEM;
	members_init(p, stacks, n_stacks);
	return number_windows(p);
}

static int compare_numbers(const void *pa, const void *pb)
{
	const size_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

/* Into p->samples, sorted by window; how many. */
static size_t put_together(struct pool *p, const struct pool_member *const *m, size_t n)
{
	size_t n_touched = 0, n_samples = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; m[i]->windows && j < m[i]->stack->n_samples; j++)
			if (!p->places[m[i]->windows[j]]++)
				p->touched[n_touched++] = m[i]->windows[j];
	qsort(p->touched, n_touched, sizeof(*p->touched), compare_numbers);
	for (size_t i = 0; i < n_touched; i++) {
		size_t in_window = p->places[p->touched[i]];

		p->places[p->touched[i]] = n_samples;
		n_samples += in_window;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; m[i]->windows && j < m[i]->stack->n_samples; j++)
			p->samples[p->places[m[i]->windows[j]]++] = m[i]->stack->samples[j];
	for (size_t i = 0; i < n_touched; i++)
		p->places[p->touched[i]] = 0;
	return n_samples;
}

static double error_of_samples(struct pool *p, const struct pool_member *const *m, size_t n)
{
	size_t n_samples = put_together(p, m, n), n_windows = 0;
	double weight_error = 0;

	for (size_t i = 0; i < n; i++) {
		const struct snapshot_stack *s = m[i]->stack;

		if (!m[i]->windows)
			continue;
		n_windows = s->n_windows > n_windows ? s->n_windows : n_windows;
		weight_error = fmax(weight_error, s->weight_error);
	}
	return estimate_live(p->samples, n_samples, n_windows, weight_error).bytes_error;
}

static size_t same_process(const struct pool_member *const *m, size_t n)
{
	size_t i = 1;

	while (i < n && m[i]->stack->pid == m[0]->stack->pid)
		i++;
	return i;
}

/* Members of one process are neighbours. Processes have windows, and a speed, of their own. */
static double live_error(struct pool *p, const struct pool_member *const *m, size_t n)
{
	double squares = 0;

	for (size_t i = 0, n_same; i < n; i += n_same) {
		double error;

		n_same = same_process(m + i, n - i);
		error = error_of_samples(p, m + i, n_same);
		squares += error * error;
	}
	for (size_t i = 0; i < n; i++)
		if (!m[i]->windows)
			squares += m[i]->stack->live_bytes_error * m[i]->stack->live_bytes_error;
	return sqrt(squares);
}

/* newest_first: live bytes at the snapshot's last n times. */
static struct series_rate rate_of_sum(const struct snapshot *s, const double *newest_first,
				      size_t n)
{
	struct series series;

	series_init(&series);
	/* -EINVAL: not a number or not a time; that point is left out. */
	for (size_t i = n; i-- > 0;)
		(void)series_push(&series, s->history_sec[s->n_history - 1 - i], newest_first[i],
				  0);
	return series_rate(&series, SERIES_RATE_POINTS);
}

/* Least squares is linear, so that the sum of the rates is the rate of the sum; and the scatter of
 * the sum tells what no stack's own does, how far their accidents are the same. Where a history is
 * short the stack was not there, and held nothing. */
static double growth_error(const struct pool *p, const struct pool_member *const *m, size_t n)
{
	size_t n_times = p->snapshot->n_history;
	size_t n_points = n_times < SERIES_RATE_POINTS ? n_times : SERIES_RATE_POINTS;
	double sum[SERIES_RATE_POINTS] = { 0 }; /* [0] is the newest */
	double squares = 0, squares_without = 0; /* of all; of those without a history */
	struct series_rate rate;

	for (size_t i = 0; i < n; i++) {
		const struct snapshot_stack *s = m[i]->stack;
		double error = isfinite(s->growth_error) ? s->growth_error : 0;

		if (!isfinite(s->growth_bytes_per_second))
			continue;
		squares += error * error;
		squares_without += s->n_history ? 0 : error * error;
		for (size_t j = 0; j < s->n_history && j < n_points; j++)
			sum[j] += s->history[s->n_history - 1 - j];
	}
	rate = rate_of_sum(p->snapshot, sum, n_points);
	return isnan(rate.error) ? sqrt(squares) : hypot(rate.error, sqrt(squares_without));
}

struct rollup_figures pool_figures(struct pool *p, const struct pool_member *const *m, size_t n)
{
	struct rollup_figures f = { .growth_bytes_per_sec = NAN, .n_stacks = n };

	for (size_t i = 0; i < n; i++) {
		const struct snapshot_stack *s = m[i]->stack;

		f.live_bytes += s->live_bytes;
		f.live_blocks += s->live_blocks > 0 ? s->live_blocks : 0;
		if (!isfinite(s->growth_bytes_per_second))
			continue;
		if (isnan(f.growth_bytes_per_sec))
			f.growth_bytes_per_sec = 0;
		f.growth_bytes_per_sec += s->growth_bytes_per_second;
	}
	f.live_error = live_error(p, m, n);
	f.growth_error = isnan(f.growth_bytes_per_sec) ? NAN : growth_error(p, m, n);
	return f;
}
