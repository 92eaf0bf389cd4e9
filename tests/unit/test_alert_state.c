/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/alert_state.c: the file, and disks that fail. What is in it:
 * test_alert_keep.c and test_judge_keep.c. */
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/alert_state.h"
#include "lib/fsutil.h"
#include "lib/log.h"
#include "test.h"

#define UNIX_SEC 1767225600.0

struct fixture {
	char dir[64], path[100], aside[120];
	struct judge *judge;
	struct alerts *alerts;
	struct alert_state state;
	double now_sec;
	size_t n_said;
};

static const struct alert alert = { .id = 7,
				    .is_firing = true,
				    .since_sec = UNIX_SEC - 9000,
				    .fired_sec = UNIX_SEC - 3000,
				    .resolved_sec = NAN,
				    .why = DETECT_RISES,
				    .function = "get_user",
				    .headroom_bytes = NAN };

static char logged[2048];
static size_t n_logged;

static int log_here(const struct log_entry *e)
{
	n_logged++;
	snprintf(logged, sizeof(logged), "%s", e->text);
	return 0;
}

static void on_change(void *userdata, const struct alert *a)
{
	struct fixture *f = userdata;

	(void)a;
	f->n_said++;
}

static struct alert_state_of of(const struct fixture *f)
{
	return (struct alert_state_of){ f->judge, f->alerts, f->now_sec, UNIX_SEC + f->now_sec };
}

static void stop(struct fixture *f)
{
	alert_state_done(&f->state);
	judge_free(f->judge);
	alerts_free(f->alerts);
}

/* A daemon, which loads what the one before it has left. */
static void start(struct fixture *f)
{
	const struct detect_limits limits = detect_limits_default();
	struct alert_state_of now;

	assert_ok(judge_new(&limits, &f->judge));
	assert_ok(alerts_new(on_change, f, &f->alerts));
	now = of(f);
	assert_ok(alert_state_load(&f->state, f->dir, &now));
}

static void restart(struct fixture *f)
{
	stop(f);
	start(f);
}

static void tick(struct fixture *f)
{
	struct alert_state_of now;

	f->now_sec += 10;
	now = of(f);
	alert_state_tick(&f->state, &now);
}

static void cut(const struct fixture *f, off_t length)
{
	assert_ok(truncate(f->path, length));
}

