/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/coverage.c — see coverage.h.
 *
 * The binary belongs to the target, so the child is given no more than the target has: its root
 * directory, its user (nobody, if that is the root of a container), no capabilities, no network, no
 * new privileges, limits on memory and time, no files to write (-B: no .pyc either).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/coverage.h"
#include "lib/fsutil.h"
#include "lib/log.h"

#define CHILD_ANSWER_MS	   10000
#define CHILD_LOOK_MS	   100 /* has somebody asked us to end meanwhile? */
#define CHILD_MEMORY_BYTES (1ull << 30)
#define CHILD_CPU_SEC	   20
#define CHILD_NO_RIGHTS	   126 /* its exit status, if we could not make it what it should be */
#define NOBODY		   65534
#define LINE_MAX_BYTES	   64

/* Kinds of objects whose blocks come from different places in the interpreter. Each step prints
 * what the allocator itself counted; the collector is off, so that it frees nothing of its own
 * accord. */
static const char workload[] =
	"import sys, gc\n"
	"gc.disable()\n"
	"n = 1000\n"
	"class A: pass\n"
	"class S: __slots__ = 'x', 'y'\n"
	"def a(i):\n"
	"    o = A(); o.x = i; o.y = o; o.y = None; return o\n"
	"def s(i):\n"
	"    o = S(); o.x = i + 100000; return o\n"
	"def gen(i):\n"
	"    yield i\n"
	"kinds = [lambda i: object(), a, s, lambda i: {'k': i}, lambda i: [i], lambda i: (i, i),\n"
	"         lambda i: i + 1000000, lambda i: i / 3.0, lambda i: 'v%d' % i, lambda i: str(i) "
	"* 9,\n"
	"         lambda i: b'%d' % i, lambda i: bytearray(40), lambda i: {i}, lambda i: lambda: "
	"i,\n"
	"         lambda i: ValueError(i), gen, lambda i: bytes(600 + i), lambda i: [i] * 99]\n"
	"def step(x):\n"
	"    sys.stdout.write('%d\\n' % x); sys.stdout.flush(); sys.stdin.readline()\n"
	"def work(keep):\n"
	"    for k in range(len(kinds)):\n"
	"        f = kinds[k]\n"
	"        for i in range(n): keep.append(f(i))\n"
	"warm = []; work(warm)\n"
	"step(0)\n"
	"keep = []\n"
	"b = sys.getallocatedblocks(); work(keep); step(sys.getallocatedblocks() - b)\n"
	"b = sys.getallocatedblocks(); keep = None; step(b - sys.getallocatedblocks())\n";

struct child {
	pid_t pid;
	int to, from; /* its stdin and stdout */
};

/* ── the child's side: between fork and exec, nothing but system calls ────────────────────── */

static void child_limit(void)
{
	struct rlimit memory = { CHILD_MEMORY_BYTES, CHILD_MEMORY_BYTES };
	struct rlimit cpu = { CHILD_CPU_SEC, CHILD_CPU_SEC };
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
}

