/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/fsutil.c — see fsutil.h. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/fsutil.h"

int fsutil_file_load(const char *path, size_t max_bytes, char **ret, size_t *ret_bytes)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	size_t len = 0, cap = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		if (len + 1 >= cap) {
			char *p = realloc(buf, cap ? cap * 2 : 4096);

			if (!p)
				return -ENOMEM;
			buf = p;
			cap = cap ? cap * 2 : 4096;
		}
		n = read(fd, buf + len, cap - len - 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
		if (len > max_bytes)
			return -EFBIG;
	} while (n != 0);

	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	if (ret_bytes)
		*ret_bytes = len;
	return 0;
}

static int write_all(int fd, const char *data, size_t data_bytes)
{
	while (data_bytes) {
		ssize_t n = write(fd, data, data_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		data_bytes -= (size_t)n;
	}
	return 0;
}

/* The rename itself must survive a crash too, and it is a change of the directory. */
static int directory_sync(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* EINVAL: this file system has no such thing. */
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

int fsutil_file_save(const char *path, const void *data, size_t data_bytes, mode_t mode)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&tmp, "%s" FSUTIL_TMP_END, path) < 0) {
		tmp = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, data_bytes);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
		r = -errno;
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	return directory_sync(path);
}

static int mkdir_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int fsutil_mkdir_p(const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = NULL;
	int r;

	if (!*path)
		return -ENOENT;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		r = mkdir_one(copy, mode);
		*p = '/';
		if (r < 0)
			return r;
	}
	return mkdir_one(copy, mode);
}
