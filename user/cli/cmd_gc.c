/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_gc.c — how often the collector ran, for how long, and what it freed. */
#include "cli/cmd_gc.h"

const struct argp_option cmd_gc_options[] = {
	COMMAND_OPTION_PID,
	{ 0 },
};

int cmd_gc(const struct command_words *words)
{
	return command_ask_and_print("status", WRITER_GC, words);
}
