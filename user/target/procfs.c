/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procfs.c — see procfs.h. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/escape.h"
#include "target/procfs.h"

#define PF_KTHREAD 0x00200000u /* include/linux/sched.h, field 9 of stat */

int procfs_path(const struct procfs *fs, pid_t pid, const char *name, char *buf, size_t n_bytes)
{
	int n = snprintf(buf, n_bytes, "%s/%d/%s", fs->root, (int)pid, name);

	return n < 0 || (size_t)n >= n_bytes ? -ENAMETOOLONG : 0;
}

/* The kernel answers "gone" in three ways: no directory, or an open or read that finds no task. */
static int error_of(int err)
{
	return err == ENOENT || err == ESRCH ? -ESRCH : -err;
}

static int open_file(const struct procfs *fs, pid_t pid, const char *name, FILE **ret)
{
	char path[PROCFS_PATH_MAX];
	FILE *f;
	int r;

	r = procfs_path(fs, pid, name, path, sizeof(path));
	if (r < 0)
		return r;
	f = fopen(path, "re");
	if (!f)
		return error_of(errno);
	*ret = f;
	return 0;
}

/* Up to n_max bytes of a file; the rest is not looked at. *ret is NUL-terminated. */
static int read_file(const struct procfs *fs, pid_t pid, const char *name, size_t n_max,
		     struct strbuf *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	char buf[4096];
	size_t n;
	int r;

	r = open_file(fs, pid, name, &f);
	if (r < 0)
		return r;
	while (ret->len < n_max && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_add(ret, buf, n < n_max - ret->len ? n : n_max - ret->len);
	if (ferror(f))
		return error_of(errno);
	return strbuf_error(ret);
}

/* "1234 (comm) S 1 ...": comm may hold ") S 1", so its end is the last bracket of the line. */
int procfs_stat(const struct procfs *fs, pid_t pid, struct procfs_stat *ret)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	struct procfs_stat st = { 0 };
	uint64_t utime, stime;
	unsigned int flags;
	char *open, *close;
	size_t n;
	int r;

	r = read_file(fs, pid, "stat", PROCFS_TEXT_BYTES_MAX, &b);
	if (r < 0)
		return r;
	open = strchr(b.buf, '(');
	close = strrchr(b.buf, ')');
	if (!open || !close || close < open)
		return -EBADMSG;
	n = (size_t)(close - open) - 1;
	if (n >= sizeof(st.comm))
		n = sizeof(st.comm) - 1;
	memcpy(st.comm, open + 1, n);
	/* fields 3 to 22: state ppid ... flags(9) ... utime(14) stime(15) ... threads(20) .
	 * start(22) ... startstack(28) */
	r = sscanf(close + 1,
		   " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
		   " %*d %*d %*d %*d %" SCNu32 " %*d %" SCNu64 " %*u %*d %*u %*u %*u %" SCNu64,
		   &st.state, &st.ppid, &flags, &utime, &stime, &st.threads_cnt, &st.start_ticks,
		   &st.stack_start);
	if (r < 7)
		return -EBADMSG;
	st.is_kernel_thread = flags & PF_KTHREAD;
	st.cpu_ticks = utime + stime;
	*ret = st;
	return 0;
}

/* Value of a "Name:\tvalue" line, or NULL; up to the end of its line. */
static const char *line_value(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (!strncmp(p, name, n) && p[n] == ':')
			return p + n + 1;
	return NULL;
}

/* Last number of a line of them; `none` if it has none. */
static pid_t last_number(const char *v, pid_t none)
{
	char *end;

	while (*v && *v != '\n') {
		long id = strtol(v, &end, 10);

		if (end == v)
			break;
		none = (pid_t)id;
		v = end + strspn(end, " \t");
	}
	return none;
}

