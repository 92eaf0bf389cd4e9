/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/discover.c — see discover.h.
 *
 *   maps ─► executable files ─► the one that defines _PyRuntime ─► a path for us ─► load bias
 *
 * The executable is asked first: where both it and a libpython are mapped, the dynamic linker binds
 * everybody to the executable's symbols. Then what is named like Python, then the rest (an embedder
 * may have linked Python into a library of any name).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/escape.h"
#include "target/discover.h"
#include "target/dynsym.h"

/* A process with more is searched only so far; PyTorch maps about 150. */
#define FILES_MAX 1024

enum rank {
	RANK_EXE = 0,
	RANK_NAMED,
	RANK_OTHER,
	RANK_MAX
};

struct file {
	uint64_t start, end, offset; /* of its first executable mapping */
	dev_t dev;
	ino_t inode;
	enum rank rank;
	bool is_deleted;
	char *path;
};

struct files {
	struct file v[FILES_MAX];
	size_t n;
};

static void files_free(struct files *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].path);
	free(f);
}
DEFINE_CLEANUP(struct files *, files_free)

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_python_name(const char *path)
{
	const char *base = base_of(path);

	return !strncmp(base, "python", 6) || !strncmp(base, "libpython", 9);
}

static bool is_libc_name(const char *path)
{
	const char *base = base_of(path);

	return !strcmp(base, "libc.so.6") || !strncmp(base, "libc-2.", 7);
}

/* Other allocators by file name: for processes whose GOT cannot be read, and for those in which the
 * interpreter's first malloc has not been bound yet. */
static bool is_malloc_name(const char *path)
{
	static const char *const names[] = { "libjemalloc", "libtcmalloc", "libmimalloc",
					     "librpmalloc", "libsnmalloc", "libhoard",
					     "libscudo",    "libasan",	   "libtsan",
					     "libumem",	    "libtbbmalloc" };
	const char *base = base_of(path);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(base, names[i], strlen(names[i])))
			return true;
	return false;
}

/* ── the files of a process ───────────────────────────────────────────────────────────────── */

/* Is this mapping the executable? By inode; where the kernel and stat(2) count devices differently
 * (overlayfs before 6.6, btrfs), by the name that both give. */
static bool is_exe(const struct procfs *fs, pid_t pid, const struct procfs_map *map)
{
	char path[PROCFS_PATH_MAX], link[PROCFS_PATH_MAX];
	struct stat st;
	ssize_t n;

	if (procfs_path(fs, pid, "exe", path, sizeof(path)) < 0 || stat(path, &st) < 0)
		return false;
	if (st.st_dev == map->dev && st.st_ino == map->inode)
		return true;
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0 || st.st_ino != map->inode)
		return false;
	link[n] = '\0';
	return !strncmp(link, map->path, strlen(map->path)) &&
	       !strcmp(link + strlen(map->path), map->is_deleted ? " (deleted)" : "");
}

static int files_add(struct files *f, const struct procfs *fs, pid_t pid,
		     const struct procfs_map *map)
{
	struct file *file;

	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].dev == map->dev && f->v[i].inode == map->inode)
			return 0;
	if (f->n == FILES_MAX)
		return 0;
	file = &f->v[f->n];
	*file = (struct file){ .start = map->start,
			       .end = map->end,
			       .offset = map->offset,
			       .dev = map->dev,
			       .inode = map->inode,
			       .is_deleted = map->is_deleted,
			       .path = strdup(map->path) };
	if (!file->path)
		return -ENOMEM;
	file->rank = is_exe(fs, pid, map)	 ? RANK_EXE
		     : is_python_name(map->path) ? RANK_NAMED
						 : RANK_OTHER;
	f->n++;
	return 0;
}

