/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/sinkfix.h — a loop, a directory and what was logged, for tests of alert sinks. */
#ifndef TESTS_HARNESS_SINKFIX_H
#define TESTS_HARNESS_SINKFIX_H

#include <dirent.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "report/sink.h"
#include "test.h"

#define PATIENCE_US 10000000 /* of one turn of the loop: nothing happens at all */

/* Messages, one a line: log_set_sink() knows no userdata. */
static struct strbuf sinkfix_log = STRBUF_INIT;
static size_t sinkfix_log_cnt;

struct sinkfix {
	sd_event *event;
	struct sink *sink;
	struct strbuf why;
	char dir[64];
};

static inline int sinkfix_on_log(const struct log_entry *e)
{
	strbuf_printf(&sinkfix_log, "%s\n", e->text);
	sinkfix_log_cnt++;
	return 0;
}

static inline void sinkfix_log_reset(void)
{
	strbuf_done(&sinkfix_log);
	sinkfix_log_cnt = 0;
}

static inline bool sinkfix_logged(const char *text)
{
	return strstr(sinkfix_log.buf, text) != NULL;
}

static inline int sinkfix_setup(void **state)
{
	struct sinkfix *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	signal(SIGPIPE, SIG_IGN);
	f->why = (struct strbuf)STRBUF_INIT;
	snprintf(f->dir, sizeof(f->dir), "/tmp/pygrowd-sink-XXXXXX");
	sinkfix_log_reset();
	log_set_level(LOG_LEVEL_INFO);
	log_set_sink(sinkfix_on_log);
	return mkdtemp(f->dir) && sd_event_new(&f->event) >= 0 ? 0 : -1;
}

static inline void sinkfix_remove_files(const char *dir)
{
	char path[512];
	DIR *d = opendir(dir);

	for (const struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.' && unlink(path) < 0)
			sinkfix_remove_files(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static inline int sinkfix_teardown(void **state)
{
	struct sinkfix *f = *state;

	sink_close(f->sink);
	log_set_sink(NULL);
	sinkfix_log_reset();
	sinkfix_remove_files(f->dir);
	sd_event_unref(f->event);
	strbuf_done(&f->why);
	free(f);
	return 0;
}

static inline void sinkfix_turn(struct sinkfix *f)
{
	assert_true(sd_event_run(f->event, PATIENCE_US) > 0);
}

static inline uint64_t sinkfix_counter(const struct sinkfix *f, enum sink_counter c)
{
	return sink_counter_get(f->sink, c);
}

/* Until nothing waits any more. */
static inline void sinkfix_drain(struct sinkfix *f)
{
	while (sink_waiting_cnt(f->sink))
		sinkfix_turn(f);
}

static inline json_object *sinkfix_alert_new(const char *id, const char *state)
{
	json_object *alert = json_object_new_object();

	assert_non_null(alert);
	json_object_object_add(alert, "id", json_object_new_string(id));
	json_object_object_add(alert, "state", json_object_new_string(state));
	return alert;
}

static inline int sinkfix_send(struct sinkfix *f, const char *id, const char *state)
{
	json_object *alert = sinkfix_alert_new(id, state);
	int r = sink_send(f->sink, alert);

	json_object_put(alert);
	return r;
}

/* {"id":"…","state":"firing"}, but as long as that. */
static inline int sinkfix_send_long(struct sinkfix *f, size_t n_bytes)
{
	json_object *alert = sinkfix_alert_new("long", "firing");
	char *text = calloc(1, n_bytes + 1);
	int r;

	assert_non_null(text);
	memset(text, 'x', n_bytes);
	json_object_object_add(alert, "message", json_object_new_string(text));
	r = sink_send(f->sink, alert);
	json_object_put(alert);
	free(text);
	return r;
}

static inline size_t sinkfix_files_cnt(const char *dir)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	for (const struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

#endif
