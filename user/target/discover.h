/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/discover.h — which ELF file in this process is its Python interpreter?
 *
 * The answer is the mapped file whose .dynsym defines _PyRuntime: `python3.x` itself or
 * libpython3.x.so. The file is opened as the process sees it, also when it was deleted, replaced or
 * lives in another mount namespace.
 */
#ifndef USER_TARGET_DISCOVER_H
#define USER_TARGET_DISCOVER_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/strbuf.h"
#include "target/elf.h"
#include "target/procfs.h"

struct discover {
	pid_t pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: tells a PID from its reuse */
	char *path; /* a path that WE can open and hand to the kernel: /proc/PID/exe,
		     * /proc/PID/root/..., or /proc/PID/map_files/... */
	char *name; /* as the process names it, for people */
	struct elf_image *elf;
	uint64_t bias; /* address in the process - vaddr in the file */
	bool has_glibc; /* glibc's libc.so.6 is mapped and no other malloc was preloaded:
			 * chunk headers can be believed, the pthread-key route works */
};

/* 0, or -errno with one clear sentence in `why` (what, on what, why, what to do; no newline):
 * -ESRCH no such process, -ENOEXEC not Python, -EPERM/-EACCES no permission (names the capability),
 * -ENOTSUP a Python that we do not support. */
int discover_open(const struct procfs *fs, pid_t pid, struct discover *ret, struct strbuf *why);
void discover_done(struct discover *d);

#endif
