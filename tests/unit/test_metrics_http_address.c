/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/metrics_http.c, as far as it is about where to listen: what is an address,
 * and what is said if it cannot be had.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scrapefix.h"
#include "test.h"

struct fixture {
	struct scrape scrape;
};

/* Nobody asks here. */
static int on_page(void *userdata, struct strbuf *ret)
{
	(void)userdata;
	(void)ret;
	return -ENODATA;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	return scrape_init(&f->scrape, on_page, f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scrape_done(&f->scrape);
	free(f);
	return 0;
}

static void metrics_http__addresses(void **state)
{
	static const struct {
		const char *address;
		int want;
	} rows[] = {
		{ METRICS_HTTP_ADDRESS, 0 },
		{ "off", 0 },
		{ "0.0.0.0:1", 0 },
		{ "[::1]:9748", 0 },
		{ "[::]:65535", 0 },
		{ "[2001:0db8:1111:2222:3333:4444:5555:6666]:9748", 0 },
		{ "127.0.0.1:0", 0 },
		{ "", -EINVAL },
		{ "on", -EINVAL },
		{ "OFF", -EINVAL },
		{ "off ", -EINVAL },
		{ ":", -EINVAL },
		{ "[", -EINVAL },
		{ "[]:1", -EINVAL },
		{ "[:1", -EINVAL },
		{ "[:]:1", -EINVAL },
		{ "]:1", -EINVAL },
		{ ":9748", -EINVAL },
		{ "9748", -EINVAL },
		{ "127.0.0.1", -EINVAL },
		{ "127.0.0.1:", -EINVAL },
		{ "127.0.0.1:65536", -EINVAL },
		{ "127.0.0.1:99999999999999999999", -EINVAL },
		{ "127.0.0.1:-1", -EINVAL },
		{ "127.0.0.1:+1", -EINVAL },
		{ "127.0.0.1:0x1", -EINVAL },
		{ "127.0.0.1: 1", -EINVAL },
		{ "127.0.0.1:1 ", -EINVAL },
		{ "127.1:9748", -EINVAL },
		{ "256.0.0.1:9748", -EINVAL },
		{ "localhost:9748", -EINVAL },
		{ "::1:9748", -EINVAL },
		{ "[::1]9748", -EINVAL },
		{ "[::1%lo]:9748", -EINVAL },
		{ "[127.0.0.1]:9748", -EINVAL },
		{ "[::1]:9748:9748", -EINVAL },
		{ "http://127.0.0.1:9748", -EINVAL },
		{ "11111111111111111111111111111111111111111111111111111111111111111111:1",
		  -EINVAL },
	};
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = metrics_http_check(rows[i].address, &why);

		if (r != rows[i].want || !why.len != !rows[i].want)
			fail_msg("%s: %d (%s)", rows[i].address, r, why.buf);
		strbuf_reset(&why);
	}
	assert_err(metrics_http_check("web\n\x1b[2J:80", &why), -EINVAL);
	assert_string_equal(why.buf, "metrics address \"web\\x0a\\x1b[2J:80\": neither off nor "
				     "ADDRESS:PORT in numbers (examples: 127.0.0.1:9748, "
				     "[::1]:9748)");
}

static void metrics_http__off_is_nobody(void **state)
{
	struct fixture *f = *state;
	struct metrics_http *off = f->scrape.server;

	assert_ok(metrics_http_open(f->scrape.event, "off", on_page, f, &off, &f->scrape.why));
	assert_null(off);
	assert_int_equal(metrics_http_port(off), 0);
	assert_int_equal(metrics_http_clients_cnt(off), 0);
	assert_false(metrics_http_is_public(off));
	metrics_http_set_timeout(off, 1);
	metrics_http_close(off);
}

