/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/headroom.c — see headroom.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fsutil.h"
#include "target/headroom.h"

#define FILE_BYTES_MAX (64u << 10)
#define UNITS_KIB      1024.0

/* The number behind `name`, which begins a line; NAN: none. */
static double number_of(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		char *end;
		double value;

		line += *line == '\n';
		if (strncmp(line, name, len) != 0)
			continue;
		value = strtod(line + len, &end);
		return end > line + len && value >= 0 && isfinite(value) ? value : NAN;
	}
	return NAN;
}

static double file_number(const char *dir, const char *file, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[2 * PROCFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	if (fsutil_file_load(path, FILE_BYTES_MAX, &text, NULL) < 0)
		return NAN;
	return number_of(text, name);
}

/* "max" is no number: no limit. */
static double cgroup_bytes(const char *dir)
{
	double max = file_number(dir, "memory.max", ""), now, idle;

	if (isnan(max))
		return INFINITY;
	now = file_number(dir, "memory.current", "");
	idle = file_number(dir, "memory.stat", "inactive_file ");
	if (isnan(now))
		return INFINITY;
	return fmax(0, max - fmax(0, now - (isnan(idle) ? 0 : idle)));
}

/* The path of its line "0::/a/b"; 0 or -errno. */
static int cgroup_load(const struct procfs *fs, pid_t pid, char path[PROCFS_PATH_MAX])
{
	_cleanup_free_ char *text = NULL;
	const char *line;
	int r = procfs_path(fs, pid, "cgroup", path, PROCFS_PATH_MAX);

	if (r == 0)
		r = fsutil_file_load(path, FILE_BYTES_MAX, &text, NULL);
	if (r < 0)
		return r;
	line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
	path[0] = '\0';
	if (line)
		line = strchr(line, '/');
	if (line && strcspn(line, "\n") < PROCFS_PATH_MAX)
		snprintf(path, PROCFS_PATH_MAX, "%.*s", (int)strcspn(line, "\n"), line);
	return 0;
}

double headroom_bytes(const struct procfs *fs, const char *cgroups, pid_t pid, bool *ret_is_host)
{
	char path[PROCFS_PATH_MAX] = "", dir[2 * PROCFS_PATH_MAX];
	double host = file_number(fs->root, "meminfo", "MemAvailable:") * UNITS_KIB;
	double least = INFINITY;
	char *slash;

	/* Its cgroup, the one above it …; the root has no limit. */
	if (cgroup_load(fs, pid, path) == 0)
		while ((slash = strrchr(path, '/')) && slash[1]) {
			snprintf(dir, sizeof(dir), "%s%s", cgroups, path);
			least = fmin(least, cgroup_bytes(dir));
			*slash = '\0';
		}
	if (isinf(least) && isnan(host))
		return NAN;
	*ret_is_host = !(least < host) && !isnan(host);
	return fmin(least, host); /* of a NAN the other one */
}
