/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/history_names.c — what was that stack, and whose? Frames and processes by their ids,
 * those of processes that have ended too.
 */
#include "report/history_internal.h"

int history_stacks_find(struct history *h, uint64_t first, uint64_t last, uint64_t *ret_ids,
			size_t n_max, size_t *ret_n)
{
	sqlite3_stmt *row;
	size_t n = 0;
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	history_query(h, SQL_STACK_FIND, "iii", (int64_t)first, (int64_t)last, (int64_t)n_max);
	while (n < n_max && (row = history_row_next(h, SQL_STACK_FIND)))
		ret_ids[n++] = (uint64_t)sqlite3_column_int64(row, 0);
	history_query_end(h, SQL_STACK_FIND);
	r = history_read_end(h);
	if (r < 0)
		return r;
	*ret_n = n;
	return n ? 0 : -ENOENT;
}

int history_stack_owners(struct history *h, uint64_t stack, struct history_owner *ret, size_t n_max,
			 size_t *ret_n)
{
	sqlite3_stmt *row;
	size_t n = 0;
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	history_query(h, SQL_SERIES_WHOSE, "ii", (int64_t)stack, (int64_t)n_max);
	while (n < n_max && (row = history_row_next(h, SQL_SERIES_WHOSE)))
		ret[n++] = (struct history_owner){ (uint64_t)sqlite3_column_int64(row, 0),
						   (double)sqlite3_column_int64(row, 1) };
	history_query_end(h, SQL_SERIES_WHOSE);
	r = history_read_end(h);
	if (r < 0)
		return r;
	*ret_n = n;
	return n ? 0 : -ENOENT;
}

/* A text from a row, the caller's; NULL: it was NULL, or out of memory. */
static char *text_dup(struct history *h, sqlite3_stmt *row, int column)
{
	const char *s = (const char *)sqlite3_column_text(row, column);
	char *copy = s ? strdup(s) : NULL;

	if (s && !copy)
		history_note(h, SQLITE_NOMEM);
	return copy;
}

static void frame_read(struct history *h, uint64_t id, struct snapshot_frame *ret)
{
	sqlite3_stmt *row;

	history_query(h, SQL_FRAME_GET, "i", (int64_t)id);
	row = history_row_next(h, SQL_FRAME_GET);
	if (row)
		*ret = (struct snapshot_frame){ text_dup(h, row, 0), text_dup(h, row, 1),
						sqlite3_column_int(row, 2),
						sqlite3_column_int(row, 3) != 0 };
	history_query_end(h, SQL_FRAME_GET);
}

int history_stack_get(struct history *h, uint64_t stack, struct history_stack *ret)
{
	uint64_t ids[PGD_FRAMES_MAX];
	sqlite3_stmt *row;
	bool found;
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	*ret = (struct history_stack){ 0 };
	history_query(h, SQL_STACK_GET, "i", (int64_t)stack);
	row = history_row_next(h, SQL_STACK_GET);
	found = row != NULL;
	if (row) {
		const void *data = sqlite3_column_blob(row, 1);
		size_t bytes = (size_t)sqlite3_column_bytes(row, 1);

		ret->n_frames = bytes / sizeof(ids[0]);
		if (ret->n_frames > PGD_FRAMES_MAX)
			ret->n_frames = PGD_FRAMES_MAX;
		if (ret->n_frames)
			memcpy(ids, data, ret->n_frames * sizeof(ids[0]));
		ret->truncated = sqlite3_column_int(row, 0) != 0;
	}
	history_query_end(h, SQL_STACK_GET);
	for (size_t i = 0; i < ret->n_frames; i++) {
		frame_read(h, ids[i], &ret->frames[i]);
		if (!ret->frames[i].function || !ret->frames[i].file) {
			h->counters[HISTORY_COUNTER_BAD_ROW]++;
			found = false;
		}
	}
	r = history_read_end(h);
	if (r < 0 || !found)
		history_stack_done(ret);
	return r < 0 ? r : found ? 0 : -ENOENT;
}

void history_stack_done(struct history_stack *s)
{
	for (size_t i = 0; i < s->n_frames; i++) {
		free((char *)s->frames[i].function);
		free((char *)s->frames[i].file);
	}
	*s = (struct history_stack){ 0 };
}

int history_process_get(struct history *h, uint64_t process, struct history_process *ret)
{
	sqlite3_stmt *row;
	bool found;
	int r = history_read_begin(h);

	if (r < 0)
		return r;
	history_query(h, SQL_PROCESS_GET, "i", (int64_t)process);
	row = history_row_next(h, SQL_PROCESS_GET);
	found = row != NULL;
	if (row)
		*ret = (struct history_process){ text_dup(h, row, 0), text_dup(h, row, 1),
						 text_dup(h, row, 2), text_dup(h, row, 3),
						 text_dup(h, row, 4) };
	history_query_end(h, SQL_PROCESS_GET);
	r = history_read_end(h);
	if (r < 0 && found)
		history_process_done(ret);
	return r < 0 ? r : found ? 0 : -ENOENT;
}

void history_process_done(struct history_process *p)
{
	free(p->unit);
	free(p->comm);
	free(p->cmdline);
	free(p->python);
	free(p->build_id);
	*p = (struct history_process){ 0 };
}
