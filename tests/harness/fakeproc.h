/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/fakeproc.h — a /proc of our own in a temporary directory. */
#ifndef TESTS_HARNESS_FAKEPROC_H
#define TESTS_HARNESS_FAKEPROC_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/procfs.h"
#include "test.h"

struct fakeproc {
	char root[64];
	struct procfs fs;
};

static inline int fakeproc_remove_one(const char *path, const struct stat *st, int flag,
				      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void fakeproc_init(struct fakeproc *p)
{
	strcpy(p->root, "/tmp/pygrowd-test-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	p->fs.root = p->root;
}

static inline void fakeproc_done(struct fakeproc *p)
{
	nftw(p->root, fakeproc_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Of a test: its state is the fake. */
static inline int fakeproc_setup(void **state)
{
	static struct fakeproc p;

	fakeproc_init(&p);
	*state = &p;
	return 0;
}

static inline int fakeproc_teardown(void **state)
{
	fakeproc_done(*state);
	return 0;
}

/* "<root>/<pid>/<name>" with all its directories; valid until the next call. */
static inline const char *fakeproc_path(const struct fakeproc *p, pid_t pid, const char *name)
{
	static char path[512];

	assert_true(snprintf(path, sizeof(path), "%s/%d/%s", p->root, (int)pid, name) <
		    (int)sizeof(path));
	for (char *s = path + strlen(p->root) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		mkdir(path, 0700);
		*s = '/';
	}
	return path;
}

static inline void fakeproc_write(const struct fakeproc *p, pid_t pid, const char *name,
				  const void *bytes, size_t n_bytes)
{
	FILE *f = fopen(fakeproc_path(p, pid, name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n_bytes, f), n_bytes);
	assert_int_equal(fclose(f), 0);
}

static inline void fakeproc_text(const struct fakeproc *p, pid_t pid, const char *name,
				 const char *text)
{
	fakeproc_write(p, pid, name, text, strlen(text));
}

/* A stat line; flags are PF_* of the kernel. */
static inline void fakeproc_stat(const struct fakeproc *p, pid_t pid, const char *comm, char state,
				 unsigned int flags, unsigned long long start_ticks)
{
	char line[512];

	snprintf(line, sizeof(line),
		 "%d (%s) %c 7 1 1 0 -1 %u 100 0 0 0 30 12 0 0 20 0 3 0 %llu 1000 200 0\n",
		 (int)pid, comm, state, flags, start_ticks);
	fakeproc_text(p, pid, "stat", line);
}

#endif
