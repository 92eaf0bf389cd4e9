/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_top.h — pygrowctl top. */
#ifndef USER_CLI_CMD_TOP_H
#define USER_CLI_CMD_TOP_H

#include "cli/command.h"

extern const struct argp_option cmd_top_options[];
int cmd_top(const struct command_words *words);

#endif