static int files_load(const struct procfs *fs, pid_t pid, struct files **ret)
{
	_cleanup_(procfs_maps_done) struct procfs_maps it = { 0 };
	_cleanup_(files_freep) struct files *f = NULL;
	struct procfs_map map;
	int r;

	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	r = procfs_maps_open(fs, pid, &it);
	if (r < 0)
		return r;
	while ((r = procfs_maps_next(&it, &map)) > 0) {
		if (!map.is_exec || !map.inode || map.path[0] != '/')
			continue;
		r = files_add(f, fs, pid, &map);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(f);
	return 0;
}

static bool is_same_file(const char *path, const struct file *file, bool any_dev)
{
	struct stat st;

	return !stat(path, &st) && st.st_ino == file->inode && (any_dev || st.st_dev == file->dev);
}

/* A path under which we reach the very file that is mapped. In order: the exe link (any state of
 * the file), the name as the process sees it, the name as we see it (chroot: maps shows it from our
 * root), the mapping itself (needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN). Last, the name with
 * the right inode on a device that stat(2) numbers otherwise. */
static int path_of(const struct procfs *fs, pid_t pid, const struct file *file, char **ret)
{
	char buf[PROCFS_PATH_MAX + 64], inner[PROCFS_PATH_MAX], range[64];
	struct stat st;
	int r;

	r = procfs_path(fs, pid, "exe", buf, sizeof(buf));
	if (r < 0)
		return r;
	if (file->rank == RANK_EXE)
		goto found;
	snprintf(buf, sizeof(buf), "%s", file->path);
	if (snprintf(inner, sizeof(inner), "root%s", file->path) < (int)sizeof(inner) &&
	    procfs_path(fs, pid, inner, buf, sizeof(buf)) == 0 && is_same_file(buf, file, false))
		goto found;
	snprintf(buf, sizeof(buf), "%s", file->path);
	if (is_same_file(buf, file, false))
		goto found;
	snprintf(range, sizeof(range), "map_files/%" PRIx64 "-%" PRIx64, file->start, file->end);
	r = procfs_path(fs, pid, range, buf, sizeof(buf));
	if (r < 0)
		return r;
	if (!stat(buf, &st))
		goto found;
	r = -errno;
	if (procfs_path(fs, pid, inner, buf, sizeof(buf)) == 0 && is_same_file(buf, file, true))
		goto found;
	return r;
found:
	*ret = strdup(buf);
	return *ret ? 0 : -ENOMEM;
}

/* ── which of them is Python ──────────────────────────────────────────────────────────────── */

struct search {
	const struct procfs *fs;
	pid_t pid;
	const struct file *old; /* a Python from before _PyRuntime (3.7) */
	const struct file *denied;
	int denied_error;
};

/* 1 and *ret_path: it is the interpreter; 0: it is not; < 0: out of memory. */
static int ask_file(struct search *s, const struct file *file, char **ret_path)
{
	_cleanup_(dynsym_freep) struct dynsym *d = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = path_of(s->fs, s->pid, file, &path);
	if (r == 0)
		r = dynsym_open(path, &d);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		if (r != -ENOEXEC && file->rank != RANK_OTHER) {
			s->denied = file;
			s->denied_error = r;
		}
		return 0;
	}
	if (!dynsym_has(d, "_PyRuntime")) {
		if (dynsym_has(d, "Py_Initialize"))
			s->old = file;
		return 0;
	}
	*ret_path = TAKE_PTR(path);
	return 1;
}

static int say_denied(struct strbuf *why, pid_t pid, int err)
{
	return strbuf_fail(why, err,
			   "may not look into process %d: run as its user or with CAP_SYS_PTRACE "
			   "(root has it, unless a container took it away)",
			   (int)pid);
}

static int say_error(struct strbuf *why, pid_t pid, int err)
{
	if (err == -ESRCH)
		return strbuf_fail(why, err,
				   "no process %d: it has exited, or has another PID here",
				   (int)pid);
	if (err == -EACCES || err == -EPERM)
		return say_denied(why, pid, err);
	return strbuf_fail(why, err, "cannot read what process %d has mapped: %s", (int)pid,
			   strerror(-err));
}

static int say_not_found(const struct search *s, const struct files *files, struct strbuf *why)
{
	int pid = (int)s->pid;
	const char *base;

	if (s->denied)
		return strbuf_fail(
			why, s->denied_error == -EPERM ? -EPERM : -EACCES,
			"cannot open %s of process %d (%s): if it was deleted or replaced, that "
			"needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN",
			base_of(s->denied->path), pid, strerror(-s->denied_error));
	if (s->old) {
		base = base_of(s->old->path);
		if (strstr(base, "python2"))
			return strbuf_fail(
				why, -ENOTSUP,
				"process %d runs Python 2 (%s): supported are CPython 3.8 to 3.14",
				pid, base);
		return strbuf_fail(
			why, -ENOTSUP,
			"process %d runs a Python older than 3.7 (%s): supported are CPython 3.8 "
			"to 3.14",
			pid, base);
	}
	for (size_t i = 0; i < files->n; i++)
		if (strstr(base_of(files->v[i].path), "pypy"))
			return strbuf_fail(why, -ENOTSUP,
					   "process %d runs PyPy: only CPython is supported", pid);
	return strbuf_fail(
		why, -ENOEXEC,
		"process %d is not Python: no file that it has mapped defines _PyRuntime", pid);
}

static int find_interpreter(const struct procfs *fs, pid_t pid, const struct files *files,
			    const struct file **ret, char **ret_path, struct strbuf *why)
{
	struct search s = { .fs = fs, .pid = pid };
	int r;

	for (enum rank rank = 0; rank < RANK_MAX; rank++) {
		for (size_t i = 0; i < files->n; i++) {
			if (files->v[i].rank != rank)
				continue;
			r = ask_file(&s, &files->v[i], ret_path);
			if (r < 0)
				return strbuf_fail(why, r, "out of memory");
			if (r > 0) {
				*ret = &files->v[i];
				return 0;
			}
		}
	}
	return say_not_found(&s, files, why);
}

/* ── where it is loaded, and whose malloc it calls ────────────────────────────────────────── */

