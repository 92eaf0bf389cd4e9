/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_window.c — sites on and off in a live process of our own, by both methods.
 *
 * The text at the site is compared before, while and after. Needs root.
 */
#include "bpfchild.h"
#include "lib/clock.h"
#include "lib/strbuf.h"
#include "target/procmem.h"

#define BUSY_MAX     64
#define N_BESIDE     32
#define BESIDE_HITS  5000
#define BESIDE_TRIES 9

static const struct window_pick frees = { .progs = 1u << WINDOW_ON_FREE };

static void text_at_site(pid_t pid, uint8_t text[16])
{
	struct procmem m;

	procmem_init(&m, pid);
	assert_ok(procmem_read(&m, (uintptr_t)child_site_free, text, 16));
}

static void hits_are_counted_and_text_is_restored(bool force_perf)
{
	struct probes_options o = { .live_max = 1024, .force_perf = force_perf };
	struct strbuf why = STRBUF_INIT;
	struct probes *p = NULL;
	struct child c;
	struct site site = { .kind = SITE_FREE, .reg = PGD_REG_DI };
	struct sites sites = { .v = &site, .n = 1 };
	struct window w = WINDOW_INIT;
	struct window_target t = { .path = "/proc/self/exe" };
	struct pgd_target target = { .state = PGD_TARGET_WATCHED, .sample_of = 1 };
	struct pgd_hits hits;
	uint8_t before[16], during[16], after[16];

	site.offset = child_offset(child_site_free);
	if (probes_open(&o, &p, &why) < 0)
		fail_msg("%s", why.buf);
	assert_int_equal(probes_method(p), force_perf ? WINDOW_PERF : probes_method(p));
	child_start(&c);
	t.pid = c.pid;
	target.start_ticks = child_start_ticks(c.pid);
	assert_ok(probes_slot_add(p, &target, &t.slot));
	probes_prog_fds(p, t.prog_fds);
	text_at_site(c.pid, before);

	assert_ok(window_open(&w, probes_method(p), &t, &sites, &frees));
	text_at_site(c.pid, during);
	assert_memory_not_equal(before, during, sizeof(before));
	child_pass(&c, true, 64, 7);
	child_free(64); /* ourselves: the same file, another process */
	assert_ok(probes_hits(p, t.slot, &hits));
	assert_int_equal(hits.free, 7);
	assert_int_equal(hits.alloc, 0);

	window_close(&w);
	text_at_site(c.pid, after);
	assert_memory_equal(before, after, sizeof(before));
	child_pass(&c, true, 64, 3);
	assert_ok(probes_hits(p, t.slot, &hits));
	assert_int_equal(hits.free, 7);

	child_stop(&c);
	probes_slot_del(p, t.slot);
	probes_close(p);
	strbuf_done(&why);
}

static void window__multi_counts_hits_and_restores_text(void **state)
{
	(void)state;
	hits_are_counted_and_text_is_restored(false);
}

static void window__perf_counts_hits_and_restores_text(void **state)
{
	(void)state;
	hits_are_counted_and_text_is_restored(true);
}

