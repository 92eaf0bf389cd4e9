/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_exec.c — see sink_exec.h.
 *
 * A program that has ended stays a zombie until its group is killed: as long as it is one, the
 * group's number can be nobody else's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/escape.h"
#include "lib/log.h"
#include "lib/units.h"
#include "report/sink_exec.h"
#include "report/sink_spawn.h"

#define PRIORITY	  (SD_EVENT_PRIORITY_NORMAL + 10) /* windows and pygrowctl come first */
#define TIMER_ACCURACY_US 1000
#define LINES_MAX	  20 /* of its output that are messages of ours */
#define LINE_BYTES_MAX	  512 /* of them, each */
#define READ_BYTES	  65536
#define NS_PER_MS	  1000000

struct run {
	struct sink_exec *owner; /* NULL: a free place */
	pid_t pid; /* and its process group */
	int pidfd, output_fd;
	sd_event_source *end, *output, *limit;
	bool is_late;
	uint64_t output_bytes;
	size_t kept_bytes;
	char kept[SINK_EXEC_KEPT_BYTES];
};

struct sink_exec {
	struct sink sink;
	sd_event *event;
	struct sink_exec_options options;
	char **argv;
	struct run *runs; /* options.at_once of them */
	char **queue; /* a ring of options.queue_max texts */
	size_t first, n_queued;
};

/* ── what it wrote ────────────────────────────────────────────────────────────────────────── */

static void output_close(struct run *run)
{
	run->output = sd_event_source_disable_unref(run->output);
	if (run->output_fd >= 0)
		close(TAKE_FD(run->output_fd));
}

/* One piece. False: there is nothing now. */
static bool output_read(struct run *run)
{
	char buf[READ_BYTES];
	ssize_t n = read(run->output_fd, buf, sizeof(buf));
	size_t keep;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		output_close(run);
		return false;
	}
	keep = sizeof(run->kept) - run->kept_bytes;
	keep = keep < (size_t)n ? keep : (size_t)n;
	memcpy(run->kept + run->kept_bytes, buf, keep);
	run->kept_bytes += keep;
	run->output_bytes += (size_t)n;
	if (run->output_bytes > SINK_EXEC_OUTPUT_BYTES_MAX)
		output_close(run);
	return run->output_fd >= 0;
}

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	output_read(userdata);
	return 0;
}

static void say_line(const char *program, enum log_level level, const char *line, size_t n_bytes)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	escape_add_bytes(&text, line, n_bytes < LINE_BYTES_MAX ? n_bytes : LINE_BYTES_MAX);
	log_full(level, 0, "%s: %s%s", program, text.buf, n_bytes > LINE_BYTES_MAX ? "…" : "");
}

/* A program of many words is cut: what it wrote first says most. */
static void say_output(const struct run *run, enum log_level level)
{
	const char *program = run->owner->argv[0];
	size_t at = 0, n;

	for (int i = 0; i < LINES_MAX && at < run->kept_bytes; i++, at += n + 1) {
		const char *line = run->kept + at;
		const char *end = memchr(line, '\n', run->kept_bytes - at);

		n = end ? (size_t)(end - line) : run->kept_bytes - at;
		if (n)
			say_line(program, level, line, n);
	}
	if (run->output_bytes > at)
		log_full(level, 0, "%s: wrote %llu bytes in all, the rest is not shown", program,
			 (unsigned long long)run->output_bytes);
}

/* ── its end ──────────────────────────────────────────────────────────────────────────────── */

static void say_end(const struct run *run, const siginfo_t *info)
{
	const struct sink_exec *x = run->owner;
	char limit[UNITS_TEXT_MAX];

	if (run->is_late)
		log_warn(0, "alert-exec %s: not done after %s, ended", x->argv[0],
			 units_duration_format(limit, (double)x->options.limit_ms / 1000));
	else if (info->si_code == CLD_EXITED)
		log_warn(0, "alert-exec %s: exit status %d; the alert is not sent again",
			 x->argv[0], info->si_status);
	else
		log_warn(0, "alert-exec %s: ended by signal %d; the alert is not sent again",
			 x->argv[0], info->si_status);
}

