/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/sink_exec.c and sink_spawn.c: real programs, real time limits, short ones. A
 * FIFO tells when a program has come to a point, and when nobody of its group is left.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/cleanup.h"
#include "lib/fsutil.h"
#include "report/sink_exec.h"
#include "sinkfix.h"

#define PATIENCE_MS 10000
#define SHORT_MS    50
#define LOG_MAX	    22 /* of one program: 20 lines, how it ended, how much there was */

#define SHELL(...)                                 \
	(char *const[])                            \
	{                                          \
		"/bin/sh", "-c", __VA_ARGS__, NULL \
	}
#define PROGRAM(...)              \
	(char *const[])           \
	{                         \
		__VA_ARGS__, NULL \
	}

static void open_with(struct sinkfix *f, struct sink_exec_options *o, char *const *argv)
{
	o->argv = argv;
	assert_ok(sink_exec_open(f->event, o, &f->sink, &f->why));
}

static void open_plain(struct sinkfix *f, char *const *argv)
{
	struct sink_exec_options o = SINK_EXEC_OPTIONS_INIT;

	open_with(f, &o, argv);
}

static void send_one(struct sinkfix *f)
{
	assert_ok(sinkfix_send(f, "1", "firing"));
	sinkfix_drain(f);
}

static void path_in(const struct sinkfix *f, const char *name, char buf[128])
{
	snprintf(buf, 128, "%s/%s", f->dir, name);
}

/* Its reading end. */
static int fifo_open(const struct sinkfix *f, char path[128])
{
	int fd;

	path_in(f, "fifo", path);
	assert_ok(mkfifo(path, 0600));
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int on_point(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	char byte;

	(void)source;
	(void)revents;
	*(bool *)userdata |= read(fd, &byte, 1) == 1;
	return 0;
}

/* Until somebody has written to it. */
static void fifo_wait(struct sinkfix *f, int fd)
{
	sd_event_source *source = NULL;
	bool is_there = false;

	assert_true(sd_event_add_io(f->event, &source, fd, POLLIN, on_point, &is_there) >= 0);
	while (!is_there)
		sinkfix_turn(f);
	sd_event_source_disable_unref(source);
}

/* All who could write to it are gone. */
static void expect_nobody(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char buf[64];
	ssize_t n;

	do {
		assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
		n = read(fd, buf, sizeof(buf));
	} while (n > 0);
	assert_int_equal(n, 0);
	close(fd);
}

/* ── what it gets ─────────────────────────────────────────────────────────────────────────── */

static void exec__alert_is_on_stdin(void **state)
{
	struct sinkfix *f = *state;
	_cleanup_free_ char *text = NULL;
	char path[128];

	path_in(f, "out", path);
	open_plain(f, SHELL("cat >\"$1\"", "x", path));
	send_one(f);
	assert_ok(fsutil_file_load(path, 1024, &text, NULL));
	assert_string_equal(text, "{\"id\":\"1\",\"state\":\"firing\"}\n");
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 1);
	assert_int_equal(sinkfix_log_cnt, 0);
}

static void exec__arguments_are_not_words_of_a_shell(void **state)
{
	struct sinkfix *f = *state;

	open_plain(f, PROGRAM("/bin/echo", "a b; $(id) *"));
	send_one(f);
	assert_string_equal(sinkfix_log.buf, "/bin/echo: a b; $(id) *\n");
}

static void exec__environment_is_small(void **state)
{
	struct sinkfix *f = *state;

	setenv("PYGROWD_SECRET", "x", 1);
	open_plain(f, PROGRAM("/usr/bin/env"));
	send_one(f);
	assert_int_equal(sinkfix_log_cnt, 2);
	assert_true(sinkfix_logged("/usr/bin/env: PATH=/usr/local/sbin:"));
	assert_true(sinkfix_logged("/usr/bin/env: LC_ALL=C.UTF-8\n"));
}

static void exec__no_descriptor_is_inherited(void **state)
{
	struct sinkfix *f = *state;
	int low = dup(STDERR_FILENO), high = fcntl(low, F_DUPFD, 200); /* not close-on-exec */

	open_plain(f, SHELL("ls /proc/$$/fd; exit 0"));
	send_one(f);
	close(low);
	close(high);
	assert_true(sinkfix_logged("/bin/sh: 0\n/bin/sh: 1\n/bin/sh: 2\n"));
	assert_int_equal(sinkfix_log_cnt, 3);
}