int procfs_status(const struct procfs *fs, pid_t pid, struct procfs_status *ret)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	struct procfs_status st = { .inner_pid = pid, .seccomp_mode = -1 };
	const char *v;
	int r;

	r = read_file(fs, pid, "status", PROCFS_FILE_BYTES_MAX, &b);
	if (r < 0)
		return r;
	v = line_value(b.buf, "Uid");
	if (!v || sscanf(v, " %u", &st.uid) != 1)
		return -EBADMSG;
	v = line_value(b.buf, "NSpid"); /* outermost first */
	if (v)
		st.inner_pid = last_number(v, pid);
	v = line_value(b.buf, "Seccomp");
	if (v)
		sscanf(v, " %d", &st.seccomp_mode);
	*ret = st;
	return 0;
}

int procfs_maps_open(const struct procfs *fs, pid_t pid, struct procfs_maps *ret)
{
	return open_file(fs, pid, "maps", &ret->f);
}

void procfs_maps_done(struct procfs_maps *it)
{
	if (it->f)
		fclose(it->f);
	free(it->line);
	*it = (struct procfs_maps){ 0 };
}

/* "start-end perms offset major:minor inode   path"; the path may hold blanks, newline as \012. */
int procfs_map_parse(char *line, struct procfs_map *ret)
{
	static const char deleted[] = " (deleted)";
	struct procfs_map m = { 0 };
	unsigned int maj, min;
	uint64_t inode;
	char perms[5];
	int at = 0;
	size_t n;

	n = strcspn(line, "\n");
	line[n] = '\0';
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n", &m.start,
		   &m.end, perms, &m.offset, &maj, &min, &inode, &at) != 7)
		return -EBADMSG;
	if (m.start >= m.end || strlen(perms) != 4)
		return -EBADMSG;
	m.is_write = perms[1] == 'w';
	m.is_exec = perms[2] == 'x';
	m.dev = makedev(maj, min);
	m.inode = inode;
	while (line[at] == ' ')
		at++;
	m.path = line + at;
	n = strlen(m.path);
	if (n >= sizeof(deleted) && !strcmp(m.path + n - (sizeof(deleted) - 1), deleted)) {
		line[(size_t)at + n - (sizeof(deleted) - 1)] = '\0';
		m.is_deleted = true;
	}
	*ret = m;
	return 0;
}

int procfs_maps_next(struct procfs_maps *it, struct procfs_map *ret)
{
	int r;

	errno = 0;
	if (getline(&it->line, &it->cap, it->f) < 0)
		return errno ? error_of(errno) : 0;
	r = procfs_map_parse(it->line, ret);
	return r < 0 ? r : 1;
}

/* "Name:   123 kB" */
static int line_bytes(const char *text, const char *name, uint64_t *ret)
{
	const char *v = line_value(text, name);
	uint64_t kb;

	if (!v || sscanf(v, " %" SCNu64 " kB", &kb) != 1 || kb > UINT64_MAX / 1024)
		return -EBADMSG;
	*ret = kb * 1024;
	return 0;
}

int procfs_memory(const struct procfs *fs, pid_t pid, struct procfs_memory *ret)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	uint64_t rss, clean, dirty;
	int r;

	r = read_file(fs, pid, "smaps_rollup", PROCFS_TEXT_BYTES_MAX, &b);
	if (r < 0)
		return r;
	if (line_bytes(b.buf, "Rss", &rss) < 0 || line_bytes(b.buf, "Private_Clean", &clean) < 0 ||
	    line_bytes(b.buf, "Private_Dirty", &dirty) < 0)
		return -EBADMSG;
	*ret = (struct procfs_memory){ .rss_bytes = rss, .uss_bytes = clean + dirty };
	return 0;
}

