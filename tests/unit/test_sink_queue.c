/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/sink_queue.c: in memory, and in a directory of the test's own. */
#include "lib/fsutil.h"
#include "report/sink_queue.h"
#include "sinkfix.h"

static struct sink_queue *queue_new(const char *dir, uint64_t want_dropped)
{
	struct sink_queue *q = NULL;
	uint64_t dropped = 0;

	assert_ok(sink_queue_open(dir, &q, &dropped));
	assert_int_equal(dropped, want_dropped);
	return q;
}

static uint64_t add(struct sink_queue *q, const char *text)
{
	uint64_t dropped = 0;

	assert_ok(sink_queue_add(q, text, strlen(text), &dropped));
	return dropped;
}

static void expect_next(struct sink_queue *q, const char *want)
{
	uint64_t number = 0;
	const char *text = sink_queue_first(q, &number);

	assert_non_null(text);
	assert_string_equal(text, want);
	sink_queue_del(q, number);
}

static void put_file(const struct sinkfix *f, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_ok(fsutil_file_save(path, text, strlen(text), 0600));
}

static void queue__first_in_first_out(void **state)
{
	struct sink_queue *q = queue_new(NULL, 0);
	uint64_t number;

	(void)state;
	assert_null(sink_queue_first(q, &number));
	add(q, "{\"a\":1}");
	add(q, "{\"a\":2}");
	assert_int_equal(sink_queue_cnt(q), 2);
	expect_next(q, "{\"a\":1}");
	expect_next(q, "{\"a\":2}");
	assert_int_equal(sink_queue_cnt(q), 0);
	sink_queue_close(q);
}

static void queue__survives_reopening(void **state)
{
	struct sinkfix *f = *state;
	struct sink_queue *q = queue_new(f->dir, 0);

	add(q, "{\"a\":1}");
	add(q, "{\"a\":2}");
	expect_next(q, "{\"a\":1}");
	sink_queue_close(q);
	q = queue_new(f->dir, 0);
	add(q, "{\"a\":3}");
	sink_queue_close(q);
	q = queue_new(f->dir, 0);
	expect_next(q, "{\"a\":2}");
	expect_next(q, "{\"a\":3}");
	sink_queue_close(q);
	assert_int_equal(sinkfix_files_cnt(f->dir), 0);
	assert_int_equal(sinkfix_log_cnt, 0);
}

static void queue__makes_its_directory(void **state)
{
	struct sinkfix *f = *state;
	struct sink_queue *q;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/a/b", f->dir);
	q = queue_new(dir, 0);
	add(q, "{}");
	assert_int_equal(sinkfix_files_cnt(dir), 1);
	sink_queue_close(q);
}

static void queue__the_oldest_of_too_many_goes(void **state)
{
	struct sink_queue *q = queue_new(NULL, 0);
	char text[32];

	(void)state;
	for (int i = 0; i < SINK_QUEUE_MAX + 3; i++) {
		snprintf(text, sizeof(text), "{\"a\":%d}", i);
		assert_int_equal(add(q, text), i >= SINK_QUEUE_MAX);
	}
	assert_int_equal(sink_queue_cnt(q), SINK_QUEUE_MAX);
	expect_next(q, "{\"a\":3}");
	sink_queue_close(q);
}

static void queue__the_oldest_of_too_much_goes(void **state)
{
	const size_t n_bytes = SINK_QUEUE_TEXT_MAX, n_fit = SINK_QUEUE_BYTES_MAX / n_bytes;
	struct sinkfix *f = *state;
	struct sink_queue *q = queue_new(f->dir, 0);
	char *text = calloc(1, n_bytes + 2);
	uint64_t dropped = 0;

	memset(text, 'x', n_bytes + 1);
	for (size_t i = 0; i < n_fit + 2; i++)
		assert_ok(sink_queue_add(q, text, n_bytes, &dropped));
	assert_int_equal(dropped, 2);
	assert_int_equal(sink_queue_cnt(q), n_fit);
	assert_int_equal(sinkfix_files_cnt(f->dir), n_fit); /* their files went with them */
	assert_err(sink_queue_add(q, text, n_bytes + 1, &dropped), -EMSGSIZE);
	sink_queue_close(q);
	free(text);
}

/* The one that is being sent may be the oldest, and go: what is done then is not to be the next. */
static void queue__what_is_gone_is_not_deleted_again(void **state)
{
	struct sink_queue *q = queue_new(NULL, 0);
	uint64_t number, dropped = 0;

	(void)state;
	add(q, "{\"a\":0}");
	sink_queue_first(q, &number);
	for (int i = 0; i < SINK_QUEUE_MAX; i++)
		dropped += add(q, "{\"a\":1}");
	assert_int_equal(dropped, 1);
	sink_queue_del(q, number);
	assert_int_equal(sink_queue_cnt(q), SINK_QUEUE_MAX);
	sink_queue_close(q);
}

static void queue__strange_files(void **state)
{
	struct sinkfix *f = *state;
	struct sink_queue *q;

	put_file(f, "00000000000000000007.json", "{\"a\":7}");
	put_file(f, "00000000000000000008.json", "{\"a\":"); /* cut */
	put_file(f, "00000000000000000009.json", "[1]"); /* no object */
	put_file(f, "00000000000000000010.json", "");
	put_file(f, "00000000000000000011.json.aB3xYz", "{\"a\":11}"); /* we ended while writing */
	put_file(f, "00000000000000000012.json.gz", "x");
	put_file(f, "12.json", "{\"a\":12}");
	put_file(f, "README", "x");
	q = queue_new(f->dir, 3);
	assert_int_equal(sink_queue_cnt(q), 1);
	assert_int_equal(sinkfix_files_cnt(f->dir), 4); /* it, and three that are not ours */
	assert_int_equal(sinkfix_log_cnt, 3);
	add(q, "{\"a\":13}");
	expect_next(q, "{\"a\":7}");
	expect_next(q, "{\"a\":13}");
	sink_queue_close(q);
	assert_int_equal(sinkfix_files_cnt(f->dir), 3);
}

static void queue__trouble_with_the_directory_is_said_once(void **state)
{
	struct sinkfix *f = *state;
	struct sink_queue *q;
	char dir[128];

	put_file(f, "state", "");
	snprintf(dir, sizeof(dir), "%s/state", f->dir);
	q = queue_new(dir, 0);
	add(q, "{\"a\":1}");
	add(q, "{\"a\":2}");
	assert_int_equal(sinkfix_log_cnt, 1);
	assert_ok(unlink(dir)); /* somebody mends it */
	add(q, "{\"a\":3}");
	assert_int_equal(sinkfix_log_cnt, 2);
	assert_true(sinkfix_logged("again"));
	assert_int_equal(sink_queue_cnt(q), 3);
	sink_queue_close(q);
	assert_true(sinkfix_logged("2 alerts were not delivered and are in no file"));
	q = queue_new(dir, 0);
	assert_int_equal(sink_queue_cnt(q), 1);
	sink_queue_close(q);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, sinkfix_setup, sinkfix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(queue__first_in_first_out),
		WITH_DIR(queue__survives_reopening),
		WITH_DIR(queue__makes_its_directory),
		WITH_DIR(queue__the_oldest_of_too_many_goes),
		WITH_DIR(queue__the_oldest_of_too_much_goes),
		WITH_DIR(queue__what_is_gone_is_not_deleted_again),
		WITH_DIR(queue__strange_files),
		WITH_DIR(queue__trouble_with_the_directory_is_said_once),
	};

	return cmocka_run_group_tests_name("sink_queue", tests, NULL, NULL);
}
