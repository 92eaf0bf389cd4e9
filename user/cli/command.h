/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/command.h — pygrowctl's table of commands, and how their words are parsed.
 *
 * A command is a row: name, words, options, what it does. Help, usage errors and the dispatch are
 * made from the rows, so that a new command is one row and one file cmd_<name>.c.
 */
#ifndef USER_CLI_COMMAND_H
#define USER_CLI_COMMAND_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/client.h"
#include "cli/writer.h"

struct command_words {
	const char *socket;
	bool json;
	bool is_split;
	int64_t limit, pid; /* pid 0: all */
	const char *since; /* NULL: all; a moment, checked */
	enum writer_by by;
	double interval_sec;
	const char *stack; /* the command's argument; NULL: none was given */
	const char *from, *to; /* moments, checked; NULL: none was given */
};

struct command {
	const char *name;
	const char *argument; /* its one word, which it must have; NULL: it takes none */
	bool takes_moments; /* in place of it: FROM, and TO if that is not now */
	const char *help; /* one sentence */
	const struct argp_option *options; /* besides those of all commands; NULL: none */
	int (*run)(const struct command_words *words); /* 0 or -errno, said already */
};

#define COMMAND_KEY_SPLIT 0x200 /* it has no letter */

/* Options that commands share; each command lists those that it takes. */
#define COMMAND_OPTION_LIMIT                                                        \
	{                                                                           \
		.name = "limit", .key = 'n', .arg = "N", .doc = "rows (default 10)" \
	}
#define COMMAND_OPTION_PID                                                          \
	{                                                                           \
		.name = "pid", .key = 'p', .arg = "PID", .doc = "only this process" \
	}
#define COMMAND_OPTION_SPLIT                                                       \
	{                                                                          \
		.name = "split", .key = COMMAND_KEY_SPLIT,                         \
		.doc = "do not add up the processes of one service, or one parent" \
	}
#define COMMAND_OPTION_BY                                               \
	{                                                               \
		.name = "by", .key = 'b', .arg = "line|function|stack", \
		.doc = "what a row is (default line)"                   \
	}
#define COMMAND_OPTION_SINCE                                                    \
	{                                                                       \
		.name = "since", .key = 's', .arg = "TIME",                     \
		.doc = "growth since then, in place of the last minutes: -2h, " \
		       "2026-03-01T12:00:00Z"                                   \
	}
#define COMMAND_OPTION_INTERVAL                                    \
	{                                                          \
		.name = "interval", .key = 'i', .arg = "DURATION", \
		.doc = "between two views (default 2s)"            \
	}

/* The rest of main(): parse, run. The process's exit status: 0 done, 1 failed, 2 wrong usage. */
int command_main(const struct command *table, size_t n_commands, int argc, char **argv);

/* Ask the daemon what `name` asks for with these words; as client_ask(). */
int command_ask(const char *name, const struct command_words *w, json_object **ret,
		char why[CLIENT_WHY_BYTES]);
/* Ask, print the answer's view on stdout. 0, or -errno after saying why. */
int command_ask_and_print(const char *name, enum writer_view view, const struct command_words *w);

#endif