static void metrics_http__an_address_in_use_is_said(void **state)
{
	struct fixture *f = *state;
	struct metrics_http *second = NULL;
	char address[32], want[200];

	snprintf(address, sizeof(address), "127.0.0.1:%d", metrics_http_port(f->scrape.server));
	assert_err(metrics_http_open(f->scrape.event, address, on_page, f, &second, &f->scrape.why),
		   -EADDRINUSE);
	assert_null(second);
	snprintf(want, sizeof(want),
		 "cannot serve metrics on %s: Address already in use; is another pygrowd running? "
		 "--metrics takes another port, or off",
		 address);
	assert_string_equal(f->scrape.why.buf, want);

	strbuf_reset(&f->scrape.why);
	assert_err(metrics_http_open(f->scrape.event, "192.0.2.1:9748", on_page, f, &second,
				     &f->scrape.why),
		   -EADDRNOTAVAIL);
	assert_string_equal(f->scrape.why.buf,
			    "cannot serve metrics on 192.0.2.1:9748: Cannot assign "
			    "requested address; --metrics takes one of this host's "
			    "addresses, or off");
}

/* In a child, since rights cannot be taken back: its status says how it went. */
static int try_privileged_port(void)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct metrics_http *m = NULL;
	sd_event *event = NULL;

	if (getuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 2;
	if (sd_event_new(&event) < 0)
		return 2;
	if (metrics_http_open(event, "127.0.0.1:1", on_page, NULL, &m, &why) != -EACCES)
		return 3;
	return strcmp(why.buf, "cannot serve metrics on 127.0.0.1:1: Permission denied; ports "
			       "below 1024 take CAP_NET_BIND_SERVICE: choose a higher one") != 0;
}

static void metrics_http__a_port_that_is_not_ours_is_said(void **state)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	int status = 0, first = 1024;
	pid_t pid;

	(void)state;
	if (file) {
		if (fscanf(file, "%d", &first) != 1)
			first = 1024;
		fclose(file);
	}
	if (first <= 1)
		skip(); /* this host lets everybody */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(try_privileged_port());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int lowest_free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* With room for ever more descriptors, until it works: none is lost, and none closed twice. */
static void metrics_http__without_descriptors_it_fails_whole(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, limit;
	int first = lowest_free_fd(), r = -1, n_failed = 0;

	assert_ok(getrlimit(RLIMIT_NOFILE, &before));
	for (limit = before, limit.rlim_cur = (rlim_t)first; r < 0; limit.rlim_cur++) {
		struct metrics_http *m = NULL;

		strbuf_reset(&f->scrape.why);
		assert_ok(setrlimit(RLIMIT_NOFILE, &limit));
		r = metrics_http_open(f->scrape.event, ANY_PORT, on_page, f, &m, &f->scrape.why);
		assert_ok(setrlimit(RLIMIT_NOFILE, &before));
		metrics_http_close(m);
		if (r < 0) {
			assert_err(r, -EMFILE);
			n_failed++;
		}
		assert_int_equal(lowest_free_fd(), first);
		assert_true(limit.rlim_cur < (rlim_t)first + 16);
	}
	assert_true(n_failed >= 2); /* the socket, libmicrohttpd's own */
}

static void metrics_http__open_to_others_is_known(void **state)
{
	struct fixture *f = *state;
	struct metrics_http *all = NULL;

	assert_ok(
		metrics_http_open(f->scrape.event, "0.0.0.0:0", on_page, f, &all, &f->scrape.why));
	assert_true(metrics_http_is_public(all));
	metrics_http_close(all);
	assert_ok(metrics_http_open(f->scrape.event, "127.9.9.9:0", on_page, f, &all,
				    &f->scrape.why));
	assert_false(metrics_http_is_public(all));
	metrics_http_close(all);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics_http__addresses),
		WITH_SERVER(metrics_http__off_is_nobody),
		WITH_SERVER(metrics_http__an_address_in_use_is_said),
		cmocka_unit_test(metrics_http__a_port_that_is_not_ours_is_said),
		WITH_SERVER(metrics_http__without_descriptors_it_fails_whole),
		WITH_SERVER(metrics_http__open_to_others_is_known),
	};

	return cmocka_run_group_tests_name("metrics_http_address", tests, NULL, NULL);
}
