/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procfs_cgroup.c — what is a process part of: unit, service, container? Its cgroup's
 * path says so, for those who make cgroups name them after what is in them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/escape.h"
#include "target/procfs_internal.h"

static bool ends_in(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && !strncmp(name + len - n, suffix, n);
}

static bool is_unit(const char *name, size_t len)
{
	return ends_in(name, len, ".service") || ends_in(name, len, ".scope");
}

/* cgroup v2 has one line "0::/path"; hybrid and v1 name systemd's own tree "1:name=systemd:/path".
 * The path, up to the end of its line, is in `b`. */
static int read_cgroup(const struct procfs *fs, pid_t pid, struct strbuf *b, const char **ret)
{
	const char *path;
	int r;

	r = procfs_file_read(fs, pid, "cgroup", PROCFS_FILE_BYTES_MAX, b);
	if (r < 0)
		return r;
	path = strstr(b->buf, ":name=systemd:");
	if (path)
		path += strlen(":name=systemd:");
	else if (!strncmp(b->buf, "0::", 3))
		path = b->buf + 3;
	else if ((path = strstr(b->buf, "\n0::")))
		path += 4;
	else
		return -ENOENT;
	*ret = path;
	return 0;
}

int procfs_unit(const struct procfs *fs, pid_t pid, struct strbuf *ret)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	const char *path, *unit = NULL;
	size_t unit_len = 0;
	int r;

	r = read_cgroup(fs, pid, &b, &path);
	if (r < 0)
		return r;
	while (*path && *path != '\n') {
		size_t n = strcspn(path, "/\n");

		if (is_unit(path, n)) {
			unit = path;
			unit_len = n;
		}
		path += n;
		path += *path == '/';
	}
	if (!unit)
		return -ENOENT;
	strbuf_add(ret, unit, unit_len);
	return strbuf_error(ret);
}

int procfs_cgroup(const struct procfs *fs, pid_t pid, struct strbuf *ret)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	const char *path;
	int r;

	r = read_cgroup(fs, pid, &b, &path);
	if (r < 0)
		return r;
	escape_add_bytes(ret, path, strcspn(path, "\n"));
	return strbuf_error(ret);
}

/* ── containers ───────────────────────────────────────────────────────────────────────────── */

#define ID_DIGITS 64

/* "<id>", "docker-<id>.scope", "cri-containerd-<id>.scope", "x.slice:cri-containerd:<id>". A conmon
 * is the program that watches a container, outside of it. */
static const char *id_in(const char *name, size_t len)
{
	const char *id;

	if (len > 6 && !strncmp(name + len - 6, ".scope", 6))
		len -= 6;
	if (len < ID_DIGITS || memmem(name, len, "conmon", 6))
		return NULL;
	id = name + len - ID_DIGITS;
	if (strspn(id, "0123456789abcdef") < ID_DIGITS)
		return NULL;
	return id == name || id[-1] == '-' || id[-1] == ':' ? id : NULL;
}

/* "machine-NAME.scope", "systemd-nspawn@NAME.service", "lxc.payload.NAME": where NAME is. */
static const char *machine_in(const char *name, size_t len, size_t *ret_len)
{
	static const char *const around[][2] = { { "machine-", ".scope" },
						 { "systemd-nspawn@", ".service" },
						 { "lxc.payload.", "" } };

	for (size_t i = 0; i < ARRAY_SIZE(around); i++) {
		size_t head = strlen(around[i][0]), tail = strlen(around[i][1]);

		if (len <= head + tail || strncmp(name, around[i][0], head) ||
		    strncmp(name + len - tail, around[i][1], tail))
			continue;
		*ret_len = len - head - tail;
		return name + head;
	}
	return NULL;
}

/* systemd writes "-" in the name of a unit as "\x2d". Names of machines have ASCII letters only;
 * what else somebody wrote there is escaped for people. */
static void add_unit_name(struct strbuf *ret, const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (i + 3 < len && c == '\\' && name[i + 1] == 'x' &&
		    isxdigit((unsigned char)name[i + 2]) && isxdigit((unsigned char)name[i + 3])) {
			const char hex[] = { name[i + 2], name[i + 3], '\0' };

			c = (char)strtoul(hex, NULL, 16);
			i += 3;
		}
		escape_add_bytes(ret, &c, 1);
	}
}

int procfs_container(const char *cgroup, struct strbuf *ret)
{
	const char *id = NULL, *machine = NULL;
	size_t n, machine_len = 0;

	for (const char *p = cgroup; *p; p += n + (p[n] == '/')) {
		const char *found;

		n = strcspn(p, "/");
		if ((found = id_in(p, n))) {
			id = found;
			machine = NULL;
		} else if ((found = machine_in(p, n, &machine_len))) {
			machine = found;
			id = NULL;
		}
	}
	if (id)
		strbuf_add(ret, id, ID_DIGITS);
	else if (machine)
		add_unit_name(ret, machine, machine_len);
	else
		return -ENOENT;
	return strbuf_error(ret);
}

size_t procfs_service(const char *cgroup)
{
	size_t found = 0, n, machine_len;

	for (const char *p = cgroup; *p; p += n + (p[n] == '/')) {
		n = strcspn(p, "/");
		if (id_in(p, n) || machine_in(p, n, &machine_len) ||
		    (ends_in(p, n, ".service") && strncmp(p, "user@", 5)))
			found = (size_t)(p - cgroup) + n;
		else if (is_unit(p, n))
			found = 0;
	}
	return found;
}
