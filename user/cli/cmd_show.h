/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_show.h — pygrowctl show. */
#ifndef USER_CLI_CMD_SHOW_H
#define USER_CLI_CMD_SHOW_H

#include "cli/command.h"

extern const struct argp_option cmd_show_options[];
int cmd_show(const struct command_words *words);

#endif