static void exec__no_rights_are_inherited(void **state)
{
	static const char *const lines[] = { "CapInh: 0000000000000000", "NoNewPrivs: 1",
					     "CapPrm: 0000000000000000", "CapEff: 0000000000000000",
					     "CapAmb: 0000000000000000" };
	struct sinkfix *f = *state;

	open_plain(f, SHELL("grep -E '^(Cap|NoNew)' /proc/self/status | tr '\\t' ' '"));
	send_one(f);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!sinkfix_logged(lines[i]))
			fail_msg("no %s in %s", lines[i], sinkfix_log.buf);
	if (geteuid() == 0)
		assert_true(sinkfix_logged("CapBnd: 0000000000000000"));
}

/* As the kernel takes it: glibc lets nobody touch 32 and 33. They are ignored in what make starts.
 */
static void set_reserved_signals(void *handler)
{
	unsigned long action[4] = { (unsigned long)handler };

	for (int i = 32; i < SIGRTMIN; i++)
		assert_int_equal(syscall(SYS_rt_sigaction, i, action, NULL, sizeof(action[0])), 0);
}

static void exec__signals_are_as_new(void **state)
{
	struct sinkfix *f = *state;
	sigset_t hup, before;

	set_reserved_signals(SIG_IGN);
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, &before); /* as the daemon has it; SIGPIPE is ignored */
	open_plain(f, SHELL("grep -E '^Sig(Blk|Ign)' /proc/$$/status | tr '\\t' ' '"));
	send_one(f);
	sigprocmask(SIG_SETMASK, &before, NULL);
	set_reserved_signals(SIG_DFL);
	assert_true(sinkfix_logged("SigBlk: 0000000000000000"));
	assert_true(sinkfix_logged("SigIgn: 0000000000000000"));
}

static void exec__has_a_session_of_its_own(void **state)
{
	struct sinkfix *f = *state;

	open_plain(f, SHELL("set -- $(cut -d ' ' -f 1,5,6 /proc/$$/stat);"
			    "[ $1 = $2 ] && [ $2 = $3 ] && [ \"$PWD\" = / ]"));
	send_one(f);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 1);
}

/* ── how it ends ──────────────────────────────────────────────────────────────────────────── */

static void exec__failures_are_counted_and_said(void **state)
{
	static const struct {
		const char *script, *said;
	} rows[] = {
		{ "exit 3", "exit status 3;" },
		{ "kill -9 $$", "ended by signal 9;" },
		{ "echo no mail server >&2; exit 1", "/bin/sh: no mail server\n" },
	};
	struct sinkfix *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		open_plain(f, SHELL((char *)rows[i].script));
		send_one(f);
		if (!sinkfix_logged(rows[i].said))
			fail_msg("no '%s' in %s", rows[i].said, sinkfix_log.buf);
		assert_int_equal(sinkfix_counter(f, SINK_COUNTER_FAILED), 1);
		assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 0);
		sink_close(TAKE_PTR(f->sink));
	}
}

static void exec__one_that_never_ends_is_ended(void **state)
{
	static const char *const scripts[] = {
		"exec sleep 1000",
		"trap '' TERM; while :; do sleep 1000; done",
		"kill -STOP $$",
	};
	struct sinkfix *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct sink_exec_options o = SINK_EXEC_OPTIONS_INIT;

		o.limit_ms = o.kill_ms = SHORT_MS;
		open_with(f, &o, SHELL((char *)scripts[i]));
		send_one(f);
		assert_int_equal(sinkfix_counter(f, SINK_COUNTER_TIMED_OUT), 1);
		assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 0);
		assert_int_equal(sinkfix_counter(f, SINK_COUNTER_FAILED), 0);
		assert_true(sinkfix_logged("not done after 50 ms, ended"));
		sink_close(TAKE_PTR(f->sink));
	}
}

/* It has ended itself; what it left behind is not to stay. */
static void exec__what_it_leaves_running_is_ended(void **state)
{
	struct sinkfix *f = *state;
	char path[128];
	int fd = fifo_open(f, path);

	open_plain(f, SHELL("exec 3>\"$1\"; echo >&3; (trap '' TERM HUP; sleep 1000) & exit 0", "x",
			    path));
	send_one(f);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 1);
	expect_nobody(fd);
}