static void count_end(struct run *run, const siginfo_t *info)
{
	uint64_t *counters = run->owner->sink.counters;
	bool is_well = !run->is_late && info->si_code == CLD_EXITED && info->si_status == 0;

	counters[is_well	? SINK_COUNTER_SENT
		 : run->is_late ? SINK_COUNTER_TIMED_OUT
				: SINK_COUNTER_FAILED]++;
	if (!is_well)
		say_end(run, info);
	say_output(run, is_well ? LOG_LEVEL_INFO : LOG_LEVEL_WARN);
}

/* The program has ended, or has just been killed: waits for that only. */
static void run_end(struct run *run)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	kill(-run->pid, SIGKILL);
	while (waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	while (run->output_fd >= 0 && output_read(run))
		;
	count_end(run, &info);
	output_close(run);
	sd_event_source_disable_unref(run->end);
	sd_event_source_disable_unref(run->limit);
	close(run->pidfd);
	run->owner = NULL;
}

static void start_next(struct sink_exec *x);

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct run *run = userdata;
	struct sink_exec *x = run->owner;

	(void)source;
	(void)fd;
	(void)revents;
	run_end(run);
	start_next(x);
	return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct run *run = userdata;

	(void)usec;
	if (run->is_late) {
		kill(-run->pid, SIGKILL);
		return 0;
	}
	run->is_late = true;
	kill(-run->pid, SIGTERM);
	if (sd_event_source_set_time_relative(source, run->owner->options.kill_ms * 1000) < 0 ||
	    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0)
		kill(-run->pid, SIGKILL);
	return 0;
}

/* ── its start ────────────────────────────────────────────────────────────────────────────── */

static int add_sources(struct run *run)
{
	struct sink_exec *x = run->owner;
	int r;

	r = sd_event_add_io(x->event, &run->end, run->pidfd, EPOLLIN, on_end, run);
	if (r >= 0)
		r = sd_event_add_io(x->event, &run->output, run->output_fd, EPOLLIN, on_output,
				    run);
	if (r >= 0)
		r = sd_event_add_time_relative(x->event, &run->limit, CLOCK_MONOTONIC,
					       x->options.limit_ms * 1000, TIMER_ACCURACY_US,
					       on_limit, run);
	if (r >= 0)
		r = sd_event_source_set_priority(run->end, PRIORITY);
	if (r >= 0)
		r = sd_event_source_set_priority(run->output, PRIORITY);
	return r < 0 ? r : sd_event_source_set_priority(run->limit, PRIORITY);
}

/* A file in memory: whoever does not read it keeps nobody waiting, as a pipe would. */
static int stdin_new(const char *text, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("pygrowd-alert", MFD_CLOEXEC);
	size_t n_bytes = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, n_bytes) != (ssize_t)n_bytes || write(fd, "\n", 1) != 1)
		return -ENOMEM;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int run_start(struct sink_exec *x, struct run *run, const char *text)
{
	_cleanup_close_ int stdin_fd = -1, write_fd = -1;
	int fds[2], r = stdin_new(text, &stdin_fd);

	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	write_fd = fds[1];
	*run = (struct run){ .output_fd = fds[0], .pidfd = -1 };
	r = sink_spawn(x->argv, stdin_fd, write_fd, &run->pid, &run->pidfd);
	if (r < 0) {
		close(run->output_fd);
		return r;
	}
	run->owner = x;
	if (add_sources(run) < 0) { /* out of memory: nobody would see its end */
		kill(-run->pid, SIGKILL);
		run_end(run);
	}
	return 0;
}

static struct run *free_run(struct sink_exec *x)
{
	for (size_t i = 0; i < x->options.at_once; i++)
		if (!x->runs[i].owner)
			return &x->runs[i];
	return NULL;
}

/* The caller frees it. */
static char *queue_pop(struct sink_exec *x)
{
	char *text = TAKE_PTR(x->queue[x->first]);

	x->first = (x->first + 1) % x->options.queue_max;
	x->n_queued--;
	return text;
}

static void start_next(struct sink_exec *x)
{
	struct run *run;

	while (x->n_queued && (run = free_run(x))) {
		_cleanup_free_ char *text = queue_pop(x);
		int r = run_start(x, run, text);

		if (r == 0)
			continue;
		x->sink.counters[SINK_COUNTER_FAILED]++;
		log_warn(r, "alert-exec %s: cannot be started; the alert is not sent again",
			 x->argv[0]);
	}
}

/* ── the sink ─────────────────────────────────────────────────────────────────────────────── */

