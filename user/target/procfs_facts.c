/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procfs_facts.c — who is this process? All that rules ask, of one and the same. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "lib/escape.h"
#include "target/procfs.h"

/* ── users ────────────────────────────────────────────────────────────────────────────────── */

static void ask_user(uid_t uid, char name[PROCFS_USER_BYTES])
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	struct passwd pw, *found = NULL;
	char buf[16384];

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
		escape_add_bytes(&b, found->pw_name, strlen(found->pw_name));
	if (b.len && b.len < PROCFS_USER_BYTES)
		memcpy(name, b.buf, b.len + 1);
	else
		snprintf(name, PROCFS_USER_BYTES, "uid:%u", uid);
}

const char *procfs_user(struct procfs_users *u, uid_t uid)
{
	struct procfs_user *user;

	for (size_t i = 0; i < PROCFS_USERS_MAX; i++)
		if (u->v[i].uid == uid && u->v[i].name[0])
			return u->v[i].name;
	user = &u->v[u->next];
	u->next = (u->next + 1) % PROCFS_USERS_MAX;
	user->uid = uid;
	ask_user(uid, user->name);
	return user->name;
}

/* ── all of it ────────────────────────────────────────────────────────────────────────────── */

/* What a function added to `b` as a string of its own; NULL if there is none. */
static int take_word(int r, struct strbuf *b, char **ret)
{
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret = strbuf_take(b);
	return *ret ? 0 : -ENOMEM;
}

static int load_words(const struct procfs *fs, pid_t pid, struct procfs_facts *f)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	int r;

	r = take_word(procfs_cmdline(fs, pid, &b), &b, &f->cmdline);
	if (r == 0)
		r = take_word(procfs_unit(fs, pid, &b), &b, &f->unit);
	if (r == 0)
		r = take_word(procfs_cgroup(fs, pid, &b), &b, &f->cgroup);
	if (r == 0 && f->cgroup)
		r = take_word(procfs_container(f->cgroup, &b), &b, &f->container);
	return r;
}

int procfs_facts_load(const struct procfs *fs, pid_t pid, struct procfs_users *users,
		      struct procfs_facts *ret)
{
	_cleanup_(procfs_facts_done) struct procfs_facts f = { 0 };
	struct procfs_status status;
	struct procfs_stat st;
	int r;

	r = procfs_stat(fs, pid, &st);
	if (r == 0)
		r = procfs_status(fs, pid, &status);
	if (r == 0)
		r = load_words(fs, pid, &f);
	if (r < 0)
		return r;
	f.start_ticks = st.start_ticks;
	f.ppid = st.ppid;
	f.uid = status.uid;
	f.inner_pid = status.inner_pid;
	memcpy(f.comm, st.comm, sizeof(f.comm));
	memcpy(f.user, procfs_user(users, status.uid), sizeof(f.user));
	r = procfs_stat(fs, pid, &st);
	if (r < 0)
		return r;
	if (st.start_ticks != f.start_ticks) /* another process has this PID now */
		return -ESRCH;
	*ret = f;
	f = (struct procfs_facts){ 0 };
	return 0;
}

void procfs_facts_done(struct procfs_facts *f)
{
	free(f->cmdline);
	free(f->unit);
	free(f->cgroup);
	free(f->container);
	*f = (struct procfs_facts){ 0 };
}