static void write_file(const struct fixture *f, const char *text)
{
	assert_ok(fsutil_file_save(f->path, text, strlen(text), 0600));
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static uint64_t counter(const struct fixture *f, enum alert_state_counter c)
{
	return f->state.counters[c];
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "%s/pygrowd-test-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/alerts.json", f->dir);
	snprintf(f->aside, sizeof(f->aside), "%s" ALERT_STATE_ASIDE, f->path);
	f->now_sec = 1000;
	n_logged = 0;
	log_set_sink(log_here);
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	log_set_sink(NULL);
	stop(f);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

static void alert_state__nothing_to_say_is_no_file(void **state)
{
	struct fixture *f = *state;

	tick(f);
	f->now_sec += 2 * ALERT_STATE_FRESH_SEC;
	tick(f);
	assert_false(is_there(f->path));
	assert_int_equal(n_logged, 0);
}

/* Not at the end: whoever is killed has saved what fired. */
static void alert_state__a_tick_saves_what_has_changed(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_ok(alerts_restore(f->alerts, &alert));
	tick(f);
	assert_ok(stat(f->path, &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	restart(f);
	assert_int_equal(alerts_firing(f->alerts), 1);
	assert_string_equal(alerts_get(f->alerts, 0)->function, "get_user");
	assert_true(alerts_get(f->alerts, 0)->fired_sec == alert.fired_sec);
	alerts_update(f->alerts, NULL, 0, UNIX_SEC);
	tick(f);
	restart(f);
	assert_int_equal(alerts_firing(f->alerts), 0);
	assert_non_null(alerts_get(f->alerts, 0));
	assert_int_equal(f->n_said, 1); /* that it is over */
}

static void alert_state__figures_are_of_late(void **state)
{
	struct fixture *f = *state;

	assert_ok(alerts_restore(f->alerts, &alert));
	tick(f);
	assert_ok(unlink(f->path));
	tick(f);
	assert_false(is_there(f->path)); /* nothing has changed */
	f->now_sec += ALERT_STATE_FRESH_SEC;
	tick(f);
	assert_true(is_there(f->path));
}

static void alert_state__what_makes_no_sense_is_put_aside_and_said_once(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"5",
		"{}",
		"\x7f\x45\x4c\x46",
		"{\"format\":2,\"alerts\":[]}",
		"{\"format\":1,\"alerts\":[",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		write_file(f, texts[i]);
		n_logged = 0;
		restart(f);
		if (n_logged != 1 || !strstr(logged, f->aside) || is_there(f->path) ||
		    !is_there(f->aside) || counter(f, ALERT_STATE_COUNTER_DAMAGED) != 1)
			fail_msg("'%s': %s", texts[i], logged);
		n_logged = 0;
		restart(f);
		assert_int_equal(n_logged, 0);
	}
	/* It goes on from there. */
	assert_ok(alerts_restore(f->alerts, &alert));
	tick(f);
	restart(f);
	assert_int_equal(alerts_firing(f->alerts), 1);
}

/* Cut at any byte it is whole or of no use, never something else. */
static void alert_state__a_part_of_a_file_is_not_believed(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;
	size_t n;

	assert_ok(alerts_restore(f->alerts, &alert));
	tick(f);
	assert_ok(fsutil_file_load(f->path, 1 << 20, &text, &n));
	for (size_t length = 0; length + 1 < n; length += 7) {
		write_file(f, text);
		cut(f, (off_t)length);
		restart(f);
		assert_null(alerts_get(f->alerts, 0));
		assert_int_equal(counter(f, ALERT_STATE_COUNTER_DAMAGED), 1);
	}
}

static void alert_state__bad_rows_are_counted_and_the_others_stay(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL, *bad = NULL;
	size_t n;

	assert_ok(alerts_restore(f->alerts, &alert));
	tick(f);
	assert_ok(fsutil_file_load(f->path, 1 << 20, &text, &n));
	assert_true(asprintf(&bad, "%.*s null, 7, {},%s", (int)(strchr(text, '[') - text + 1), text,
			     strchr(text, '[') + 1) > 0);
	write_file(f, bad);
	n_logged = 0;
	restart(f);
	assert_int_equal(alerts_firing(f->alerts), 1);
	assert_int_equal(counter(f, ALERT_STATE_COUNTER_BAD_ROW), 3);
	assert_true(n_logged >= 1);
}

static void alert_state__too_long_a_file_is_not_read(void **state)
{
	struct fixture *f = *state;

	write_file(f, "{}");
	cut(f, (off_t)ALERT_STATE_BYTES_MAX + 1);
	restart(f);
	assert_int_equal(counter(f, ALERT_STATE_COUNTER_DAMAGED), 1);
	assert_false(is_there(f->path));
}

/* No directory to write to, as on a disk that is full or read-only: root may write anywhere else.
 */
static void alert_state__a_disk_that_fails_is_said_once_and_tried_again(void **state)
{
	struct fixture *f = *state;

	assert_ok(alerts_restore(f->alerts, &alert));
	assert_ok(rmdir(f->dir));
	n_logged = 0;
	for (int i = 0; i < 12; i++)
		tick(f);
	assert_int_equal(n_logged, 1);
	assert_non_null(strstr(logged, "No such file or directory"));
	assert_int_equal(counter(f, ALERT_STATE_COUNTER_UNSAVED), 2); /* each minute */
	assert_ok(mkdir(f->dir, 0700));
	for (int i = 0; i < 6; i++)
		tick(f);
	assert_int_equal(n_logged, 2);
	assert_non_null(strstr(logged, "again"));
	restart(f);
	assert_int_equal(alerts_firing(f->alerts), 1);
}

/* Of a look, or where the state is not ours. */
static void alert_state__without_a_place_nothing_is_kept(void **state)
{
	struct fixture *f = *state;
	struct alert_state none = { 0 };
	struct alert_state_of now = of(f);

	assert_ok(alerts_restore(f->alerts, &alert));
	alert_state_tick(&none, &now);
	alert_state_save(&none, &now);
	assert_false(is_there(f->path));
	assert_int_equal(none.counters[ALERT_STATE_COUNTER_UNSAVED], 0);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(alert_state__nothing_to_say_is_no_file),
		WITH_DIR(alert_state__a_tick_saves_what_has_changed),
		WITH_DIR(alert_state__figures_are_of_late),
		WITH_DIR(alert_state__what_makes_no_sense_is_put_aside_and_said_once),
		WITH_DIR(alert_state__a_part_of_a_file_is_not_believed),
		WITH_DIR(alert_state__bad_rows_are_counted_and_the_others_stay),
		WITH_DIR(alert_state__too_long_a_file_is_not_read),
		WITH_DIR(alert_state__a_disk_that_fails_is_said_once_and_tried_again),
		WITH_DIR(alert_state__without_a_place_nothing_is_kept),
	};

	return cmocka_run_group_tests_name("alert_state", tests, NULL, NULL);
}
