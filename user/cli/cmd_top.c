/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_top.c — the report, again and again, on a terminal's other screen.
 *
 * Signals come as data (a signalfd), so that there is one way out of the loop, and it puts the
 * terminal back: no key and no signal short of SIGKILL leaves it raw.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "cli/cmd_top.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define SCREEN_ENTER "\033[?1049h\033[?25l" /* the other screen, no cursor */
#define SCREEN_LEAVE "\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define LINE_END     "\033[K\n" /* what a longer line left of the last view */
#define SCREEN_END   "\033[J"
#define COLUMNS_MIN  40

DEFINE_CLEANUP(json_object *, json_object_put)

const struct argp_option cmd_top_options[] = {
	COMMAND_OPTION_LIMIT,
	COMMAND_OPTION_PID,
	COMMAND_OPTION_SINCE,
	COMMAND_OPTION_BY,
	COMMAND_OPTION_INTERVAL,
	COMMAND_OPTION_SPLIT,
	{ 0 },
};

struct top {
	const struct command_words *words;
	struct termios before;
	int signal_fd;
	bool is_on;
};

static void write_out(const char *s)
{
	fputs(s, stdout);
	fflush(stdout);
}

static void screen_enter(struct top *t)
{
	struct termios raw = t->before;

	raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	write_out(SCREEN_ENTER);
	t->is_on = true;
}

static void screen_leave(struct top *t)
{
	if (!t->is_on)
		return;
	write_out(SCREEN_LEAVE);
	tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	t->is_on = false;
}

static void top_done(struct top *t)
{
	screen_leave(t);
	if (t->signal_fd >= 0)
		close(t->signal_fd);
}

/* The text goes out line by line with the rest of each line wiped: no flicker, as clearing has. */
static void view_print(char *text)
{
	char *line, *rest = text;

	fputs(SCREEN_HOME, stdout);
	while (*rest) {
		line = strsep(&rest, "\n");
		/* No newline after the last row: it would scroll. */
		fprintf(stdout, "%s%s", line, rest && *rest ? LINE_END : "\033[K");
		if (!rest)
			break;
	}
	write_out(SCREEN_END);
}

static void view_options_init(const struct top *t, struct writer_options *o)
{
	struct winsize size = { 0 };

	writer_options_init(o);
	o->by = t->words->by;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
		o->rows = size.ws_row;
		o->columns = size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col;
	}
}

/* Says nothing itself: the screen is not the one that stays. */
static int view_refresh(struct top *t, char why[CLIENT_WHY_BYTES])
{
	_cleanup_(json_object_putp) json_object *doc = NULL;
	_cleanup_free_ char *text = NULL;
	struct writer_options o;
	size_t text_bytes;
	FILE *f;
	int r;

	r = command_ask("report", t->words, &doc, why);
	if (r < 0)
		return r;
	view_options_init(t, &o);
	snprintf(why, CLIENT_WHY_BYTES, "print a view: out of memory");
	f = open_memstream(&text, &text_bytes);
	if (!f)
		return -ENOMEM;
	r = writer_document(&writer_text, f, WRITER_REPORT, doc, &o);
	if (fclose(f) != 0 || r < 0)
		return r < 0 ? r : -ENOMEM;
	view_print(text);
	return 0;
}

/* Stopped by ^Z: the shell gets its screen back until we are continued. */
static void pause_for_shell(struct top *t)
{
	screen_leave(t);
	raise(SIGSTOP);
	screen_enter(t);
}

/* true: leave. */
static bool signal_handle(struct top *t)
{
	struct signalfd_siginfo info;

	if (read(t->signal_fd, &info, sizeof(info)) != sizeof(info))
		return errno != EAGAIN && errno != EINTR;
	if (info.ssi_signo == SIGTSTP)
		pause_for_shell(t);
	return info.ssi_signo != SIGTSTP && info.ssi_signo != SIGWINCH;
}

static bool key_handle(void)
{
	char key;

	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
}

/* Until the next view is due, or at once after a signal. true: leave. */
static bool top_wait(struct top *t)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = t->signal_fd, .events = POLLIN },
	};

	if (poll(fds, ARRAY_SIZE(fds), (int)(t->words->interval_sec * 1000)) < 0)
		return errno != EINTR;
	return (fds[0].revents && key_handle()) || (fds[1].revents && signal_handle(t));
}

static int top_open(struct top *t)
{
	sigset_t set;

	if (tcgetattr(STDIN_FILENO, &t->before) < 0)
		return -errno;
	sigemptyset(&set);
	for (const int *s = (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH, 0 };
	     *s; s++)
		sigaddset(&set, *s);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signal_fd < 0)
		return -errno;
	screen_enter(t);
	return 0;
}

int cmd_top(const struct command_words *words)
{
	_cleanup_(top_done) struct top t = { .words = words, .signal_fd = -1 };
	char why[CLIENT_WHY_BYTES];
	int r;

	if (words->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return command_ask_and_print("report", WRITER_REPORT, words);
	r = top_open(&t);
	if (r < 0)
		return log_err(r, "prepare the terminal");
	do {
		r = view_refresh(&t, why);
	} while (r == 0 && !top_wait(&t));
	screen_leave(&t);
	if (r < 0)
		log_err(0, "%s", why);
	return r;
}
