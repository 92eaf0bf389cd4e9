/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_queue.c — see sink_queue.h. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/fsutil.h"
#include "lib/log.h"
#include "report/sink_queue.h"

#define NAME_DIGITS 20
#define NAME_END    ".json"
#define NAME_BYTES  (NAME_DIGITS + sizeof(NAME_END))
#define PATH_BYTES  4096
#define FILES_MAX   (4 * SINK_QUEUE_MAX) /* that are looked at; nobody but us writes there */

struct text {
	uint64_t number;
	size_t n_bytes;
	char *text;
	bool is_file;
};

struct sink_queue {
	char *dir; /* NULL: in memory only */
	struct text texts[SINK_QUEUE_MAX]; /* a ring */
	size_t first, n, n_bytes;
	uint64_t next_number;
	bool is_unwritable; /* and that was said */
};

DEFINE_CLEANUP(json_object *, json_object_put)

static struct text *text_at(struct sink_queue *q, size_t i)
{
	return &q->texts[(q->first + i) % SINK_QUEUE_MAX];
}

static int path_of(const struct sink_queue *q, uint64_t number, char buf[PATH_BYTES])
{
	int n = snprintf(buf, PATH_BYTES, "%s/%0*" PRIu64 NAME_END, q->dir, NAME_DIGITS, number);

	return n < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

static void file_del(const struct sink_queue *q, uint64_t number)
{
	char path[PATH_BYTES];

	/* One that stays would be sent again after a restart: better than not at all. */
	if (path_of(q, number, path) == 0 && unlink(path) < 0 && errno != ENOENT)
		log_warn(-errno, "remove %s, ignoring: it is sent again after a restart", path);
}

static void first_del(struct sink_queue *q)
{
	struct text *t = text_at(q, 0);

	if (t->is_file)
		file_del(q, t->number);
	free(t->text);
	q->n_bytes -= t->n_bytes;
	q->first = (q->first + 1) % SINK_QUEUE_MAX;
	q->n--;
}

/* Takes the text over, once there is room for it. */
static void push(struct sink_queue *q, const struct text *t, uint64_t *ret_dropped)
{
	while (q->n == SINK_QUEUE_MAX || q->n_bytes + t->n_bytes > SINK_QUEUE_BYTES_MAX) {
		first_del(q);
		++*ret_dropped;
	}
	*text_at(q, q->n++) = *t;
	q->n_bytes += t->n_bytes;
}

/* ── files ────────────────────────────────────────────────────────────────────────────────── */

static int file_save_in(const struct sink_queue *q, const struct text *t)
{
	char path[PATH_BYTES];
	int r = path_of(q, t->number, path);

	if (r == 0)
		r = fsutil_file_save(path, t->text, t->n_bytes, 0600);
	if (r != -ENOENT)
		return r;
	r = fsutil_mkdir_p(q->dir, 0700);
	return r < 0 ? r : fsutil_file_save(path, t->text, t->n_bytes, 0600);
}

static bool file_save(struct sink_queue *q, const struct text *t)
{
	int r;

	if (!q->dir)
		return false;
	r = file_save_in(q, t);
	if (r < 0 && !q->is_unwritable)
		log_warn(r,
			 "keep alerts in %s: a restart loses those that wait, going on in memory",
			 q->dir);
	if (r == 0 && q->is_unwritable)
		log_info("alerts that wait are kept in %s again", q->dir);
	q->is_unwritable = r < 0;
	return r == 0;
}

/* Has it our name's form? One that was being written when we ended has more behind it. */
static bool is_ours(const char *name, bool *ret_is_tmp)
{
	size_t len = strlen(name);

	if (strspn(name, "0123456789") != NAME_DIGITS ||
	    strncmp(name + NAME_DIGITS, NAME_END, strlen(NAME_END)) != 0)
		return false;
	*ret_is_tmp = len == NAME_BYTES - 1 + strlen(FSUTIL_TMP_END) && name[NAME_BYTES - 1] == '.';
	return *ret_is_tmp || len == NAME_BYTES - 1;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Numbers of files, sorted; what was left half written is removed. */
static size_t scan(DIR *dir, uint64_t numbers[FILES_MAX])
{
	const struct dirent *e;
	size_t n = 0;
	bool is_tmp;

	while (n < FILES_MAX && (e = readdir(dir))) {
		if (!is_ours(e->d_name, &is_tmp))
			continue;
		if (is_tmp)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
		else
			numbers[n++] = strtoull(e->d_name, NULL, 10);
	}
	qsort(numbers, n, sizeof(*numbers), compare);
	return n;
}

static bool is_json(const char *text, size_t n_bytes)
{
	_cleanup_(json_object_putp) json_object *o = json_tokener_parse(text);

	return strlen(text) == n_bytes && json_object_is_type(o, json_type_object);
}

static int file_load(struct sink_queue *q, uint64_t number, uint64_t *ret_dropped)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_BYTES];
	size_t n_bytes;
	int r = path_of(q, number, path);

	if (r == 0)
		r = fsutil_file_load(path, SINK_QUEUE_TEXT_MAX, &text, &n_bytes);
	if (r == -ENOMEM)
		return r;
	if (r == 0 && is_json(text, n_bytes)) {
		push(q,
		     &(struct text){ .number = number,
				     .n_bytes = n_bytes,
				     .text = TAKE_PTR(text),
				     .is_file = true },
		     ret_dropped);
		return 0;
	}
	log_warn(r, "%s: no alert that can be sent, removing it", path);
	file_del(q, number);
	++*ret_dropped;
	return 0;
}

