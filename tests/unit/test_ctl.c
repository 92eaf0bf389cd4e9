/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/ctl.c, ctl_client.c and listener.c, on real sockets; test_ctl_limits.c has
 * who is turned away. user/cli's client is tested here too, from a thread, since the two must
 * understand each other.
 */
#include <pthread.h>
#include <sys/stat.h>

#include "cli/client.h"
#include "ctlfix.h"
#include "lib/fsutil.h"

static void ctl__answers_a_request_and_closes(void **state)
{
	struct ctlfix *f = *state;
	int fd = ctlfix_connect(f);

	ctlfix_send(fd, "{\"command\":\"x\"}", 15);
	ctlfix_run(f);
	ctlfix_expect(fd, "{\"asked\":{\"command\":\"x\"}}");
	assert_int_equal(f->n_asked, 1);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
}

static void ctl__a_request_may_come_byte_by_byte(void **state)
{
	struct ctlfix *f = *state;
	struct pgd_proto_head head;
	char frame[sizeof(head) + 2];
	int fd = ctlfix_connect(f);

	proto_head_pack(&head, 2);
	memcpy(frame, &head, sizeof(head));
	memcpy(frame + sizeof(head), "{}", 2);
	for (size_t i = 0; i < sizeof(frame); i++) {
		assert_int_equal(f->n_asked, 0);
		assert_int_equal(send(fd, frame + i, 1, MSG_NOSIGNAL), 1);
		ctlfix_run(f);
	}
	ctlfix_expect(fd, "asked");
}

static void ctl__wrong_requests_are_told_why(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *why;
	} rows[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 18, "not in pygrowctl's protocol" },
		{ "PYGD\2\0\0\0\2\0\0\0{}", 14, "another protocol version" },
		{ "PYGD\1\0\0\0\1\0\1\0", 12, "longer than 64 KiB" },
		{ "PYGD\1\0\0\0\377\377\377\377", 12, "longer than 64 KiB" },
		{ "PYGD\1\0\0\0\0\0\0\0", 12, "not one JSON object" },
		{ "PYGD\1\0\0\0\2\0\0\0[]", 14, "not one JSON object" },
		{ "PYGD\1\0\0\0\2\0\0\0{\"", 14, "not one JSON object" },
	};
	struct ctlfix *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = ctlfix_connect(f);

		assert_int_equal(send(fd, rows[i].bytes, rows[i].n, MSG_NOSIGNAL), rows[i].n);
		ctlfix_run(f);
		ctlfix_expect(fd, rows[i].why);
	}
	assert_int_equal(f->n_asked, 0);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
}

static void ctl__clients_that_go_are_forgotten(void **state)
{
	struct ctlfix *f = *state;
	int fd = ctlfix_connect(f);

	ctlfix_run(f);
	assert_int_equal(ctl_clients_cnt(f->ctl), 1);
	close(fd);
	ctlfix_run(f);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);

	/* With an answer half sent. */
	f->answer_bytes = CTLFIX_BIG_BYTES;
	fd = ctlfix_connect(f);
	ctlfix_send(fd, "{}", 2);
	ctlfix_run(f);
	assert_int_equal(f->n_asked, 1);
	assert_int_equal(ctl_clients_cnt(f->ctl), 1);
	close(fd);
	ctlfix_run(f);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
}

static void ctl__a_big_answer_comes_whole_while_others_are_served(void **state)
{
	struct ctlfix *f = *state;
	char *answer = malloc(CTLFIX_BIG_BYTES * 2);
	int slow = ctlfix_connect(f), quick;
	size_t got = 0, n;
	bool is_closed = false;

	assert_non_null(answer);
	f->answer_bytes = CTLFIX_BIG_BYTES;
	ctlfix_send(slow, "{}", 2);
	ctlfix_run(f);
	f->answer_bytes = 0;
	quick = ctlfix_connect(f);
	ctlfix_send(quick, "{}", 2);
	ctlfix_run(f);
	ctlfix_expect(quick, "asked");
	while (!is_closed) {
		is_closed = ctlfix_receive(slow, answer + got, CTLFIX_BIG_BYTES * 2 - got, &n);
		got += n;
		ctlfix_run(f);
	}
	assert_true(got > CTLFIX_BIG_BYTES);
	assert_memory_equal(answer + got - 3, "x\"}", 3);
	close(slow);
	free(answer);
}

static void ctl__too_big_or_no_answer_is_said(void **state)
{
	struct ctlfix *f = *state;
	int fd;

	f->no_answer = true;
	fd = ctlfix_connect(f);
	ctlfix_send(fd, "{}", 2);
	ctlfix_run(f);
	ctlfix_expect(fd, "out of memory");

	f->no_answer = false;
	f->answer_bytes = PGD_PROTO_ANSWER_BYTES_MAX;
	fd = ctlfix_connect(f);
	ctlfix_send(fd, "{}", 2);
	ctlfix_run(f);
	ctlfix_expect(fd, "over 64 MiB");
}

