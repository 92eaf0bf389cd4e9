/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/fsutil.h — small files, whole. */
#ifndef USER_LIB_FSUTIL_H
#define USER_LIB_FSUTIL_H

#include <stddef.h>
#include <sys/types.h>

/* The whole file, with a NUL after its *ret_bytes bytes (ret_bytes may be NULL); the caller frees
 * it. Works on /proc files, whose size is not known before. -EFBIG if longer than max_bytes. */
int fsutil_file_load(const char *path, size_t max_bytes, char **ret, size_t *ret_bytes);
/* Readers see the old content or the new one, never a part, also after a crash: written beside, at
 * a path that is longer by FSUTIL_TMP_END, synced, renamed. What a crash leaves there is for the
 * directory's owner to remove. */
#define FSUTIL_TMP_END ".XXXXXX"
int fsutil_file_save(const char *path, const void *data, size_t data_bytes, mode_t mode);
/* `path` and what is missing above it. 0 also if it is there already; -ENOTDIR if it is a file. */
int fsutil_mkdir_p(const char *path, mode_t mode);

#endif
