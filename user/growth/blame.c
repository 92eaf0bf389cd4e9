/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/blame.c — see blame.h. */
#include <ctype.h>
#include <string.h>

#include "growth/blame.h"

/* Is there "<name><digits>[.<digits>][t]<end>" in the path? python3.11, python311.zip, python3.13t
 */
static bool has_python_part(const char *path, const char *name, const char *end)
{
	for (const char *p = strstr(path, name); p; p = strstr(p + 1, name)) {
		const char *q = p + strlen(name);

		if (!isdigit((unsigned char)*q))
			continue;
		while (isdigit((unsigned char)*q) || *q == '.' || *q == 't') {
			if (strncmp(q, end, strlen(end)) == 0)
				return true;
			q++;
		}
		if (strncmp(q, end, strlen(end)) == 0)
			return true;
	}
	return false;
}

bool blame_in_application(const char *file)
{
	if (!file || strncmp(file, "<frozen ", 8) == 0)
		return false;
	if (strstr(file, "/site-packages/") || strstr(file, "/dist-packages/"))
		return false;
	if (strstr(file, "/share/python-wheels/"))
		return false;
	return !has_python_part(file, "/lib/python", "/") &&
	       !has_python_part(file, "/lib64/python", "/") &&
	       !has_python_part(file, "/python", ".zip/");
}

/* bin/uvicorn, bin/gunicorn: no suffix, module level. One that ends in .py is somebody's own. */
static bool is_launcher(const struct snapshot_frame *f)
{
	const char *base = f->file ? strrchr(f->file, '/') : NULL;

	if (!base || !f->function || strcmp(f->function, "<module>") != 0 || strchr(base, '.'))
		return false;
	return base - f->file >= 4 && strncmp(base - 4, "/bin", 4) == 0;
}

int blame_find(const struct snapshot_frame *frames, size_t n_frames)
{
	for (size_t i = 0; i < n_frames; i++)
		if (frames[i].in_application && !is_launcher(&frames[i]))
			return (int)i;
	return n_frames ? 0 : -1;
}
