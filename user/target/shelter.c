/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/shelter.c — see shelter.h. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/shelter.h"

#define STACK_BYTES (512 << 10)

struct shelter {
	int (*work)(void *userdata);
	void *userdata;
	int result;
};

static int shelter_main(void *arg)
{
	struct shelter *s = arg;

	setsid();
	s->result = s->work(s->userdata);
	_exit(0);
}

int shelter_run(int (*work)(void *userdata), void *userdata)
{
	struct shelter s = { work, userdata, 0 };
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	sigset_t all, before;
	pid_t pid;

	if (stack == MAP_FAILED)
		return work(userdata);
	sigfillset(&all); /* the child begins with these blocked, before it has its session */
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = clone(shelter_main, stack + STACK_BYTES,
		    CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &s);
	if (pid < 0)
		s.result = work(userdata);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &before, NULL);
	munmap(stack, STACK_BYTES);
	return s.result;
}