static void exec__children_of_a_late_one_are_ended(void **state)
{
	struct sink_exec_options o = SINK_EXEC_OPTIONS_INIT;
	struct sinkfix *f = *state;
	char path[128];
	int fd = fifo_open(f, path);

	o.close_ms = 0;
	open_with(f, &o,
		  SHELL("exec 3>\"$1\"; trap '' TERM; sleep 1000 & sleep 1000 & echo >&3; "
			"wait",
			"x", path));
	assert_ok(sinkfix_send(f, "1", "firing"));
	fifo_wait(f, fd);
	sink_close(TAKE_PTR(f->sink));
	expect_nobody(fd);
}

static void exec__closing_lets_it_end(void **state)
{
	struct sinkfix *f = *state;
	_cleanup_free_ char *text = NULL;
	char path[128], out[128];
	int fd = fifo_open(f, path);

	path_in(f, "out", out);
	open_plain(f, SHELL("echo >\"$1\"; cat >\"$2\"", "x", path, out));
	assert_ok(sinkfix_send(f, "1", "firing"));
	fifo_wait(f, fd);
	sink_close(TAKE_PTR(f->sink));
	close(fd);
	assert_ok(fsutil_file_load(out, 1024, &text, NULL));
	assert_string_equal(text, "{\"id\":\"1\",\"state\":\"firing\"}\n");
}

/* ── what it does with stdin and stdout ───────────────────────────────────────────────────── */

static void exec__stdin_may_be_closed_at_once(void **state)
{
	struct sinkfix *f = *state;

	open_plain(f, SHELL("exec <&-; exit 0"));
	assert_ok(sinkfix_send_long(f, SINK_ALERT_BYTES_MAX - 100));
	sinkfix_drain(f);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 1);
}

static void exec__much_output_is_cut(void **state)
{
	struct sinkfix *f = *state;

	open_plain(f, PROGRAM("/usr/bin/head", "-c", "10485760", "/dev/zero"));
	send_one(f);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 1);
	assert_true(sinkfix_logged("wrote 10485760 bytes in all"));
	assert_true(sinkfix_log_cnt <= LOG_MAX && sinkfix_log.len < 2 * LOG_TEXT_BYTES);
}

static void exec__endless_output_is_not_read(void **state)
{
	struct sinkfix *f = *state;

	open_plain(f, PROGRAM("/usr/bin/yes"));
	send_one(f);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_FAILED), 1);
	assert_true(sinkfix_logged("ended by signal 13"));
	assert_true(sinkfix_log_cnt <= LOG_MAX);
}

static void exec__output_steers_no_terminal(void **state)
{
	struct sinkfix *f = *state;

	open_plain(f, SHELL("printf '\\033[2Jx\\rpygrowd: all is well\\n\\377\\n'"));
	send_one(f);
	assert_null(strchr(sinkfix_log.buf, '\033'));
	assert_null(strchr(sinkfix_log.buf, '\r'));
	assert_true(sinkfix_logged("\\x1b[2Jx\\x0dpygrowd: all is well\n"));
	assert_true(sinkfix_logged("\\xff\n"));
}

/* ── limits ───────────────────────────────────────────────────────────────────────────────── */

/* One at a time, two wait; each takes a line from the FIFO before it goes on. */
static void exec__the_oldest_of_too_many_goes(void **state)
{
	static const char *const ids[] = { "1", "2", "3", "4", "5" };
	struct sink_exec_options o = SINK_EXEC_OPTIONS_INIT;
	struct sinkfix *f = *state;
	_cleanup_free_ char *text = NULL;
	char path[128], out[128];
	int fd;

	o.at_once = 1;
	o.queue_max = 2;
	path_in(f, "fifo", path);
	path_in(f, "out", out);
	assert_ok(mkfifo(path, 0600));
	open_with(f, &o, SHELL("read -r go <\"$1\"; cat >>\"$2\"", "x", path, out));
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_ok(sinkfix_send(f, ids[i], "firing"));
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_DROPPED), 2);
	assert_int_equal(sink_waiting_cnt(f->sink), 3);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(write(fd, "\n\n\n", 3), 3);
	sinkfix_drain(f);
	close(fd);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 3);
	assert_ok(fsutil_file_load(out, 1024, &text, NULL));
	assert_string_equal(text, "{\"id\":\"1\",\"state\":\"firing\"}\n"
				  "{\"id\":\"4\",\"state\":\"firing\"}\n"
				  "{\"id\":\"5\",\"state\":\"firing\"}\n");
}