static int exec_send(struct sink *s, json_object *alert, const char *text, size_t text_bytes)
{
	struct sink_exec *x = container_of(s, struct sink_exec, sink);
	char *copy = strndup(text, text_bytes);

	(void)alert;
	if (!copy)
		return -ENOMEM;
	if (x->n_queued == x->options.queue_max) {
		free(queue_pop(x));
		s->counters[SINK_COUNTER_DROPPED]++;
	}
	x->queue[(x->first + x->n_queued++) % x->options.queue_max] = copy;
	start_next(x);
	return 0;
}

static size_t exec_waiting_cnt(const struct sink *s)
{
	const struct sink_exec *x = container_of(s, struct sink_exec, sink);
	size_t n = x->n_queued;

	for (size_t i = 0; i < x->options.at_once; i++)
		n += x->runs[i].owner != NULL;
	return n;
}

static void end_by(struct run *run, uint64_t end_ns)
{
	struct pollfd pfd = { .fd = run->pidfd, .events = POLLIN };
	uint64_t now = clock_monotonic_ns();
	int wait_ms = end_ns > now ? (int)((end_ns - now) / NS_PER_MS) : 0;

	if (poll(&pfd, 1, wait_ms) <= 0) {
		run->is_late = true;
		kill(-run->pid, SIGKILL);
	}
	run_end(run);
}

static void exec_close(struct sink *s)
{
	struct sink_exec *x = container_of(s, struct sink_exec, sink);
	uint64_t end_ns = clock_monotonic_ns() + x->options.close_ms * NS_PER_MS;

	if (x->n_queued)
		log_warn(0, "alert-exec %s: %zu alerts were still waiting for it, dropping them",
			 x->argv[0], x->n_queued);
	while (x->n_queued)
		free(queue_pop(x));
	for (size_t i = 0; x->runs && i < x->options.at_once; i++)
		if (x->runs[i].owner)
			end_by(&x->runs[i], end_ns);
	for (size_t i = 0; x->argv && x->argv[i]; i++)
		free(x->argv[i]);
	free(x->argv);
	free(x->runs);
	free(x->queue);
	sd_event_unref(x->event);
	free(x);
}

int sink_exec_check(char *const *argv, struct strbuf *why)
{
	const char *program = argv[0] ? argv[0] : "";
	struct stat st;

	if (program[0] != '/')
		return strbuf_fail(why, -EINVAL,
				   "alert-exec: \"%s\" is not the path of a program: it begins "
				   "with /",
				   program);
	if (stat(program, &st) < 0 || access(program, X_OK) < 0)
		return strbuf_fail(why, -errno, "alert-exec %s: %s%s", program, strerror(errno),
				   errno == EACCES ? "; chmod +x makes it a program" : "");
	if (!S_ISREG(st.st_mode))
		return strbuf_fail(why, -EACCES, "alert-exec %s: not a file that can be run",
				   program);
	return 0;
}

static char **argv_copy(char *const *argv)
{
	size_t n = 0;
	char **copy;

	while (argv[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(argv[i]);
		if (copy[i])
			continue;
		while (i--)
			free(copy[i]);
		free(copy);
		return NULL;
	}
	return copy;
}

int sink_exec_open(sd_event *event, const struct sink_exec_options *o, struct sink **ret,
		   struct strbuf *why)
{
	static const struct sink_ops ops = { exec_send, exec_waiting_cnt, exec_close };
	_cleanup_(sink_closep) struct sink *sink = NULL;
	struct sink_exec *x;
	int r = sink_exec_check(o->argv, why);

	if (r < 0)
		return r;
	x = calloc(1, sizeof(*x));
	if (!x)
		return strbuf_fail(why, -ENOMEM, "alert-exec: out of memory");
	x->sink = (struct sink){ .kind = SINK_KIND_EXEC, .ops = &ops };
	sink = &x->sink;
	x->event = sd_event_ref(event);
	x->options = *o;
	x->argv = argv_copy(o->argv);
	x->runs = calloc(o->at_once, sizeof(*x->runs));
	x->queue = calloc(o->queue_max, sizeof(*x->queue));
	if (!x->argv || !x->runs || !x->queue)
		return strbuf_fail(why, -ENOMEM, "alert-exec: out of memory");
	*ret = TAKE_PTR(sink);
	return 0;
}
