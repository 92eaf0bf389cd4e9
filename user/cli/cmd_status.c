/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_status.c — which processes are watched, how well, at what cost. */
#include "cli/cmd_status.h"

const struct argp_option cmd_status_options[] = {
	COMMAND_OPTION_PID,
	{ 0 },
};

int cmd_status(const struct command_words *words)
{
	return command_ask_and_print("status", WRITER_STATUS, words);
}
