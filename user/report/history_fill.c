/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_fill.c — which points does one snapshot make?
 *
 * Stacks of processes with the same key are added up, the largest get a point, and what is new to
 * the database its names. The rest of the tick is one sum, "other", each stack of it counted.
 */
#include <math.h>

#include "lib/fnv.h"
#include "report/history_internal.h"

#define BYTES_MAX   9007199254740992.0 /* 2^53: what a double holds to the byte */
#define DEEP_FRAMES 32 /* a stack counts as one new one for each so many */

/* FNV-1a; the end of each string counts, so that "ab", "c" is not "a", "bc". */
static uint64_t hash_text(uint64_t hash, const char *s)
{
	const unsigned char *p = (const unsigned char *)(s ? s : "");

	do {
		hash = (hash ^ *p) * FNV_PRIME;
	} while (*p++);
	return hash;
}

uint64_t history_process_key(const struct snapshot_process *p)
{
	size_t len = p->unit ? strlen(p->unit) : 0;
	bool is_service = len > 8 && strcmp(p->unit + len - 8, ".service") == 0;
	uint64_t hash;

	hash = hash_text(FNV_BASIS, is_service ? "unit" : "cmdline");
	hash = hash_text(hash, is_service ? p->unit : p->cmdline);
	hash = hash_text(hash, p->build_id);
	return hash ? hash : 1;
}

static int by_pid(const void *a, const void *b)
{
	const struct snapshot_process *const *x = a, *const *y = b;

	return ((*x)->pid > (*y)->pid) - ((*x)->pid < (*y)->pid);
}

static int by_identity(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static int by_live(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->live != y->live)
		return x->live < y->live ? 1 : -1;
	return by_identity(a, b);
}

static double clean_bytes(double bytes)
{
	return bytes > 0 ? fmin(bytes, BYTES_MAX) : 0; /* NAN too: 0 */
}

static size_t items_merge(struct item *items, size_t n)
{
	size_t kept = 0;

	qsort(items, n, sizeof(*items), by_identity);
	for (size_t i = 0; i < n; i++) {
		if (kept && by_identity(&items[kept - 1], &items[i]) == 0) {
			items[kept - 1].live += items[i].live;
			items[kept - 1].error = hypot(items[kept - 1].error, items[i].error);
		} else {
			items[kept++] = items[i];
		}
	}
	qsort(items, kept, sizeof(*items), by_live);
	return kept;
}

int history_items_new(const struct snapshot *s, struct item **ret, size_t *ret_n)
{
	_cleanup_free_ const struct snapshot_process **processes =
		calloc(s->n_processes + 1, sizeof(*processes));
	_cleanup_free_ struct item *items = calloc(s->n_stacks + 1, sizeof(*items));
	size_t n = 0;

	if (!processes || !items)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_processes; i++)
		processes[i] = &s->processes[i];
	qsort(processes, s->n_processes, sizeof(*processes), by_pid);
	for (size_t i = 0; i < s->n_stacks; i++) {
		const struct snapshot_stack *stack = &s->stacks[i];
		const struct snapshot_process key = { .pid = stack->pid }, *wanted = &key, **found;

		if (!(stack->live_bytes >= 0.5))
			continue;
		found = bsearch(&wanted, processes, s->n_processes, sizeof(*processes), by_pid);
		if (!found)
			continue;
		items[n++] = (struct item){ history_process_key(*found),
					    stack->id,
					    clean_bytes(stack->live_bytes),
					    clean_bytes(stack->live_bytes_error),
					    stack,
					    *found };
	}
	*ret_n = items_merge(items, n);
	*ret = TAKE_PTR(items);
	return 0;
}

