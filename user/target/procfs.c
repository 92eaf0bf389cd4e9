/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procfs.c — see procfs.h: the files of a process, one by one. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/escape.h"
#include "target/procfs_internal.h"

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

int procfs_file_read(const struct procfs *fs, pid_t pid, const char *name, size_t n_max,
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

	r = procfs_file_read(fs, pid, "stat", PROCFS_TEXT_BYTES_MAX, &b);
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

	r = procfs_file_read(fs, pid, "status", PROCFS_FILE_BYTES_MAX, &b);
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

	r = procfs_file_read(fs, pid, "smaps_rollup", PROCFS_TEXT_BYTES_MAX, &b);
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

	r = procfs_file_read(fs, pid, "cmdline", PROCFS_TEXT_BYTES_MAX, &b);
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