static void ctl__the_socket_is_ours_alone(void **state)
{
	struct ctlfix *f = *state;
	struct ctl *second = NULL;
	struct stat st;

	assert_ok(stat(f->path, &st));
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_err(ctl_open(f->event, f->path, ctlfix_on_request, f, &second), -EADDRINUSE);
	assert_null(second);
	assert_ok(stat(f->path, &st));

	ctl_close(f->ctl);
	f->ctl = NULL;
	assert_err(stat(f->path, &st), -1);
}

/* A daemon that was killed leaves its socket: no reason not to start again. */
static void ctl__a_stale_socket_is_replaced_but_nothing_else(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ctlfix *f = *state;
	char path[256];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ctl_close(f->ctl);
	f->ctl = NULL;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_ok(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	assert_ok(ctl_open(f->event, f->path, ctlfix_on_request, f, &f->ctl));

	snprintf(path, sizeof(path), "%s/file", f->directory);
	assert_ok(fsutil_file_save(path, "precious", 8, 0600));
	assert_err(ctl_open(f->event, path, ctlfix_on_request, f, &f->ctl), -EEXIST);
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_err(ctl_open(f->event, path, ctlfix_on_request, f, &f->ctl), -ENAMETOOLONG);
}

/* Another daemon has taken the path over (somebody removed ours): it stays. */
static void ctl__closing_leaves_anothers_socket(void **state)
{
	struct ctlfix *f = *state;
	struct ctl *other;
	struct stat st;

	assert_ok(unlink(f->path));
	assert_ok(ctl_open(f->event, f->path, ctlfix_on_request, f, &other));
	ctl_close(f->ctl);
	f->ctl = other;
	assert_ok(stat(f->path, &st));
}

struct question {
	const char *path;
	int r;
	json_object *answer;
	char why[CLIENT_WHY_BYTES];
};

static void *ask(void *userdata)
{
	json_object *request = json_object_new_object();
	struct question *q = userdata;

	json_object_object_add(request, "command", json_object_new_string("status"));
	q->r = client_ask(q->path, request, &q->answer, q->why);
	json_object_put(request);
	return NULL;
}

static void client__understands_the_daemon(void **state)
{
	struct ctlfix *f = *state;
	struct question q = { .path = f->path };
	pthread_t thread;

	f->answer_bytes = CTLFIX_BIG_BYTES;
	assert_ok(pthread_create(&thread, NULL, ask, &q));
	while (!f->n_asked || ctl_clients_cnt(f->ctl))
		assert_true(sd_event_run(f->event, 10000000) > 0);
	assert_ok(pthread_join(thread, NULL));
	assert_ok(q.r);
	assert_non_null(json_object_object_get(q.answer, "padding"));
	json_object_put(q.answer);
}

static void client__says_what_to_do(void **state)
{
	struct ctlfix *f = *state;
	struct question q = { .path = "/nowhere/pygrowd.sock" };
	char too_long[200];

	ask(&q);
	assert_err(q.r, -ENOENT);
	assert_non_null(
		strstr(q.why, "connect to /nowhere/pygrowd.sock: No such file or directory;"));

	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	q.path = too_long;
	ask(&q);
	assert_err(q.r, -ENAMETOOLONG);
	assert_null(q.answer);
	assert_null(strchr(q.why, '\n'));
	(void)f;
}

static void client__wrong_answers(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int r;
	} rows[] = {
		{ "", 0, -ECONNRESET },
		{ "PYGD\1\0", 6, -ECONNRESET },
		{ "PYGD\1\0\0\0\5\0\0\0{}", 14, -ECONNRESET },
		{ "SSH-2.0-OpenSSH_9.2\r\n", 21, -EBADMSG },
		{ "PYGD\7\0\0\0\2\0\0\0{}", 14, -EPROTONOSUPPORT },
		{ "PYGD\1\0\0\0\1\0\0\4", 12, -EMSGSIZE },
		{ "PYGD\1\0\0\0\2\0\0\0[]", 14, -EBADMSG },
	};
	json_object *request = json_object_new_object(), *answer = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fds[2];

		assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
		assert_int_equal(send(fds[1], rows[i].bytes, rows[i].n, 0), rows[i].n);
		assert_ok(shutdown(fds[1], SHUT_WR));
		assert_err(client_ask_fd(fds[0], request, &answer), rows[i].r);
		assert_null(answer);
		close(fds[0]);
		close(fds[1]);
	}
	json_object_put(request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(ctl__answers_a_request_and_closes),
		WITH_DAEMON(ctl__a_request_may_come_byte_by_byte),
		WITH_DAEMON(ctl__wrong_requests_are_told_why),
		WITH_DAEMON(ctl__clients_that_go_are_forgotten),
		WITH_DAEMON(ctl__a_big_answer_comes_whole_while_others_are_served),
		WITH_DAEMON(ctl__too_big_or_no_answer_is_said),
		WITH_DAEMON(ctl__the_socket_is_ours_alone),
		WITH_DAEMON(ctl__a_stale_socket_is_replaced_but_nothing_else),
		WITH_DAEMON(ctl__closing_leaves_anothers_socket),
		WITH_DAEMON(client__understands_the_daemon),
		WITH_DAEMON(client__says_what_to_do),
		cmocka_unit_test(client__wrong_answers),
	};

	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
