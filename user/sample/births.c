/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/births.c — see births.h. Rows are dense; a table of places finds the row of a stack
 * and a time of birth (open addressing, at most half full).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "sample/births.h"
#include "target/maprows.h"

#define PLACES_MIN 1024
#define BORN_MASK  ((1u << PGD_BORN_BITS) - 1)

struct row {
	uint64_t stack;
	double bytes;
	uint32_t slot, age; /* units ago; rounded to `coarse` of them */
};

struct births {
	int live_fd;
	uint32_t shift;
	double share;
	uint64_t now_ns; /* when it began to read */
	uint32_t coarse;
	struct row *rows;
	size_t n;
	uint32_t *places; /* 1 + index of a row, or 0 */
	size_t n_places; /* a power of 2; rows has room for half of it */
	uint64_t due_ns;
};

/* In units. Who is younger than the moment is of it. */
static uint32_t age_of(uint32_t born, uint32_t shift, uint64_t now_ns)
{
	uint32_t age = (PGD_BORN(now_ns, shift) - born) & BORN_MASK;

	return age > BORN_MASK / 2 ? 0 : age;
}

static double sec_before(double age, uint32_t shift, uint64_t now_ns)
{
	return (double)now_ns * 1e-9 - age * ldexp(1e-9, (int)shift);
}

double births_sec(uint32_t born, uint32_t shift, uint64_t now_ns)
{
	return sec_before(age_of(born, shift, now_ns), shift, now_ns);
}

int births_new(int live_fd, uint32_t shift, const struct births_options *o, struct births **ret)
{
	struct births *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->live_fd = live_fd;
	b->shift = shift;
	b->share = o->share > 0 ? o->share : BIRTHS_SHARE;
	*ret = b;
	return 0;
}

static void forget(struct births *b)
{
	free(b->rows);
	free(b->places);
	b->rows = NULL;
	b->places = NULL;
	b->n = b->n_places = 0;
}

void births_free(struct births *b)
{
	if (!b)
		return;
	forget(b);
	free(b);
}

void births_begin(struct births *b, uint64_t now_ns)
{
	b->now_ns = now_ns;
	b->coarse = 1;
	b->n = 0;
	if (b->places)
		memset(b->places, 0, b->n_places * sizeof(*b->places));
}

static uint32_t *place_of(const struct births *b, const struct row *row)
{
	uint64_t hash =
		(row->stack ^ ((uint64_t)row->slot << 32 | row->age)) * 0x9e3779b97f4a7c15ULL;

	for (size_t i = hash >> 32;; i++) {
		uint32_t *place = &b->places[i & (b->n_places - 1)];
		const struct row *there = &b->rows[*place - 1];

		if (!*place || (there->stack == row->stack && there->slot == row->slot &&
				there->age == row->age))
			return place;
	}
}

/* There is room for it. */
static void put(struct births *b, const struct row *row)
{
	uint32_t *place = place_of(b, row);

	if (*place) {
		b->rows[*place - 1].bytes += row->bytes;
		return;
	}
	b->rows[b->n++] = *row;
	*place = (uint32_t)b->n;
}

/* All rows again, in other places or rounded further. */
static void put_again(struct births *b)
{
	size_t n = b->n;

	b->n = 0;
	memset(b->places, 0, b->n_places * sizeof(*b->places));
	for (size_t i = 0; i < n; i++) {
		struct row row = b->rows[i];

		row.age -= row.age % b->coarse;
		put(b, &row);
	}
}

static int grow(struct births *b)
{
	size_t n_places = b->n_places ? 2 * b->n_places : PLACES_MIN;
	struct row *rows = reallocarray(b->rows, n_places / 2, sizeof(*rows));
	uint32_t *places;

	if (!rows)
		return -ENOMEM;
	b->rows = rows;
	places = reallocarray(b->places, n_places, sizeof(*places));
	if (!places)
		return -ENOMEM;
	b->places = places;
	b->n_places = n_places;
	put_again(b);
	return 0;
}

static int make_room(struct births *b)
{
	while (b->n == b->n_places / 2) {
		if (b->n < BIRTHS_MAX)
			return grow(b);
		b->coarse *= 2;
		put_again(b);
	}
	return 0;
}

int births_add(struct births *b, uint32_t slot, const struct pgd_live *live)
{
	struct row row = { .stack = live->stack, .bytes = live->bytes, .slot = slot };
	int r = make_room(b);

	if (r < 0)
		return r;
	row.age = age_of(live->born, b->shift, b->now_ns);
	row.age -= row.age % b->coarse;
	put(b, &row);
	return 0;
}

static int add_all(void *userdata, void *keys, void *values, uint32_t n)
{
	struct births *b = userdata;
	const uint64_t *key = keys;
	const struct pgd_live *rows = values;

	for (uint32_t i = 0; i < n; i++) {
		int r = rows[i].is_sampled ? 0 : births_add(b, PGD_BLOCK_SLOT(key[i]), &rows[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int births_read(struct births *b)
{
	uint64_t began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), now_ns = clock_monotonic_ns();
	int r;

	if (now_ns < b->due_ns)
		return 0;
	births_begin(b, now_ns);
	r = maprows_each(b->live_fd, sizeof(uint64_t), sizeof(struct pgd_live), add_all, b);
	b->due_ns = now_ns +
		    (uint64_t)((double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns) / b->share);
	if (r < 0)
		forget(b);
	return r;
}

size_t births_count(const struct births *b)
{
	return b->n;
}

struct births_row births_get(const struct births *b, size_t i)
{
	const struct row *row = &b->rows[i];

	return (struct births_row){
		.stack = row->stack,
		.born_sec = sec_before(row->age + (b->coarse - 1) / 2.0, b->shift, b->now_ns),
		.bytes = row->bytes,
		.slot = row->slot,
	};
}