/* From a function's address: the start of a mapping need not be the start of its segment. */
static int find_bias(const struct procfs *fs, pid_t pid, const struct file *file,
		     const struct elf_image *elf, uint64_t *ret)
{
	_cleanup_(procfs_maps_done) struct procfs_maps it = { 0 };
	struct procfs_map map;
	uint64_t vaddr, offset;
	int r;

	r = elf_symbol(elf, "PyObject_Malloc", &vaddr, NULL);
	if (r < 0)
		return r;
	r = elf_vaddr_to_offset(elf, vaddr, &offset);
	if (r < 0)
		return r;
	r = procfs_maps_open(fs, pid, &it);
	if (r < 0)
		return r;
	while ((r = procfs_maps_next(&it, &map)) > 0) {
		if (map.dev != file->dev || map.inode != file->inode || !map.is_exec ||
		    offset < map.offset || offset - map.offset >= map.end - map.start)
			continue;
		*ret = map.start + (offset - map.offset) - vaddr;
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

static int read_target_u64(const struct procfs *fs, pid_t pid, uint64_t addr, uint64_t *ret)
{
	_cleanup_close_ int fd = -1;
	char path[PROCFS_PATH_MAX];
	int r;

	r = procfs_path(fs, pid, "mem", path, sizeof(path));
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return pread(fd, ret, sizeof(*ret), (off_t)addr) == sizeof(*ret) ? 0 : -EFAULT;
}

/* The file that the interpreter's malloc is bound to, or NULL: not bound yet, or not readable. */
static const struct file *malloc_file(const struct procfs *fs, const struct discover *d,
				      const struct files *files)
{
	_cleanup_(dynsym_freep) struct dynsym *sym = NULL;
	uint64_t slot, addr;

	if (dynsym_open(d->path, &sym) < 0 || dynsym_got_slot(sym, "malloc", &slot) < 0 ||
	    read_target_u64(fs, d->pid, slot + d->bias, &addr) < 0)
		return NULL;
	for (size_t i = 0; i < files->n; i++)
		if (addr >= files->v[i].start && addr < files->v[i].end)
			return &files->v[i];
	return NULL;
}

static bool calls_glibc_malloc(const struct procfs *fs, const struct discover *d,
			       const struct files *files, const struct file *self)
{
	const struct file *bound = malloc_file(fs, d, files);
	bool has_libc = false;

	if (bound && bound != self) /* itself: the PLT's own stub, bound at the first call */
		return is_libc_name(bound->path);
	for (size_t i = 0; i < files->n; i++) {
		if (is_malloc_name(files->v[i].path))
			return false;
		has_libc = has_libc || is_libc_name(files->v[i].path);
	}
	return has_libc;
}

/* ── the whole ────────────────────────────────────────────────────────────────────────────── */

static int check_process(const struct procfs *fs, pid_t pid, uint64_t *ret_start_ticks,
			 struct strbuf *why)
{
	struct procfs_stat st;
	int r;

	r = procfs_stat(fs, pid, &st);
	if (r < 0)
		return say_error(why, pid, r);
	if (st.is_kernel_thread)
		return strbuf_fail(why, -ENOEXEC,
				   "process %d is a kernel thread: it runs no Python", (int)pid);
	if (st.state == 'Z' || st.state == 'X')
		return strbuf_fail(
			why, -ESRCH,
			"process %d is a zombie: it has exited, its parent %d did not wait",
			(int)pid, (int)st.ppid);
	*ret_start_ticks = st.start_ticks;
	return 0;
}

static int load(const struct procfs *fs, pid_t pid, struct discover *d, struct strbuf *why)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	_cleanup_(files_freep) struct files *files = NULL;
	const struct file *file = NULL;
	int r;

	r = files_load(fs, pid, &files);
	if (r < 0)
		return say_error(why, pid, r);
	r = find_interpreter(fs, pid, files, &file, &d->path, why);
	if (r < 0)
		return r;
	escape_add_bytes(&name, file->path, strlen(file->path));
	d->name = strbuf_take(&name);
	if (!d->name)
		return strbuf_fail(why, -ENOMEM, "out of memory");
	r = elf_open(d->path, &d->elf);
	if (r < 0)
		return strbuf_fail(why, r, "cannot read %s of process %d: %s", d->name, (int)pid,
				   strerror(-r));
	r = find_bias(fs, pid, file, d->elf, &d->bias);
	if (r < 0)
		return strbuf_fail(why, r, "cannot tell where process %d has mapped %s: %s",
				   (int)pid, d->name, strerror(-r));
	d->has_glibc = calls_glibc_malloc(fs, d, files, file);
	return 0;
}

int discover_open(const struct procfs *fs, pid_t pid, struct discover *ret, struct strbuf *why)
{
	_cleanup_(discover_done) struct discover d = { .pid = pid };
	uint64_t start_ticks = 0;
	int r;

	r = check_process(fs, pid, &d.start_ticks, why);
	if (r < 0)
		return r;
	r = load(fs, pid, &d, why);
	if (r < 0)
		return r;
	r = check_process(fs, pid, &start_ticks, why);
	if (r < 0)
		return r;
	if (start_ticks != d.start_ticks)
		return say_error(why, pid, -ESRCH);
	*ret = d;
	d = (struct discover){ 0 };
	return 0;
}

void discover_done(struct discover *d)
{
	free(d->path);
	free(d->name);
	elf_free(d->elf);
	*d = (struct discover){ 0 };
}