static void exec__too_long_an_alert_is_dropped(void **state)
{
	struct sinkfix *f = *state;

	open_plain(f, PROGRAM("/bin/true"));
	assert_err(sinkfix_send_long(f, SINK_ALERT_BYTES_MAX), -EMSGSIZE);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_DROPPED), 1);
	assert_int_equal(sink_waiting_cnt(f->sink), 0);
}

/* ── at start ─────────────────────────────────────────────────────────────────────────────── */

static void exec__what_cannot_run_is_said_at_start(void **state)
{
	static const struct {
		const char *program, *why;
		int want;
	} rows[] = {
		{ NULL, "alert-exec: \"\" is not the path of a program", -EINVAL },
		{ "", "alert-exec: \"\" is not the path of a program", -EINVAL },
		{ "mail", "alert-exec: \"mail\" is not the path of a program", -EINVAL },
		{ "./mail", "alert-exec: \"./mail\" is not the path", -EINVAL },
		{ "/no/such/program", "/no/such/program: No such file or directory", -ENOENT },
		{ "/etc/passwd", "/etc/passwd: Permission denied; chmod +x", -EACCES },
		{ "/etc/passwd/x", "/etc/passwd/x: Not a directory", -ENOTDIR },
		{ "/usr", "/usr: not a file that can be run", -EACCES },
	};
	struct sinkfix *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sink_exec_options o = SINK_EXEC_OPTIONS_INIT;

		o.argv = PROGRAM((char *)rows[i].program);
		strbuf_done(&f->why);
		assert_err(sink_exec_open(f->event, &o, &f->sink, &f->why), rows[i].want);
		assert_null(f->sink);
		if (!strstr(f->why.buf, rows[i].why) || strchr(f->why.buf, '\n'))
			fail_msg("%s", f->why.buf);
	}
}

static void exec__a_program_that_went_away_is_said(void **state)
{
	static const char script[] = "#!/bin/sh\nexit 0\n";
	struct sinkfix *f = *state;
	char path[128];

	path_in(f, "hook", path);
	assert_ok(fsutil_file_save(path, script, sizeof(script) - 1, 0700));
	open_plain(f, PROGRAM(path));
	send_one(f);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_SENT), 1);
	assert_ok(unlink(path));
	send_one(f);
	assert_int_equal(sinkfix_counter(f, SINK_COUNTER_FAILED), 1);
	assert_true(sinkfix_logged("cannot be started; the alert is not sent again: No such file"));
}

static void sink__none_takes_everything(void **state)
{
	(void)state;
	assert_ok(sink_send(NULL, NULL));
	assert_int_equal(sink_waiting_cnt(NULL), 0);
	sink_close(NULL);
	assert_string_equal(sink_counter_name(SINK_KIND_EXEC, SINK_COUNTER_TIMED_OUT),
			    "alert_exec_timed_out");
	assert_false(sink_counter_is_loss(SINK_COUNTER_SENT));
	assert_true(sink_counter_is_loss(SINK_COUNTER_DROPPED));
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, sinkfix_setup, sinkfix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(exec__alert_is_on_stdin),
		WITH_LOOP(exec__arguments_are_not_words_of_a_shell),
		WITH_LOOP(exec__environment_is_small),
		WITH_LOOP(exec__no_descriptor_is_inherited),
		WITH_LOOP(exec__no_rights_are_inherited),
		WITH_LOOP(exec__signals_are_as_new),
		WITH_LOOP(exec__has_a_session_of_its_own),
		WITH_LOOP(exec__failures_are_counted_and_said),
		WITH_LOOP(exec__one_that_never_ends_is_ended),
		WITH_LOOP(exec__what_it_leaves_running_is_ended),
		WITH_LOOP(exec__children_of_a_late_one_are_ended),
		WITH_LOOP(exec__closing_lets_it_end),
		WITH_LOOP(exec__stdin_may_be_closed_at_once),
		WITH_LOOP(exec__much_output_is_cut),
		WITH_LOOP(exec__endless_output_is_not_read),
		WITH_LOOP(exec__output_steers_no_terminal),
		WITH_LOOP(exec__the_oldest_of_too_many_goes),
		WITH_LOOP(exec__too_long_an_alert_is_dropped),
		WITH_LOOP(exec__what_cannot_run_is_said_at_start),
		WITH_LOOP(exec__a_program_that_went_away_is_said),
		cmocka_unit_test(sink__none_takes_everything),
	};

	return cmocka_run_group_tests_name("sink_exec", tests, NULL, NULL);
}