static int load(struct sink_queue *q, uint64_t *ret_dropped)
{
	_cleanup_free_ uint64_t *numbers = calloc(FILES_MAX, sizeof(*numbers));
	DIR *dir = opendir(q->dir);
	size_t n = 0;
	int r = 0;

	if (!dir)
		return errno == ENOMEM ? -ENOMEM : 0; /* the first add says what is wrong */
	if (numbers)
		n = scan(dir, numbers);
	closedir(dir);
	for (size_t i = 0; i < n && r == 0; i++)
		r = file_load(q, numbers[i], ret_dropped);
	if (n && numbers[n - 1] < UINT64_MAX)
		q->next_number = numbers[n - 1] + 1;
	return numbers ? r : -ENOMEM;
}

/* ── the queue ────────────────────────────────────────────────────────────────────────────── */

int sink_queue_open(const char *dir, struct sink_queue **ret, uint64_t *ret_dropped)
{
	_cleanup_(sink_queue_closep) struct sink_queue *q = calloc(1, sizeof(*q));
	int r = 0;

	if (!q)
		return -ENOMEM;
	if (dir) {
		q->dir = strdup(dir);
		r = q->dir ? load(q, ret_dropped) : -ENOMEM;
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(q);
	return 0;
}

void sink_queue_close(struct sink_queue *q)
{
	size_t n_lost = 0;

	if (!q)
		return;
	for (size_t i = 0; i < q->n; i++) {
		n_lost += !text_at(q, i)->is_file;
		free(text_at(q, i)->text);
	}
	if (n_lost)
		log_warn(0, "%zu alerts were not delivered and are in no file: they are lost",
			 n_lost);
	free(q->dir);
	free(q);
}

int sink_queue_add(struct sink_queue *q, const char *text, size_t text_bytes, uint64_t *ret_dropped)
{
	struct text t = { .number = q->next_number, .n_bytes = text_bytes };

	if (text_bytes > SINK_QUEUE_TEXT_MAX)
		return -EMSGSIZE;
	t.text = strndup(text, text_bytes);
	if (!t.text)
		return -ENOMEM;
	q->next_number++;
	t.is_file = file_save(q, &t);
	push(q, &t, ret_dropped);
	return 0;
}

const char *sink_queue_first(const struct sink_queue *q, uint64_t *ret_number)
{
	const struct text *t = &q->texts[q->first];

	if (!q->n)
		return NULL;
	*ret_number = t->number;
	return t->text;
}

void sink_queue_del(struct sink_queue *q, uint64_t number)
{
	if (q->n && q->texts[q->first].number == number)
		first_del(q);
}

size_t sink_queue_cnt(const struct sink_queue *q)
{
	return q->n;
}