static int child_drop(uid_t uid, gid_t gid)
{
	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	/* Those would outlive the bounding set, the change of user and exec. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static void child_exec(int exe_fd, int root_fd, const char *name, uid_t uid, gid_t gid)
{
	char *argv[] = { (char *)name, (char *)"-I",	 (char *)"-S", (char *)"-B",
			 (char *)"-c", (char *)workload, NULL };
	char *envp[] = { (char *)"LC_ALL=C", NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fchdir(root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0 ||
	    unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0)
		_exit(CHILD_NO_RIGHTS);
	child_limit();
	if (child_drop(uid, gid) < 0)
		_exit(CHILD_NO_RIGHTS);
	syscall(SYS_execveat, exe_fd, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

/* ── ours ─────────────────────────────────────────────────────────────────────────────────── */

static void child_end(struct child *c)
{
	if (c->to >= 0)
		close(c->to);
	if (c->from >= 0)
		close(c->from);
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
}

/* Signals are blocked until the loop takes them. */
static bool is_to_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

/* 0: it has something to say. Where traps are slow its work takes seconds. */
static int child_wait(const struct child *c)
{
	for (int ms = 0; ms < CHILD_ANSWER_MS; ms += CHILD_LOOK_MS) {
		struct pollfd pfd = { .fd = c->from, .events = POLLIN };

		if (poll(&pfd, 1, CHILD_LOOK_MS) > 0)
			return 0;
		if (is_to_end())
			return -EINTR;
	}
	return -ETIMEDOUT;
}

/* Its next line, as a number. -ETIMEDOUT; -EINTR: we are to end; -EPIPE: it ended. */
static int child_answer(const struct child *c, long *ret)
{
	char line[LINE_MAX_BYTES];
	size_t n = 0;

	while (n < sizeof(line) - 1) {
		char *end;
		int r = child_wait(c);

		if (r < 0)
			return r;
		if (read(c->from, &line[n], 1) != 1)
			return -EPIPE;
		if (line[n++] != '\n')
			continue;
		line[n - 1] = '\0';
		*ret = strtol(line, &end, 10);
		return *end || end == line ? -EBADMSG : 0;
	}
	return -EBADMSG;
}

static int child_go(const struct child *c)
{
	return write(c->to, "\n", 1) == 1 ? 0 : -EPIPE;
}

/* Is what `name` leads to, of both, the same file? Not known: no. */
static bool is_same(const struct procfs *fs, pid_t a, pid_t b, const char *name)
{
	char path[PROCFS_PATH_MAX];
	struct stat of_a, of_b;

	return procfs_path(fs, a, name, path, sizeof(path)) == 0 && stat(path, &of_a) == 0 &&
	       procfs_path(fs, b, name, path, sizeof(path)) == 0 && stat(path, &of_b) == 0 &&
	       of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* Not by mount namespaces: our own unit has one, and so has many a service of the host's root. */
static bool is_beside(const struct procfs *fs, pid_t pid, pid_t other)
{
	return is_same(fs, pid, other, "root/.") && is_same(fs, pid, other, "ns/user");
}

void coverage_user(const struct procfs *fs, pid_t pid, uid_t *ret_uid, gid_t *ret_gid)
{
	char path[PROCFS_PATH_MAX];
	struct stat proc;

	*ret_uid = *ret_gid = NOBODY;
	if (procfs_path(fs, pid, "", path, sizeof(path)) < 0 || stat(path, &proc) < 0)
		return;
	/* In a sandbox, we may not look into PID 1: then whose root is ours is ours. */
	if (proc.st_uid == 0 && !is_beside(fs, pid, 1) && !is_beside(fs, pid, getpid()))
		return;
	*ret_uid = proc.st_uid;
	*ret_gid = proc.st_gid;
}

/* The program's path as it is below its own root: Python finds its library by it. */
static int name_below_root(const struct procfs *fs, pid_t pid, char *buf, size_t n_bytes)
{
	char path[PROCFS_PATH_MAX], root[PROCFS_PATH_MAX], exe[PROCFS_PATH_MAX];
	ssize_t n_root, n_exe;
	size_t skip = 0;

	if (procfs_path(fs, pid, "root", path, sizeof(path)) < 0)
		return -ENAMETOOLONG;
	n_root = readlink(path, root, sizeof(root) - 1);
	if (procfs_path(fs, pid, "exe", path, sizeof(path)) < 0)
		return -ENAMETOOLONG;
	n_exe = readlink(path, exe, sizeof(exe) - 1);
	if (n_root < 0 || n_exe < 0)
		return -errno;
	root[n_root] = exe[n_exe] = '\0';
	if (n_root > 1 && !strncmp(exe, root, (size_t)n_root) && exe[n_root] == '/')
		skip = (size_t)n_root;
	return snprintf(buf, n_bytes, "%s", exe + skip) < (int)n_bytes ? 0 : -ENAMETOOLONG;
}

static int open_of(const struct procfs *fs, pid_t pid, const char *name, int flags)
{
	char path[PROCFS_PATH_MAX];
	int fd, r = procfs_path(fs, pid, name, path, sizeof(path));

	if (r < 0)
		return r;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int child_start(const struct procfs *fs, pid_t pid, struct child *ret, struct strbuf *why)
{
	_cleanup_close_ int exe_fd = open_of(fs, pid, "exe", O_PATH);
	_cleanup_close_ int root_fd = open_of(fs, pid, "root", O_PATH | O_DIRECTORY);
	char name[PROCFS_PATH_MAX], *base;
	int in[2], out[2];
	uid_t uid;
	gid_t gid;

	if (exe_fd < 0 || root_fd < 0 || name_below_root(fs, pid, name, sizeof(name)) < 0)
		return -ENOENT;
	/* An embedder would do its own work with our arguments. */
	base = strrchr(name, '/');
	if (strncmp(base ? base + 1 : name, "python", 6)) {
		strbuf_puts(why,
			    "the interpreter is part of another program and cannot be run alone");
		return -ENOEXEC;
	}
	coverage_user(fs, pid, &uid, &gid);
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return -errno;
	}
	ret->pid = fork();
	if (ret->pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		child_exec(exe_fd, root_fd, name, uid, gid);
	}
	close(in[0]);
	close(out[1]);
	ret->to = in[1];
	ret->from = out[0];
	return ret->pid < 0 ? -errno : 0;
}

static int64_t followed_now(struct probes *p, const struct watch *w)
{
	struct pgd_hits hits = { 0 };

	probes_hits(p, w->slot, &hits);
	return (int64_t)(hits.followed - hits.forgotten);
}

/* How near `seen` is to `truth`: too many is as wrong as too few. */
static double share(int64_t seen, long truth)
{
	double ratio;

	if (truth <= 0)
		return NAN;
	ratio = (double)seen / (double)truth;
	return ratio > 1 ? fmax(0, 2 - ratio) : fmax(0, ratio);
}

/* Runs the workload under the sites of `w`'s interpreter. `child` has said that it is ready. */
static int measure(struct probes *p, const struct watch_options *o, struct watch *w,
		   const struct child *c, struct strbuf *why)
{
	struct watch *child = NULL;
	long made = 0, dropped = 0;
	int64_t before, between = 0, after = 0;
	int r = watch_open(p, c->pid, o, &child, why);

	if (r < 0)
		return r;
	r = watch_attach(p, child, why);
	before = followed_now(p, child);
	if (r == 0 && strcmp(child->build_id, w->build_id)) {
		strbuf_puts(why, "a child of the program runs another interpreter");
		r = -ENOEXEC;
	}
	if (r == 0)
		r = child_go(c);
	if (r == 0)
		r = child_answer(c, &made);
	between = followed_now(p, child);
	if (r == 0)
		r = child_go(c);
	if (r == 0)
		r = child_answer(c, &dropped);
	after = followed_now(p, child);
	watch_close(p, child);
	if (r < 0)
		return r;
	w->coverage_allocs = share(between - before, made);
	w->coverage_frees = share(between - after, dropped);
	return 0;
}

/* ── remembered by build-id ───────────────────────────────────────────────────────────────── */

static bool cache_path(const char *state_dir, const char *build_id, char *buf, size_t n_bytes)
{
	return state_dir &&
	       snprintf(buf, n_bytes, "%s/coverage/%s", state_dir, build_id) < (int)n_bytes;
}

static bool cache_load(const char *path, struct watch *w)
{
	_cleanup_free_ char *text = NULL;
	double allocs, frees;
	int version;

	if (fsutil_file_load(path, 256, &text, NULL) < 0 ||
	    sscanf(text, "coverage %d allocs %lf frees %lf", &version, &allocs, &frees) != 3 ||
	    version != SITES_CACHE_VERSION ||
	    !(allocs >= 0 && allocs <= 1 && frees >= 0 && frees <= 1))
		return false;
	w->coverage_allocs = allocs;
	w->coverage_frees = frees;
	return true;
}

static void cache_save(const char *state_dir, const char *path, const struct watch *w)
{
	char dir[PROCFS_PATH_MAX], text[128];
	int n = snprintf(text, sizeof(text), "coverage %d allocs %.6f frees %.6f\n",
			 SITES_CACHE_VERSION, w->coverage_allocs, w->coverage_frees);
	int r;

	snprintf(dir, sizeof(dir), "%s/coverage", state_dir);
	r = fsutil_mkdir_p(dir, 0755);
	if (r == 0)
		r = fsutil_file_save(path, text, (size_t)n, 0644);
	if (r < 0)
		log_debug(r, "save coverage to %s, ignoring", path);
}

/* Why has the child not even said that it is there? */
static const char *say_silence(struct child *c)
{
	int status = 0;

	kill(c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	c->pid = -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_NO_RIGHTS)
		return "running the interpreter as its user takes CAP_SYS_CHROOT, CAP_SYS_ADMIN, "
		       "CAP_SETUID and CAP_SETGID";
	return "its interpreter does not run our test program";
}

void coverage_measure(struct probes *p, const struct watch_options *o, struct watch *w)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct child c = { .to = -1, .from = -1 };
	char path[PROCFS_PATH_MAX];
	bool has_path = cache_path(o->state_dir, w->build_id, path, sizeof(path));
	long ready;
	int r;

	if (has_path && cache_load(path, w))
		return;
	r = child_start(o->fs, w->pid, &c, &why);
	if (r == 0) {
		r = child_answer(&c, &ready);
		if (r < 0 && r != -EINTR)
			strbuf_puts(&why, say_silence(&c));
	}
	if (r == 0)
		r = measure(p, o, w, &c, &why);
	child_end(&c);
	if (r == 0 && has_path && !isnan(w->coverage_allocs) && !isnan(w->coverage_frees))
		cache_save(o->state_dir, path, w);
	if (r < 0)
		snprintf(w->coverage_why, sizeof(w->coverage_why), "not measured: %s",
			 strbuf_error(&why) || !why.len ? strerror(-r) : why.buf);
}
