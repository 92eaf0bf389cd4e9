/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/kinship.c — see kinship.h. */
#include <string.h>

#include "daemon/kinship.h"

/* A parent is older than its child: whoever has its PID and is not has got it later. */
static const struct watch *ancestor_find(struct watch *const *watches, size_t n,
					 const struct watch *w, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (watches[i]->pid == pid && watches[i] != w && !watches[i]->service &&
		    watches[i]->start_ticks <= w->start_ticks)
			return watches[i];
	return NULL;
}

static const struct watch *topmost(struct watch *const *watches, size_t n, const struct watch *w)
{
	for (size_t i = w->n_ancestors; i-- > 0;) {
		const struct watch *found = ancestor_find(watches, n, w, w->ancestors[i]);

		if (found)
			return found;
	}
	return w;
}

pid_t kinship_group(struct watch *const *watches, size_t n, const struct watch *w)
{
	if (!w->service)
		return topmost(watches, n, w)->pid;
	for (size_t i = 0; i < n; i++)
		if (watches[i]->service && !strcmp(watches[i]->service, w->service))
			return watches[i]->pid;
	return w->pid;
}

const char *kinship_service(const struct watch *w)
{
	const char *slash = w->service ? strrchr(w->service, '/') : NULL;

	return slash ? slash + 1 : w->service;
}
