/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/journal.c. The last test is a journald: in a mount namespace of its own a
 * child has its socket at the place where libsystemd looks for it. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "report/journal.h"
#include "test.h"

#define NOT_PERMITTED 77

static void expect_fields(const struct log_entry *e, const char *const *want)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct iovec fields[JOURNAL_FIELDS_MAX];
	int n = journal_fields(e, &text, fields);

	for (int i = 0; i < n; i++) {
		assert_non_null(want[i]);
		assert_int_equal(fields[i].iov_len, strlen(want[i]));
		assert_memory_equal(fields[i].iov_base, want[i], strlen(want[i]));
	}
	assert_null(want[n]);
}

static void journal__fields_of_an_entry(void **state)
{
	static const char *const all[] = { "MESSAGE=open: No such file or directory",
					   "PRIORITY=3",
					   "SYSLOG_IDENTIFIER=pygrowd",
					   "ERRNO=2",
					   "CODE_FILE=a.c",
					   "CODE_LINE=12",
					   "CODE_FUNC=f",
					   "PYGROWD_PID=4711",
					   "MESSAGE_ID=" LOG_ID_UNSUPPORTED,
					   "PYGROWD_A=1",
					   "PYGROWD_B=two\nlines",
					   NULL };
	static const char *const besides[] = { "PYGROWD_A=1", "PYGROWD_B=two\nlines" };
	static const char *const few[] = { "MESSAGE=two\nlines", "PRIORITY=6",
					   "SYSLOG_IDENTIFIER=x", NULL };
	struct log_entry e = { .level = LOG_LEVEL_ERR,
			       .err = -ENOENT,
			       .name = "pygrowd",
			       .text = "open: No such file or directory",
			       .about = { .pid = 4711,
					  .id = LOG_ID_UNSUPPORTED,
					  .file = "a.c",
					  .function = "f",
					  .line = 12,
					  .fields = besides,
					  .n_fields = 2 } };

	(void)state;
	expect_fields(&e, all);
	expect_fields(
		&(struct log_entry){ .level = LOG_LEVEL_INFO, .name = "x", .text = "two\nlines" },
		few);
}

static void journal__fields_above_the_limit_are_left_out(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	const char *besides[LOG_FIELDS_MAX + 3];
	struct iovec fields[JOURNAL_FIELDS_MAX];
	struct log_entry e = { .level = LOG_LEVEL_INFO,
			       .name = "x",
			       .text = "y",
			       .about = { .fields = besides, .n_fields = LOG_FIELDS_MAX + 3 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(besides); i++)
		besides[i] = "A=1";
	assert_int_equal(journal_fields(&e, &text, fields), 3 + LOG_FIELDS_MAX);
}

/* An ID that is no ID, or that two events share, would be a promise broken for ever. */
static void journal__message_ids_are_different(void **state)
{
	static const char *const ids[] = { LOG_ID_STARTED,	 LOG_ID_STOPPED,
					   LOG_ID_RELOADED,	 LOG_ID_RELOAD_REFUSED,
					   LOG_ID_UNSUPPORTED,	 LOG_ID_ALERT_FIRES,
					   LOG_ID_ALERT_RESOLVED };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
		assert_int_equal(strlen(ids[i]), 32);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(ids[i], ids[j]);
	}
}

static void stream_set(unsigned long long plus)
{
	char text[64];
	struct stat st;

	assert_ok(fstat(STDERR_FILENO, &st));
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + plus);
	assert_ok(setenv("JOURNAL_STREAM", text, 1));
}

static void journal__another_stderr_is_left_alone(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	assert_false(journal_open());
	stream_set(1);
	assert_false(journal_open());
	assert_ok(setenv("JOURNAL_STREAM", "nonsense", 1));
	assert_false(journal_open());
	stream_set(0);
	assert_true(log_is_journal());
	unsetenv("JOURNAL_STREAM");
}

/* In the child: the place of journald's socket, and it. */
static int journald_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = "/run/systemd/journal/socket" };
	int fd;

	if ((unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/run", "tmpfs", 0, NULL) < 0)
		_exit(NOT_PERMITTED);
	if (mkdir("/run/systemd", 0755) < 0 || mkdir("/run/systemd/journal", 0755) < 0)
		_exit(1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		_exit(2);
	return fd;
}

static void be_journald(void)
{
	static const char *const want[] = { "MESSAGE=attach: Permission denied\n",
					    "PRIORITY=4\n",
					    "ERRNO=13\n",
					    "SYSLOG_IDENTIFIER=pygrowd\n",
					    "CODE_FUNC=be_journald\n",
					    "PYGROWD_PID=99\n",
					    "MESSAGE_ID=" LOG_ID_UNSUPPORTED "\n" };
	int fd = journald_open();
	char got[4096] = "";

	stream_set(0);
	if (!journal_open())
		_exit(3);
	log_about_full(99, LOG_ID_UNSUPPORTED, LOG_LEVEL_WARN, -EACCES, "attach");
	if (recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT) <= 0)
		_exit(4);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		if (!strstr(got, want[i]))
			_exit(10 + (int)i);
	_exit(0);
}

static void journal__journald_gets_the_fields(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_journald();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_PERMITTED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(journal__fields_of_an_entry),
		cmocka_unit_test(journal__fields_above_the_limit_are_left_out),
		cmocka_unit_test(journal__message_ids_are_different),
		cmocka_unit_test(journal__another_stderr_is_left_alone),
		cmocka_unit_test(journal__journald_gets_the_fields),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
