/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/e2e/embed.c — a program that is not called python and has CPython in a shared library.
 *
 * What uWSGI, mod_wsgi and the docker-official images look like from outside: the interpreter is
 * libpython3.x.so, its text is not the executable's. The library is opened by name at run time, so
 * that one binary serves every version and needs no headers:  embed LIBPYTHON [ARGUMENT]...
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	int (*bytes_main)(int, char **);
	void *library;

	if (argc < 2) {
		fprintf(stderr, "usage: embed LIBPYTHON [ARGUMENT]...\n");
		return 2;
	}
	library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
	if (!library) {
		fprintf(stderr, "embed: %s\n", dlerror());
		return 1;
	}
	*(void **)&bytes_main = dlsym(library, "Py_BytesMain");
	if (!bytes_main) {
		fprintf(stderr, "embed: %s has no Py_BytesMain\n", argv[1]);
		return 1;
	}
	/* sys.executable, and from it the library's path, is looked for on PATH: none is found, and
	 * the prefix that was compiled in is taken. */
	argv[1] = argv[0];
	return bytes_main(argc - 1, argv + 1);
}
