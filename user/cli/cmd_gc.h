/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_gc.h — pygrowctl gc. */
#ifndef USER_CLI_CMD_GC_H
#define USER_CLI_CMD_GC_H

#include "cli/command.h"

extern const struct argp_option cmd_gc_options[];
int cmd_gc(const struct command_words *words);

#endif
