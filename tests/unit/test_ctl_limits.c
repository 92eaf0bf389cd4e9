/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/ctl.c: who is turned away, what it is told, and that others do not notice. */
#include <fcntl.h>
#include <sys/resource.h>

#include "ctlfix.h"

/* Both ends of every client are in this process, and clients get a quarter of the descriptors. */
#define FDS (CTL_CLIENTS_MAX * 5)

static int setup_many(void **state)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	if (limit.rlim_cur < FDS)
		limit.rlim_cur = limit.rlim_max < FDS ? limit.rlim_max : FDS;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	return ctlfix_setup(state);
}

static int setup_few(void **state)
{
	struct rlimit few = { 64, 0 }, before;
	int r;

	if (getrlimit(RLIMIT_NOFILE, &before) < 0)
		return -1;
	few.rlim_max = before.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		return -1;
	r = ctlfix_setup(state);
	return setrlimit(RLIMIT_NOFILE, &before) < 0 ? -1 : r;
}

/* A client's end of a connection of somebody else's. */
static int add_as(struct ctlfix *f, uid_t uid, bool is_member, int want)
{
	const struct peer peer = { .pid = 1, .uid = uid, .is_member = is_member };
	int fds[2];

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
	assert_err(ctl_client_add_as(f->ctl, fds[0], &peer), want);
	return fds[1];
}

/* Other users than the daemon's, whoever runs this. */
static uid_t stranger(void)
{
	return geteuid() + 12345;
}

static void ctl__a_thousand_clients_are_served_and_the_next_is_told(void **state)
{
	struct ctlfix *f = *state;
	size_t n = ctl_places_cnt(f->ctl);
	int *fds = calloc(n, sizeof(*fds));

	assert_true(n >= 1000);
	for (size_t i = 0; i < n; i++)
		fds[i] = add_as(f, 0, false, 0);
	assert_int_equal(ctl_clients_cnt(f->ctl), n);
	ctlfix_expect(add_as(f, 0, false, -EBUSY), "as many clients as it takes; ask again");
	assert_int_equal(ctl_counter_get(f->ctl, CTL_COUNTER_BUSY), 1);
	for (size_t i = 0; i < n; i++)
		ctlfix_send(fds[i], "{}", 2);
	ctlfix_run(f);
	for (size_t i = 0; i < n; i++)
		ctlfix_expect(fds[i], "asked");
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
	free(fds);
}

static void ctl__the_last_places_are_roots(void **state)
{
	struct ctlfix *f = *state;
	size_t n = ctl_places_cnt(f->ctl) - CTL_CLIENTS_ROOT;
	int *fds = calloc(n, sizeof(*fds)), root;

	for (size_t i = 0; i < n; i++)
		fds[i] = add_as(f, stranger(), true, 0);
	ctlfix_expect(add_as(f, stranger(), true, -EBUSY), "ask again");
	root = add_as(f, 0, false, 0);
	ctlfix_send(root, "{}", 2);
	ctlfix_run(f);
	ctlfix_expect(root, "asked");
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	ctlfix_run(f);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
	free(fds);
}

/* Clients may not take what attaching to a process needs. */
static void ctl__few_descriptors_are_few_places(void **state)
{
	struct ctlfix *f = *state;

	assert_int_equal(ctl_places_cnt(f->ctl), 2 * CTL_CLIENTS_ROOT);
}

static void ctl__without_a_descriptor_it_is_told_so(void **state)
{
	struct ctlfix *f = *state;
	struct rlimit none, before;
	int fd = ctlfix_connect(f), again;

	assert_ok(getrlimit(RLIMIT_NOFILE, &before));
	none = before;
	none.rlim_cur = (rlim_t)fd; /* numbers below are taken: of what is open, this is the last */
	assert_ok(setrlimit(RLIMIT_NOFILE, &none));
	ctlfix_run(f);
	assert_ok(setrlimit(RLIMIT_NOFILE, &before));
	ctlfix_expect(fd, "no descriptor left");
	assert_int_equal(ctl_counter_get(f->ctl, CTL_COUNTER_BUSY), 1);

	again = ctlfix_connect(f);
	ctlfix_send(again, "{}", 2);
	ctlfix_run(f);
	ctlfix_expect(again, "asked");
}

static void ctl__who_may_not_ask_is_told_and_counted(void **state)
{
	struct ctlfix *f = *state;

	ctlfix_expect(add_as(f, stranger(), false, -EACCES), "you may not ask pygrowd");
	ctlfix_expect(add_as(f, stranger(), false, -EACCES), "you may not ask pygrowd");
	assert_int_equal(ctl_counter_get(f->ctl, CTL_COUNTER_DENIED), 2);
	assert_int_equal(ctl_clients_cnt(f->ctl), 0);
	assert_int_equal(f->n_asked, 0);
}

/* The fixture answers with what it was asked: here, with a document. */
static void ctl__command_lines_are_their_owners(void **state)
{
	static const char document[] = "{\"processes\":[{\"uid\":%u,\"cmdline\":\"mine\"},"
				       "{\"uid\":0,\"cmdline\":\"secret\"}]}";
	struct ctlfix *f = *state;
	char text[200], answer[400] = "";
	int member = add_as(f, stranger(), true, 0), own = add_as(f, geteuid(), false, 0);
	size_t n;

	snprintf(text, sizeof(text), document, stranger());
	ctlfix_send(member, text, strlen(text));
	ctlfix_send(own, text, strlen(text));
	ctlfix_run(f);
	assert_true(ctlfix_receive(member, answer, sizeof(answer) - 1, &n));
	assert_non_null(strstr(answer + sizeof(struct pgd_proto_head), "mine"));
	assert_null(strstr(answer + sizeof(struct pgd_proto_head), "secret"));
	ctlfix_expect(own, "secret");
	close(member);
}

