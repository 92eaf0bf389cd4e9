/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/blame.h — which of a stack's frames is the line a person can mend?
 *
 * The innermost frame in application code. Libraries allocate, but the application keeps: a leak
 * shows up as many deep stacks below one line of it.
 */
#ifndef USER_GROWTH_BLAME_H
#define USER_GROWTH_BLAME_H

#include "growth/snapshot.h"

/* Not the standard library (…/lib/python3.N/, frozen, zipped), not site-packages or dist-packages,
 * not the wheels that Debian ships. "<string>", "<stdin>", "<template>" and relative paths count as
 * application. false for NULL. */
bool blame_in_application(const char *file);
/* Index of the innermost frame with in_application set, else 0; -1 if there is no frame. The few
 * lines that an installer puts into bin/ to start a program (`<module>` in bin/uvicorn) do not
 * count: every stack of that program ends in them. */
int blame_find(const struct snapshot_frame *frames, size_t n_frames);

#endif
