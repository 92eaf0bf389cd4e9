/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_show.c — one stack in full. */
#include "cli/cmd_show.h"

const struct argp_option cmd_show_options[] = {
	COMMAND_OPTION_PID,
	{ 0 },
};

int cmd_show(const struct command_words *words)
{
	return command_ask_and_print("show", WRITER_SHOW, words);
}