static void window__text_is_restored_when_the_watcher_is_killed(void **state)
{
	struct child c;
	uint8_t before[16], after[16];
	uint64_t offset;
	pid_t watcher;
	int ready[2];
	char byte;

	(void)state;
	offset = child_offset(child_site_free);
	child_start(&c);
	text_at_site(c.pid, before);
	assert_ok(pipe(ready));
	watcher = fork();
	if (!watcher) {
		struct probes_options o = { .live_max = 1024 };
		struct strbuf why = STRBUF_INIT;
		struct probes *p = NULL;
		struct site site = { .kind = SITE_FREE, .reg = PGD_REG_DI, .offset = offset };
		struct sites sites = { .v = &site, .n = 1 };
		struct window w = WINDOW_INIT;
		struct window_target t = { .path = "/proc/self/exe", .pid = c.pid };

		if (probes_open(&o, &p, &why) < 0)
			_exit(1);
		probes_prog_fds(p, t.prog_fds);
		byte = window_open(&w, probes_method(p), &t, &sites, &frees) == 0;
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	text_at_site(c.pid, after);
	assert_memory_not_equal(before, after, sizeof(before));
	kill(watcher, SIGKILL);
	waitpid(watcher, NULL, 0);
	/* The kernel takes links apart behind the exit of their owner. */
	for (int i = 0; i < 200 && memcmp(before, after, sizeof(before)); i++) {
		usleep(10000);
		text_at_site(c.pid, after);
	}
	assert_memory_equal(before, after, sizeof(before));
	child_pass(&c, true, 64, 3);
	child_stop(&c);
	close(ready[0]);
	close(ready[1]);
}

static void probes__one_target_too_many_is_refused(void **state)
{
	struct probes_options o = { .live_max = 1024 };
	struct strbuf why = STRBUF_INIT;
	struct probes *p = NULL;
	struct pgd_target target = { .state = PGD_TARGET_WATCHED };
	uint32_t slot;
	int r = 0, n = 0;

	(void)state;
	if (probes_open(&o, &p, &why) < 0)
		fail_msg("%s", why.buf);
	while (n <= PGD_TARGETS_MAX && r == 0) {
		r = probes_slot_add(p, &target, &slot);
		n += r == 0;
	}
	assert_err(r, -ENOSPC);
	assert_int_equal(n, PGD_TARGETS_MAX - 1); /* one is for the self-test */
	probes_slot_del(p, 0);
	assert_ok(probes_slot_add(p, &target, &slot));
	assert_int_equal(slot, 0);
	probes_close(p);
	strbuf_done(&why);
}

static double trap_ns(void)
{
	struct probes_options o = { .live_max = 1024 };
	struct strbuf why = STRBUF_INIT;
	struct probes *p = NULL;
	double ns;

	if (probes_open(&o, &p, &why) < 0)
		fail_msg("%s", why.buf);
	ns = probes_trap_ns(p);
	probes_close(p);
	strbuf_done(&why);
	return ns;
}

/* Others want every CPU all the time. */
static void probes__the_price_of_a_trap_is_the_same_on_a_busy_machine(void **state)
{
	double alone_ns = trap_ns(), crowded_ns;
	pid_t others[BUSY_MAX];
	long n = sysconf(_SC_NPROCESSORS_ONLN) * 3;

	(void)state;
	assert_true(alone_ns > 50 && alone_ns < 20000);
	n = n < BUSY_MAX ? n : BUSY_MAX;
	for (long i = 0; i < n; i++) {
		others[i] = fork();
		assert_true(others[i] >= 0);
		while (!others[i] && getppid() != 1)
			;
	}
	crowded_ns = trap_ns();
	for (long i = 0; i < n; i++) {
		kill(others[i], SIGKILL);
		waitpid(others[i], NULL, 0);
	}
	print_message("a trap costs %.0f ns, on a busy machine %.0f\n", alone_ns, crowded_ns);
	assert_true(crowded_ns < 2 * alone_ns);
}

/* The cheapest of some batches, in CPU time. */
static double own_hit_ns(void)
{
	uint64_t best_ns = UINT64_MAX;

	for (int i = 0; i < BESIDE_TRIES; i++) {
		uint64_t start_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), ns;

		for (int hit = 0; hit < BESIDE_HITS; hit++)
			child_free(64);
		ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns;
		best_ns = ns < best_ns ? ns : best_ns;
	}
	return (double)best_ns / BESIDE_HITS;
}

/* At a trap the kernel asks for each process whose site it is whether that is meant. */
static void window__a_trap_costs_more_for_each_process_beside(void **state)
{
	struct probes_options o = { .live_max = 1024 };
	struct strbuf why = STRBUF_INIT;
	struct probes *p = NULL;
	struct child beside[N_BESIDE];
	struct window own = WINDOW_INIT, w[N_BESIDE];
	struct site site = { .kind = SITE_FREE, .reg = PGD_REG_DI };
	struct sites sites = { .v = &site, .n = 1 };
	struct window_target t = { .path = "/proc/self/exe", .pid = getpid() };
	double alone_ns, beside_ns, each_ns;

	(void)state;
	site.offset = child_offset(child_site_free);
	if (probes_open(&o, &p, &why) < 0)
		fail_msg("%s", why.buf);
	probes_prog_fds(p, t.prog_fds);
	assert_ok(window_open(&own, probes_method(p), &t, &sites, &frees));
	alone_ns = own_hit_ns();
	for (int i = 0; i < N_BESIDE; i++) {
		child_start(&beside[i]);
		t.pid = beside[i].pid;
		w[i] = (struct window)WINDOW_INIT;
		assert_ok(window_open(&w[i], probes_method(p), &t, &sites, &frees));
	}
	beside_ns = own_hit_ns();
	each_ns = (beside_ns - alone_ns) / N_BESIDE;
	print_message("a hit costs %.0f ns, beside %d processes %.0f: %.1f for each\n", alone_ns,
		      N_BESIDE, beside_ns, each_ns);
	assert_true(each_ns > 1 && each_ns < 200);
	for (int i = 0; i < N_BESIDE; i++) {
		window_close(&w[i]);
		child_stop(&beside[i]);
	}
	window_close(&own);
	probes_close(p);
	strbuf_done(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window__multi_counts_hits_and_restores_text),
		cmocka_unit_test(window__perf_counts_hits_and_restores_text),
		cmocka_unit_test(window__text_is_restored_when_the_watcher_is_killed),
		cmocka_unit_test(probes__one_target_too_many_is_refused),
		cmocka_unit_test(probes__the_price_of_a_trap_is_the_same_on_a_busy_machine),
		cmocka_unit_test(window__a_trap_costs_more_for_each_process_beside),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
