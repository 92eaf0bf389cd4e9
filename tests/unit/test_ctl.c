/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/ctl.c: real sockets, both ends in this process. The daemon's end runs in
 * sd_event_run(), which is called until there is nothing to do at once; nobody sleeps. user/cli's
 * client is tested here too, from a thread, since the two must understand each other.
 */
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cli/client.h"
#include "lib/fsutil.h"
#include "lib/proto.h"
#include "report/ctl.h"
#include "test.h"

#define BIG_BYTES (8u << 20) /* more than a socket's buffers take */

struct fixture {
	char directory[64], path[100];
	sd_event *event;
	struct ctl *ctl;
	int n_asked;
	size_t answer_bytes; /* of padding in the answer */
	bool no_answer;
};

static json_object *on_request(void *userdata, json_object *request)
{
	_cleanup_free_ char *padding = NULL;
	struct fixture *f = userdata;
	json_object *answer;

	f->n_asked++;
	if (f->no_answer)
		return NULL;
	answer = json_object_new_object();
	json_object_object_add(answer, "asked", json_object_get(request));
	if (f->answer_bytes) {
		padding = malloc(f->answer_bytes + 1);
		assert_non_null(padding);
		memset(padding, 'x', f->answer_bytes);
		padding[f->answer_bytes] = '\0';
		json_object_object_add(answer, "padding", json_object_new_string(padding));
	}
	return answer;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->directory, "/tmp/pygrowd-test-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/run/pygrowd.sock", f->directory);
	if (sd_event_new(&f->event) < 0 || ctl_open(f->event, f->path, on_request, f, &f->ctl) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	ctl_close(f->ctl);
	sd_event_unref(f->event);
	snprintf(command, sizeof(command), "rm -rf %s", f->directory);
	free(f);
	return system(command);
}

/* What can be done without waiting. */
static void run(struct fixture *f)
{
	while (sd_event_run(f->event, 0) > 0)
		;
}