/* True: within the time that anything may take. */
static bool run_until_clients(struct ctlfix *f, size_t want)
{
	for (int i = 0; i < 200 && ctl_clients_cnt(f->ctl) != want; i++)
		assert_true(sd_event_run(f->event, 100000) >= 0);
	return ctl_clients_cnt(f->ctl) == want;
}

static void ctl__half_a_request_is_not_waited_for(void **state)
{
	struct ctlfix *f = *state;
	int fd;

	ctl_set_timeout(f->ctl, 50000);
	fd = ctlfix_connect(f);
	assert_int_equal(send(fd, "PY", 2, MSG_NOSIGNAL), 2);
	assert_true(run_until_clients(f, 1) && run_until_clients(f, 0));
	ctlfix_expect(fd, "did not come in time");
	assert_int_equal(ctl_counter_get(f->ctl, CTL_COUNTER_SLOW), 1);
	assert_int_equal(f->n_asked, 0);
}

/* The loop was busy elsewhere for as long as the client had: that is not the client's fault. */
static void ctl__a_request_that_waited_for_us_is_answered(void **state)
{
	struct ctlfix *f = *state;
	int fd;

	ctl_set_timeout(f->ctl, 0);
	fd = ctlfix_connect(f);
	ctlfix_send(fd, "{}", 2);
	ctlfix_run(f);
	ctlfix_expect(fd, "asked");
	assert_int_equal(ctl_counter_get(f->ctl, CTL_COUNTER_SLOW), 0);
}

static void ctl__an_answer_that_nobody_reads_is_dropped(void **state)
{
	struct ctlfix *f = *state;
	int fd;

	f->answer_bytes = CTLFIX_BIG_BYTES;
	ctl_set_timeout(f->ctl, 50000);
	fd = ctlfix_connect(f);
	ctlfix_send(fd, "{}", 2);
	assert_true(run_until_clients(f, 1) && run_until_clients(f, 0));
	assert_int_equal(f->n_asked, 1);
	assert_int_equal(ctl_counter_get(f->ctl, CTL_COUNTER_SLOW), 1);
	close(fd);
}

static void ctl__too_many_unread_answers_are_refused(void **state)
{
	struct ctlfix *f = *state;
	int first, second;

	f->answer_bytes = CTL_BYTES_MAX / 2;
	first = ctlfix_connect(f);
	ctlfix_send(first, "{}", 2);
	ctlfix_run(f);
	second = ctlfix_connect(f);
	ctlfix_send(second, "{}", 2);
	ctlfix_run(f);
	ctlfix_expect(second, "too many answers");
	assert_int_equal(ctl_counter_get(f->ctl, CTL_COUNTER_BUSY), 1);
	close(first);
	ctlfix_run(f);

	/* What it held is free again. */
	second = ctlfix_connect(f);
	f->answer_bytes = CTLFIX_BIG_BYTES;
	ctlfix_send(second, "{}", 2);
	ctlfix_run(f);
	assert_int_equal(f->n_asked, 3);
	assert_int_equal(ctl_clients_cnt(f->ctl), 1);
	close(second);
}

/* With an answer of nearly all that may be held waiting, there is no room for a long request. */
static void ctl__too_many_requests_are_refused(void **state)
{
	struct pgd_proto_head head;
	struct ctlfix *f = *state;
	int reader, writer;

	f->answer_bytes = PGD_PROTO_ANSWER_BYTES_MAX - 100;
	reader = ctlfix_connect(f);
	ctlfix_send(reader, "{}", 2);
	ctlfix_run(f);
	proto_head_pack(&head, PGD_PROTO_REQUEST_BYTES_MAX);
	for (size_t i = 0; i < (CTL_BYTES_MAX >> 16) - (PGD_PROTO_ANSWER_BYTES_MAX >> 16); i++) {
		writer = ctlfix_connect(f);
		assert_int_equal(send(writer, &head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
		assert_int_equal(send(writer, "{", 1, MSG_NOSIGNAL), 1);
		ctlfix_run(f);
	}
	ctlfix_expect(writer, "too many requests");
	assert_int_equal(ctl_counter_get(f->ctl, CTL_COUNTER_BUSY), 1);
	close(reader);
}

#define WITH_MANY(test) cmocka_unit_test_setup_teardown(test, setup_many, ctlfix_teardown)
#define WITH_FEW(test)	cmocka_unit_test_setup_teardown(test, setup_few, ctlfix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FEW(ctl__few_descriptors_are_few_places),
		WITH_DAEMON(ctl__without_a_descriptor_it_is_told_so),
		WITH_DAEMON(ctl__who_may_not_ask_is_told_and_counted),
		WITH_DAEMON(ctl__command_lines_are_their_owners),
		WITH_DAEMON(ctl__half_a_request_is_not_waited_for),
		WITH_DAEMON(ctl__a_request_that_waited_for_us_is_answered),
		WITH_DAEMON(ctl__an_answer_that_nobody_reads_is_dropped),
		WITH_DAEMON(ctl__too_many_unread_answers_are_refused),
		WITH_DAEMON(ctl__too_many_requests_are_refused),
		WITH_MANY(ctl__a_thousand_clients_are_served_and_the_next_is_told),
		WITH_MANY(ctl__the_last_places_are_roots),
	};

	return cmocka_run_group_tests_name("ctl_limits", tests, NULL, NULL);
}
