/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/procfs_cgroup.c. */
#include "fakeproc.h"
#include "target/procfs.h"
#include "test.h"

static void procfs_cgroup__systemd_unit(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "0::/system.slice/api.service\n", "api.service" },
		{ "0::/user.slice/user-0.slice/user@0.service/app.slice/x.scope\n", "x.scope" },
		{ "0::/system.slice/api.service/workers\n", "api.service" },
		{ "12:memory:/a.service\n1:name=systemd:/system.slice/b.service\n0::/c.service\n",
		  "b.service" },
		{ "3:cpu:/x.service\n0::/system.slice/c.service\n", "c.service" },
		{ "0::/\n", NULL },
		{ "0::/.service\n", NULL },
		{ "3:cpu:/x.service\n", NULL },
		{ "", NULL },
	};
	struct fakeproc *p = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;

		fakeproc_text(p, 5, "cgroup", rows[i].text);
		assert_err(procfs_unit(&p->fs, 5, &b), rows[i].want ? 0 : -ENOENT);
		assert_string_equal(b.buf, rows[i].want ? rows[i].want : "");
	}
}

#define ID  "4fa6e0f0c6786287e131c3852c58a2e01cc697a68231826813597e4994f1d6e2"
#define POD "kubepods-burstable-pod2c48913c_b29f_11ed_9350_0242ac110002"

static void procfs_cgroup__container_of_a_cgroup(void **state)
{
	static const struct {
		const char *cgroup, *want;
	} rows[] = {
		/* Docker by systemd and by itself, in Docker */
		{ "/system.slice/docker-" ID ".scope", ID },
		{ "/docker/" ID, ID },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" ID ".scope",
		  ID },
		{ "/docker/0000000000000000000000000000000000000000000000000000000000000000/"
		  "docker/" ID,
		  ID },
		/* Podman: rootful, rootless, of a unit; what watches it is not in it */
		{ "/machine.slice/libpod-" ID ".scope/container", ID },
		{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		  ".scope/container",
		  ID },
		{ "/system.slice/web.service/libpod-payload-" ID, ID },
		{ "/machine.slice/libpod-conmon-" ID ".scope", NULL },
		/* Kubernetes: containerd and CRI-O, by systemd and by cgroupfs */
		{ "/kubepods.slice/kubepods-burstable.slice/" POD ".slice/cri-containerd-" ID
		  ".scope",
		  ID },
		{ "/kubepods/burstable/pod2c48913c-b29f-11ed-9350-0242ac110002/" ID, ID },
		{ "/system.slice/containerd.service/" POD ".slice:cri-containerd:" ID, ID },
		{ "/kubepods.slice/" POD ".slice/crio-" ID ".scope", ID },
		{ "/kubepods.slice/" POD ".slice/crio-conmon-" ID ".scope", NULL },
		{ "/kubepods.slice/" POD ".slice/crio-" ID ".scope/system.slice/a.service", ID },
		/* ECS */
		{ "/ecs/task-definition/" ID, ID },
		/* machines of systemd: by machinectl, by systemd-run; what runs in them */
		{ "/machine.slice/systemd-nspawn@deb12.service/payload/system.slice/a.service",
		  "deb12" },
		{ "/machine.slice/machine-my\\x2dbox.scope/payload", "my-box" },
		{ "/machine.slice/machine-a.scope/system.slice/docker-" ID ".scope", ID },
		{ "/docker/" ID "/machine.slice/machine-a.scope", "a" },
		{ "/machine.slice/machine-a\\x1b\\x5b.scope", "a\\x1b[" },
		{ "/machine.slice/machine-a\\x2.scope", "a\\x2" },
		{ "/machine.slice/machine-a\\x.scope", "a\\x" },
		{ "/lxc.payload.web/system.slice", "web" },
		{ "/lxc.monitor.web", NULL },
		/* none */
		{ "/system.slice/api.service", NULL },
		{ "/machine.slice/machine-.scope", NULL },
		{ "/machine.slice/systemd-nspawn@.service", NULL },
		{ "/user.slice/user-1000.slice/session-2.scope", NULL },
		{ "/docker/" ID "0", NULL },
		{ "/docker/x" ID, NULL },
		{ "/docker/4FA6E0F0C6786287E131C3852C58A2E01CC697A68231826813597E4994F1D6E2",
		  NULL },
		{ "/docker/4fa6e0f0", NULL },
		{ "/", NULL },
		{ "", NULL },
		{ "//", NULL },
		{ ".scope", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
		int r = procfs_container(rows[i].cgroup, &b);

		if (r != (rows[i].want ? 0 : -ENOENT))
			print_error("%s\n", rows[i].cgroup);
		assert_err(r, rows[i].want ? 0 : -ENOENT);
		assert_string_equal(b.buf, rows[i].want ? rows[i].want : "");
	}
}