int procfs_cmdline(const struct procfs *fs, pid_t pid, struct strbuf *ret)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	struct procfs_stat st;
	int r;

	r = read_file(fs, pid, "cmdline", PROCFS_TEXT_BYTES_MAX, &b);
	if (r < 0)
		return r;
	if (!b.len) { /* kernel thread or zombie: ps writes it the same way */
		r = procfs_stat(fs, pid, &st);
		if (r < 0)
			return r;
		strbuf_printf(&b, "[%s]", st.comm);
	}
	r = b.len == PROCFS_TEXT_BYTES_MAX;
	while (b.len && !b.buf[b.len - 1])
		b.len--;
	for (size_t i = 0; i < b.len; i++)
		if (!b.buf[i])
			b.buf[i] = ' ';
	escape_add_bytes(ret, b.buf, b.len);
	if (r)
		strbuf_puts(ret, "...");
	return strbuf_error(ret);
}

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

	r = read_file(fs, pid, "cgroup", PROCFS_FILE_BYTES_MAX, b);
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

/* ── users ────────────────────────────────────────────────────────────────────────────────── */

static void ask_user(uid_t uid, char name[PROCFS_USER_BYTES])
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	struct passwd pw, *found = NULL;
	char buf[16384];

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
		escape_add_bytes(&b, found->pw_name, strlen(found->pw_name));
	if (b.len && b.len < PROCFS_USER_BYTES)
		memcpy(name, b.buf, b.len + 1);
	else
		snprintf(name, PROCFS_USER_BYTES, "uid:%u", uid);
}

const char *procfs_user(struct procfs_users *u, uid_t uid)
{
	struct procfs_user *user;

	for (size_t i = 0; i < PROCFS_USERS_MAX; i++)
		if (u->v[i].uid == uid && u->v[i].name[0])
			return u->v[i].name;
	user = &u->v[u->next];
	u->next = (u->next + 1) % PROCFS_USERS_MAX;
	user->uid = uid;
	ask_user(uid, user->name);
	return user->name;
}

/* ── all of it ────────────────────────────────────────────────────────────────────────────── */

/* What a function added to `b` as a string of its own; NULL if there is none. */
static int take_word(int r, struct strbuf *b, char **ret)
{
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret = strbuf_take(b);
	return *ret ? 0 : -ENOMEM;
}

static int load_words(const struct procfs *fs, pid_t pid, struct procfs_facts *f)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	int r;

	r = take_word(procfs_cmdline(fs, pid, &b), &b, &f->cmdline);
	if (r == 0)
		r = take_word(procfs_unit(fs, pid, &b), &b, &f->unit);
	if (r == 0)
		r = take_word(procfs_cgroup(fs, pid, &b), &b, &f->cgroup);
	if (r == 0 && f->cgroup)
		r = take_word(procfs_container(f->cgroup, &b), &b, &f->container);
	return r;
}

int procfs_facts_load(const struct procfs *fs, pid_t pid, struct procfs_users *users,
		      struct procfs_facts *ret)
{
	_cleanup_(procfs_facts_done) struct procfs_facts f = { 0 };
	struct procfs_status status;
	struct procfs_stat st;
	int r;

	r = procfs_stat(fs, pid, &st);
	if (r == 0)
		r = procfs_status(fs, pid, &status);
	if (r == 0)
		r = load_words(fs, pid, &f);
	if (r < 0)
		return r;
	f.start_ticks = st.start_ticks;
	f.ppid = st.ppid;
	f.uid = status.uid;
	f.inner_pid = status.inner_pid;
	memcpy(f.comm, st.comm, sizeof(f.comm));
	memcpy(f.user, procfs_user(users, status.uid), sizeof(f.user));
	r = procfs_stat(fs, pid, &st);
	if (r < 0)
		return r;
	if (st.start_ticks != f.start_ticks) /* another process has this PID now */
		return -ESRCH;
	*ret = f;
	f = (struct procfs_facts){ 0 };
	return 0;
}

void procfs_facts_done(struct procfs_facts *f)
{
	free(f->cmdline);
	free(f->unit);
	free(f->cgroup);
	free(f->container);
	*f = (struct procfs_facts){ 0 };
}
