/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/cleanup.h — owning locals that free themselves.
 *
 * An owning local starts as NULL or -1, carries _cleanup_free_ or _cleanup_close_ (or
 * _cleanup_(x_freep)), and leaves its function by TAKE_PTR or TAKE_FD.
 */
#ifndef USER_LIB_CLEANUP_H
#define USER_LIB_CLEANUP_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_	 _cleanup_(cleanup_freep)
#define _cleanup_close_	 _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)

#define TAKE_PTR(p)                        \
	({                                 \
		__typeof__(p) *_pp = &(p); \
		__typeof__(p) _v = *_pp;   \
		*_pp = NULL;               \
		_v;                        \
	})

#define TAKE_FD(fd)                \
	({                         \
		int *_fdp = &(fd); \
		int _v = *_fdp;    \
		*_fdp = -1;        \
		_v;                \
	})

/* Defines x_freep() for _cleanup_(x_freep) from x_free(). */
#define DEFINE_CLEANUP(type, func)          \
	static inline void func##p(type *p) \
	{                                   \
		if (*p)                     \
			func(*p);           \
	}

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
