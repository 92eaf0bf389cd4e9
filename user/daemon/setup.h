/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/setup.h — what is in force: command line, config and defaults put together, at start
 * and after SIGHUP.
 *
 *   flags (struct options) ─┐
 *   pygrowd.conf, drop-ins ─┼─► options: a flag wins over the config, that over the default
 *   defaults ───────────────┘
 */
#ifndef USER_DAEMON_SETUP_H
#define USER_DAEMON_SETUP_H

#include "daemon/config.h"
#include "daemon/options.h"
#include "daemon/windows.h"
#include "growth/detect.h"
#include "lib/strbuf.h"
#include "report/history.h"
#include "sample/births.h"

struct setup {
	struct options flags; /* what was given */
	struct config config;
	struct rules *match; /* of --match; NULL: the config's are in force */
	struct options options; /* in force; strings are the others' */
};

/* Reads the config (not with --for: a look needs none) and settles. 0, or -errno with one clear
 * sentence in `why`; what was in force before stays so then. */
int setup_load(struct setup *s, struct strbuf *why);
void setup_done(struct setup *s);

const struct rules *setup_rules(const struct setup *s);
struct windows_options setup_windows(const struct setup *s);
struct births_options setup_births(const struct setup *s);
/* Of stacks that have thresholds of their own, or NULL. They pass detect_limits_check(). */
struct detect_limits setup_detect(const struct setup *s, const struct policy_thresholds *own);
/* Adds a sentence about the next suppression that had ended when the config was read; false: there
 * is no more. Each once. */
bool setup_ended_next(const struct setup *s, double now_sec, struct strbuf *ret);
void setup_history(const struct setup *s, struct history_options *ret);

#endif
