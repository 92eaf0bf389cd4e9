/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/diff.c — see diff.h. Both lists are sorted by process and stack and walked together.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "growth/diff.h"
#include "lib/cleanup.h"

static int by_key(const void *a, const void *b)
{
	const struct diff_stack *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

/* Ties by key, so that the same past is always told in the same order. */
static int by_change(const void *a, const void *b)
{
	const struct diff_row *x = a, *y = b;
	double cx = fabs(x->change_bytes), cy = fabs(y->change_bytes);

	if (cx != cy)
		return cx < cy ? 1 : -1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

/* A copy, sorted, each key once. */
static int side_sort(const struct diff_side *side, struct diff_stack **ret, size_t *ret_n)
{
	_cleanup_free_ struct diff_stack *s = calloc(side->n + 1, sizeof(*s));
	size_t n = 0;

	if (!s)
		return -ENOMEM;
	if (!isfinite(side->floor_bytes) || side->floor_bytes < 0)
		return -EINVAL;
	for (size_t i = 0; i < side->n; i++) {
		s[i] = side->stacks[i];
		if (!isfinite(s[i].live_bytes) || !isfinite(s[i].live_error) ||
		    s[i].live_bytes < 0 || s[i].live_error < 0)
			return -EINVAL;
	}
	qsort(s, side->n, sizeof(*s), by_key);
	for (size_t i = 0; i < side->n; i++) {
		if (n && by_key(&s[n - 1], &s[i]) == 0) {
			s[n - 1].live_bytes += s[i].live_bytes;
			s[n - 1].live_error = hypot(s[n - 1].live_error, s[i].live_error);
		} else {
			s[n++] = s[i];
		}
	}
	*ret = TAKE_PTR(s);
	*ret_n = n;
	return 0;
}

/* from or to may be NULL: not listed; it held up to the side's floor, so that is the error. */
static struct diff_row row_of(const struct diff_stack *key, const struct diff_stack *from,
			      double from_floor, const struct diff_stack *to, double to_floor)
{
	struct diff_row row = { .process = key->process, .stack = key->stack };

	row.from_bytes = from ? from->live_bytes : 0;
	row.to_bytes = to ? to->live_bytes : 0;
	row.change_bytes = row.to_bytes - row.from_bytes;
	row.change_error =
		hypot(from ? from->live_error : from_floor, to ? to->live_error : to_floor);
	row.is_new = row.from_bytes == 0;
	row.is_gone = row.to_bytes == 0;
	return row;
}

static void row_add(struct diff *d, const struct diff_row *row)
{
	if (row->is_new && row->is_gone)
		return;
	d->rows[d->n_rows++] = *row;
	d->change_bytes += row->change_bytes;
	d->change_error = hypot(d->change_error, row->change_error);
}

int diff_new(const struct diff_side *from, const struct diff_side *to, struct diff *ret)
{
	_cleanup_free_ struct diff_stack *a = NULL, *b = NULL;
	size_t n_a = 0, n_b = 0, i = 0, j = 0;
	struct diff d = { 0 };
	int r;

	r = side_sort(from, &a, &n_a);
	if (r == 0)
		r = side_sort(to, &b, &n_b);
	if (r < 0)
		return r;
	d.rows = calloc(n_a + n_b + 1, sizeof(*d.rows));
	if (!d.rows)
		return -ENOMEM;
	while (i < n_a || j < n_b) {
		int order = i == n_a ? 1 : j == n_b ? -1 : by_key(&a[i], &b[j]);
		const struct diff_stack *x = order <= 0 ? &a[i] : NULL;
		const struct diff_stack *y = order >= 0 ? &b[j] : NULL;
		struct diff_row row = row_of(order <= 0 ? &a[i] : &b[j], x, from->floor_bytes, y,
					     to->floor_bytes);

		row_add(&d, &row);
		i += order <= 0;
		j += order >= 0;
	}
	qsort(d.rows, d.n_rows, sizeof(*d.rows), by_change);
	*ret = d;
	return 0;
}

void diff_done(struct diff *d)
{
	free(d->rows);
	*d = (struct diff){ 0 };
}
