/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_alerts.c — what fires now, and what has fired lately. */
#include "cli/cmd_alerts.h"

const struct argp_option cmd_alerts_options[] = {
	COMMAND_OPTION_LIMIT,
	{ 0 },
};

int cmd_alerts(const struct command_words *words)
{
	return command_ask_and_print("status", WRITER_ALERTS, words);
}