static int connect_client(struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_true(fd >= 0);
	assert_ok(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static void send_text(int fd, const char *text, size_t length)
{
	struct pgd_proto_head head;

	proto_head_pack(&head, length);
	assert_int_equal(send(fd, &head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that is there now; true if the daemon has closed after it. */
static bool receive_now(int fd, char *ret, size_t max, size_t *ret_bytes)
{
	ssize_t n;

	*ret_bytes = 0;
	while ((n = recv(fd, ret + *ret_bytes, max - *ret_bytes, 0)) > 0)
		*ret_bytes += (size_t)n;
	return n == 0 || errno == ECONNRESET;
}

static void expect_answer(int fd, const char *part)
{
	char answer[4096] = "";
	size_t n;

	assert_true(receive_now(fd, answer, sizeof(answer) - 1, &n));
	assert_true(n > sizeof(struct pgd_proto_head));
	if (!strstr(answer + sizeof(struct pgd_proto_head), part))
		fail_msg("%s: not in %s", part, answer + sizeof(struct pgd_proto_head));
	close(fd);
}

static void ctl__answers_a_request_and_closes(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client(f);

	send_text(fd, "{\"command\":\"x\"}", 15);
	run(f);
	expect_answer(fd, "{\"asked\":{\"command\":\"x\"}}");
	assert_int_equal(f->n_asked, 1);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
}

static void ctl__a_request_may_come_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	struct pgd_proto_head head;
	char frame[sizeof(head) + 2];
	int fd = connect_client(f);

	proto_head_pack(&head, 2);
	memcpy(frame, &head, sizeof(head));
	memcpy(frame + sizeof(head), "{}", 2);
	for (size_t i = 0; i < sizeof(frame); i++) {
		assert_int_equal(f->n_asked, 0);
		assert_int_equal(send(fd, frame + i, 1, MSG_NOSIGNAL), 1);
		run(f);
	}
	expect_answer(fd, "asked");
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
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = connect_client(f);

		assert_int_equal(send(fd, rows[i].bytes, rows[i].n, MSG_NOSIGNAL), rows[i].n);
		run(f);
		expect_answer(fd, rows[i].why);
	}
	assert_int_equal(f->n_asked, 0);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
}

static void ctl__clients_that_go_are_forgotten(void **state)
{
	struct fixture *f = *state;
	int fd = connect_client(f);

	run(f);
	assert_int_equal(ctl_clients_cnt(f->ctl), 1);
	close(fd);
	run(f);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);

	/* With an answer half sent. */
	f->answer_bytes = BIG_BYTES;
	fd = connect_client(f);
	send_text(fd, "{}", 2);
	run(f);
	assert_int_equal(f->n_asked, 1);
	assert_int_equal(ctl_clients_cnt(f->ctl), 1);
	close(fd);
	run(f);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
}

static void ctl__half_requests_and_unread_answers_time_out(void **state)
{
	struct fixture *f = *state;
	int silent, unread;

	f->answer_bytes = BIG_BYTES;
	ctl_set_timeout(f->ctl, 0);
	silent = connect_client(f);
	assert_int_equal(send(silent, "PY", 2, MSG_NOSIGNAL), 2);
	assert_true(sd_event_run(f->event, 1000000) > 0); /* accept */
	for (int i = 0; i < 10 && ctl_clients_cnt(f->ctl); i++)
		assert_true(sd_event_run(f->event, 1000000) >= 0);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
	assert_int_equal(f->n_asked, 0);
	close(silent);

	ctl_set_timeout(f->ctl, 50000);
	unread = connect_client(f);
	send_text(unread, "{}", 2);
	for (int i = 0; i < 20 && (ctl_clients_cnt(f->ctl) || !f->n_asked); i++)
		assert_true(sd_event_run(f->event, 1000000) >= 0);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
	assert_int_equal(f->n_asked, 1);
	close(unread);
}

static void ctl__a_big_answer_comes_whole_while_others_are_served(void **state)
{
	struct fixture *f = *state;
	char *answer = malloc(BIG_BYTES * 2);
	int slow = connect_client(f), quick;
	size_t got = 0, n;
	bool is_closed = false;

	assert_non_null(answer);
	f->answer_bytes = BIG_BYTES;
	send_text(slow, "{}", 2);
	run(f);
	f->answer_bytes = 0;
	quick = connect_client(f);
	send_text(quick, "{}", 2);
	run(f);
	expect_answer(quick, "asked");
	while (!is_closed) {
		is_closed = receive_now(slow, answer + got, BIG_BYTES * 2 - got, &n);
		got += n;
		run(f);
	}
	assert_true(got > BIG_BYTES);
	assert_memory_equal(answer + got - 3, "x\"}", 3);
	close(slow);
	free(answer);
}

static void ctl__more_clients_than_places_wait(void **state)
{
	struct fixture *f = *state;
	int fds[CTL_CLIENTS_MAX + 3];

	for (size_t i = 0; i < CTL_CLIENTS_MAX + 3; i++) {
		fds[i] = connect_client(f);
		run(f);
	}
	assert_int_equal(ctl_clients_cnt(f->ctl), CTL_CLIENTS_MAX);
	for (size_t i = 0; i < CTL_CLIENTS_MAX + 3; i++) {
		send_text(fds[i], "{}", 2);
		run(f);
		expect_answer(fds[i], "asked");
	}
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
	assert_err(ctl_client_add(f->ctl, open("/dev/null", O_RDONLY | O_CLOEXEC)), -EPERM);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
}

static void ctl__too_many_unread_answers_are_refused(void **state)
{
	struct fixture *f = *state;
	int first, second;

	f->answer_bytes = CTL_ANSWERS_BYTES_MAX / 2;
	first = connect_client(f);
	send_text(first, "{}", 2);
	run(f);
	second = connect_client(f);
	send_text(second, "{}", 2);
	run(f);
	expect_answer(second, "too many answers");
	close(first);
}

static void ctl__too_big_or_no_answer_is_said(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->no_answer = true;
	fd = connect_client(f);
	send_text(fd, "{}", 2);
	run(f);
	expect_answer(fd, "out of memory");

	f->no_answer = false;
	f->answer_bytes = PGD_PROTO_ANSWER_BYTES_MAX;
	fd = connect_client(f);
	send_text(fd, "{}", 2);
	run(f);
	expect_answer(fd, "over 64 MiB");
}

static void ctl__the_socket_is_ours_alone(void **state)
{
	struct fixture *f = *state;
	struct ctl *second = NULL;
	struct stat st;

	assert_ok(stat(f->path, &st));
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_err(ctl_open(f->event, f->path, on_request, f, &second), -EADDRINUSE);
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
	struct fixture *f = *state;
	char path[256];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ctl_close(f->ctl);
	f->ctl = NULL;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_ok(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	assert_ok(ctl_open(f->event, f->path, on_request, f, &f->ctl));

	snprintf(path, sizeof(path), "%s/file", f->directory);
	assert_ok(fsutil_file_save(path, "precious", 8, 0600));
	assert_err(ctl_open(f->event, path, on_request, f, &f->ctl), -EEXIST);
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_err(ctl_open(f->event, path, on_request, f, &f->ctl), -ENAMETOOLONG);
}

/* Another daemon has taken the path over (somebody removed ours): it stays. */
static void ctl__closing_leaves_anothers_socket(void **state)
{
	struct fixture *f = *state;
	struct ctl *other;
	struct stat st;

	assert_ok(unlink(f->path));
	assert_ok(ctl_open(f->event, f->path, on_request, f, &other));
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
	struct fixture *f = *state;
	struct question q = { .path = f->path };
	pthread_t thread;

	f->answer_bytes = BIG_BYTES;
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
	struct fixture *f = *state;
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

#define WITH_DAEMON(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(ctl__answers_a_request_and_closes),
		WITH_DAEMON(ctl__a_request_may_come_byte_by_byte),
		WITH_DAEMON(ctl__wrong_requests_are_told_why),
		WITH_DAEMON(ctl__clients_that_go_are_forgotten),
		WITH_DAEMON(ctl__half_requests_and_unread_answers_time_out),
		WITH_DAEMON(ctl__a_big_answer_comes_whole_while_others_are_served),
		WITH_DAEMON(ctl__more_clients_than_places_wait),
		WITH_DAEMON(ctl__too_many_unread_answers_are_refused),
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