static void stack_save(struct history *h, const struct snapshot_stack *stack)
{
	size_t n = stack->n_frames < PGD_FRAMES_MAX ? stack->n_frames : PGD_FRAMES_MAX;
	uint64_t ids[PGD_FRAMES_MAX];

	for (size_t i = 0; i < n; i++) {
		const struct snapshot_frame *f = &stack->frames[i];
		const char *function = f->function ? f->function : "?";
		const char *file = f->file ? f->file : "?";

		ids[i] = hash_text(hash_text(FNV_BASIS, function), file);
		ids[i] = (ids[i] ^ (uint32_t)f->line) * FNV_PRIME;
		history_run(h, SQL_FRAME_PUT, "issii", (int64_t)ids[i], function, file,
			    (int64_t)f->line, (int64_t)f->in_application);
	}
	history_run(h, SQL_STACK_PUT, "iib", (int64_t)stack->id,
		    (int64_t)(stack->truncated || n < stack->n_frames), ids,
		    (int)(n * sizeof(ids[0])));
}

/* Its number, or 0: it has none yet and gets none this tick, since making one means writing its
 * frames, and this runs on the daemon's loop. */
static int64_t series_of(struct history *h, const struct item *item, int64_t at, size_t *n_new)
{
	struct cached *c = &h->cache[(item->stack ^ item->process * 31) % CACHE_ROWS];
	const struct snapshot_process *p = item->owner;
	sqlite3_stmt *row;
	int64_t series = 0;

	if (c->series && c->stack == item->stack && c->process == item->process)
		return c->series;
	history_query(h, SQL_SERIES_GET, "ii", (int64_t)item->stack, (int64_t)item->process);
	row = history_row_next(h, SQL_SERIES_GET);
	if (row)
		series = sqlite3_column_int64(row, 0);
	history_query_end(h, SQL_SERIES_GET);
	if (!series) {
		if (*n_new >= h->new_max)
			return 0;
		*n_new += 1 + item->source->n_frames / DEEP_FRAMES;
		stack_save(h, item->source);
		history_run(h, SQL_PROCESS_PUT, "isssss", (int64_t)item->process, p->unit, p->comm,
			    p->cmdline, p->python, p->build_id);
		history_run(h, SQL_SERIES_PUT, "iii", (int64_t)item->stack, (int64_t)item->process,
			    at);
		series = sqlite3_last_insert_rowid(h->db);
	}
	if (series < 1 || series / PART_SERIES > PARTS_MAX)
		history_damage_note(h, "a series has an impossible number");
	*c = (struct cached){ item->process, item->stack, series };
	return series;
}

static void other_add(struct history *h, struct tick *t, const struct item *item,
		      enum history_counter why)
{
	uint64_t bytes = (uint64_t)llround(item->live);

	t->other_sum += bytes;
	t->other_cnt++;
	t->floor_sum = t->floor_sum > bytes ? t->floor_sum : bytes;
	h->counters[why]++;
}

static int by_series(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->series < y->series ? -1 : x->series > y->series;
}

void history_tick_fill(struct history *h, struct tick *t, const struct item *items, size_t n)
{
	uint64_t file_bytes;
	size_t n_new =
		history_used_bytes(h, &file_bytes) > history_used_bytes_max(h) ? h->new_max : 0;

	if (tick_reserve(t, h->o.stacks_max) < 0)
		history_note(h, SQLITE_NOMEM);
	for (size_t i = 0; i < n && h->rc == SQLITE_OK; i++) {
		uint64_t bytes = (uint64_t)llround(items[i].live);
		int64_t series;

		if (t->n == h->o.stacks_max) {
			other_add(h, t, &items[i], HISTORY_COUNTER_OTHER);
			continue;
		}
		series = series_of(h, &items[i], t->at, &n_new);
		if (!series)
			other_add(h, t, &items[i], HISTORY_COUNTER_DEFERRED);
		else
			t->entries[t->n++] =
				(struct entry){ series, bytes, (uint64_t)llround(items[i].error),
						bytes };
	}
	qsort(t->entries, t->n, sizeof(*t->entries), by_series);
}
