/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_spawn.c — see sink_spawn.h.
 *
 * Not fork(): its copies of pages would make the real-time thread fault on its locked stack, and
 * its copies of descriptors would hold the links of a window that is closed at that moment: the
 * breakpoints would stay on. The child shares both with us (we stand still meanwhile) and leaves
 * the table of descriptors by close_range(2), which copies nothing but 0 to 2. The two that it is
 * to have it opens again through /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report/sink_spawn.h"

#define STACK_BYTES   (128 << 10)
#define FD_PATH_BYTES 48
#define CAPS_MAX      64
#define NOT_STARTED   127 /* its exit status; nobody sees it but us */

struct spawn {
	char *const *argv;
	char stdin_path[FD_PATH_BYTES], output_path[FD_PATH_BYTES];
	int err; /* negative errno: it could not be started */
};

/* ── the child's side: our memory, so nothing but system calls ────────────────────────────── */

static int child_take_files(const struct spawn *s)
{
	int in, out;

	if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		return -errno;
	in = open(s->stdin_path, O_RDONLY);
	if (in < 0 || dup2(in, STDIN_FILENO) < 0)
		return -errno;
	out = open(s->output_path, O_WRONLY);
	if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		return -errno;
	return close_range(STDERR_FILENO + 1, ~0u, 0) < 0 ? -errno : 0;
}

/* Root gets at exec what is left in its bounding set. */
static bool child_can_regain(void)
{
	if (geteuid() != 0)
		return false;
	for (int cap = 0; cap < CAPS_MAX; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return true;
	return false;
}

static int child_drop_rights(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	for (int cap = 0; cap < CAPS_MAX; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (child_can_regain())
		return -EPERM;
	/* The inheritable and ambient ones would outlive exec. */
	if (syscall(SYS_capset, &head, none) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* exec keeps what we, or who started us, ignore. signal() refuses 32 and 33, which glibc has for
 * itself, and glibc's own posix_spawn() leaves just these ignored in all that make starts.
 */
static void child_reset_signals(void)
{
	static const struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} as_new = { SIG_DFL, 0, NULL, 0 }; /* the kernel's struct sigaction */
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		syscall(SYS_rt_sigaction, i, &as_new, NULL, sizeof(as_new.mask));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child_exec(const struct spawn *s)
{
	static char *const envp[] = {
		(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		(char *)"LC_ALL=C.UTF-8", NULL
	};
	int r;

	if (setsid() < 0)
		return -errno;
	r = child_take_files(s);
	if (r == 0)
		r = child_drop_rights();
	if (r < 0)
		return r;
	if (chdir("/") < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return -errno;
	child_reset_signals();
	execve(s->argv[0], s->argv, envp);
	return -errno;
}

static int child_main(void *arg)
{
	struct spawn *s = arg;

	s->err = child_exec(s);
	return NOT_STARTED;
}

/* ── ours ─────────────────────────────────────────────────────────────────────────────────── */

static pid_t clone_child(struct spawn *s, char *stack, int *ret_pidfd)
{
	sigset_t all, before;
	pid_t pid;

	/* None of them may run a handler of ours in the child. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = clone(child_main, stack + STACK_BYTES,
		    CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | SIGCHLD, s, ret_pidfd);
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

int sink_spawn(char *const *argv, int stdin_fd, int output_fd, pid_t *ret_pid, int *ret_pidfd)
{
	struct spawn s = { .argv = argv };
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int pidfd = -1;
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	snprintf(s.stdin_path, sizeof(s.stdin_path), "/proc/%d/fd/%d", getpid(), stdin_fd);
	snprintf(s.output_path, sizeof(s.output_path), "/proc/%d/fd/%d", getpid(), output_fd);
	pid = clone_child(&s, stack, &pidfd);
	munmap(stack, STACK_BYTES);
	if (pid < 0)
		return pid;
	if (s.err < 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		close(pidfd);
		return s.err;
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}