static void procfs_cgroup__service_of_a_cgroup(void **state)
{
	static const struct {
		const char *cgroup, *want; /* "": none */
	} rows[] = {
		{ "/system.slice/web.service", "/system.slice/web.service" },
		{ "/system.slice/web.service/workers", "/system.slice/web.service" },
		{ "/system.slice/system-web.slice/web@2.service",
		  "/system.slice/system-web.slice/web@2.service" },
		{ "/user.slice/user-7.slice/user@7.service/app.slice/shop.service",
		  "/user.slice/user-7.slice/user@7.service/app.slice/shop.service" },
		/* what somebody runs in a session is not one thing */
		{ "/user.slice/user-7.slice/session-2.scope", "" },
		{ "/user.slice/user-7.slice/user@7.service/app.slice/vte-spawn-1.scope", "" },
		{ "/user.slice/user-7.slice/user@7.service", "" },
		{ "/system.slice/web.service/run-1.scope", "" },
		{ "/init.scope", "" },
		/* containers and machines, and what runs in them */
		{ "/system.slice/docker-" ID ".scope", "/system.slice/docker-" ID ".scope" },
		{ "/docker/" ID "/x", "/docker/" ID },
		{ "/machine.slice/libpod-conmon-" ID ".scope", "" },
		{ "/machine.slice/machine-a.scope/payload", "/machine.slice/machine-a.scope" },
		{ "/machine.slice/machine-a.scope/payload/system.slice/web.service",
		  "/machine.slice/machine-a.scope/payload/system.slice/web.service" },
		{ "/machine.slice/machine-a.scope/init.scope", "" },
		{ "/", "" },
		{ "", "" },
		{ "///", "" },
		{ "/.service", "" },
		{ "web.service", "web.service" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = procfs_service(rows[i].cgroup);

		if (n != strlen(rows[i].want) || strncmp(rows[i].cgroup, rows[i].want, n))
			fail_msg("%s: %.*s", rows[i].cgroup, (int)n, rows[i].cgroup);
	}
}

static void procfs_cgroup__is_systemds_or_the_unified_one(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "0::/system.slice/api.service\n", "/system.slice/api.service" },
		{ "12:memory:/a\n1:name=systemd:/b\n0::/c\n", "/b" },
		{ "3:cpu:/a\n0::/c\n", "/c" },
		{ "0::/\n", "/" },
		{ "0::/a\x1b[2J\n", "/a\\x1b[2J" },
		{ "10::/x\n", NULL },
		{ "3:cpu:/x\n", NULL },
		{ "", NULL },
	};
	struct fakeproc *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;

		fakeproc_text(p, 5, "cgroup", rows[i].text);
		assert_err(procfs_cgroup(&p->fs, 5, &b), rows[i].want ? 0 : -ENOENT);
		assert_string_equal(b.buf, rows[i].want ? rows[i].want : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(procfs_cgroup__systemd_unit),
		cmocka_unit_test(procfs_cgroup__container_of_a_cgroup),
		cmocka_unit_test(procfs_cgroup__service_of_a_cgroup),
		cmocka_unit_test(procfs_cgroup__is_systemds_or_the_unified_one),
	};

	return cmocka_run_group_tests_name("procfs_cgroup", tests, fakeproc_setup,
					   fakeproc_teardown);
}
