/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/test_liveness.c — are objects of real interpreters alive, and is it seen when they die?
 *
 * A child makes objects of known kinds and says where they are; we look, as the daemon does. Prints
 * how often a block that was freed and taken again, by a program that repeats itself, is believed
 * to be the old object: the weak spot of all looking. Needs root (chroot); LIVENESS_VERBOSE=1
 * shows the kinds apart.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sample/liveness.h"
#include "target/discover.h"
#include "test.h"

#define BLOCKS_MAX 24000
#define N_OBJECTS  200 /* of a kind */
#define N_TURNS	   40

/* Commands on stdin, one a line; "." on stdout when done. A block's line: kind, lane, number of
 * the object, address of the object, address of its block. */
static const char script[] =
	"import sys, gc, random\n"
	"V = sys.version_info\n"
	"def head(x):\n"
	"    f = type(x).__flags__\n"
	"    if not f >> 14 & 1: return 0\n"
	"    if V >= (3, 11) and f >> 4 & 1 or V >= (3, 12) and f >> 3 & 1: return 32\n"
	"    return 16\n"
	"class Plain:\n"
	"    def __init__(self, i): self.a = 'a%d' % i; self.b = i + .5; self.c = None\n"
	"class Slots:\n"
	"    __slots__ = 'a', 'b'\n"
	"    def __init__(self, i): self.a = 'a%d' % i; self.b = None\n"
	"class Meta(type): pass\n"
	"class Made(metaclass=Meta):\n"
	"    __slots__ = 'a'\n"
	"    def __init__(self, i): self.a = 'a%d' % i\n"
	"class Shared:\n" /* most of it is the same in every instance */
	"    __slots__ = 'a', 'b', 'c', 'd'\n"
	"    def __init__(self, i): self.a = 'a%d' % i; self.b = sys; self.c = gc; self.d = head\n"
	"def closure(i):\n"
	"    t = 'a%d' % i\n"
	"    return lambda: t\n"
	"KINDS = {\n"
	"    'str': lambda i: 'text-%d' % i,\n"
	"    'long_str': lambda i: 'the same beginning, ' * 6 + str(i),\n"
	"    'wide_str': lambda i: '\\u0444-%d' % i,\n"
	"    'bytes': lambda i: b'bytes-%d' % i,\n"
	"    'big_bytes': lambda i: b'bytes-%d' % i * 200,\n"
	"    'int': lambda i: (1 << 70) + i,\n"
	"    'float': lambda i: i + .25,\n"
	"    'tuple': lambda i: (None, 'a%d' % i, i + .5),\n"
	"    'big_tuple': lambda i: tuple(str(i + j) for j in range(100)),\n"
	"    'list': lambda i: ['a%d' % i, i + .5, None],\n"
	"    'big_list': lambda i: [str(i + j) for j in range(100)],\n"
	"    'dict': lambda i: {'k': 'a%d' % i, 'l%d' % i: None, 'm': i + .5},\n"
	"    'set': lambda i: {'a%d' % i, i + .5},\n"
	"    'plain': Plain, 'slots': Slots, 'made': Made, 'shared': Shared, 'closure': closure,\n"
	"    'bytearray': lambda i: bytearray(b'array-%d' % i),\n"
	"    'exception': lambda i: ValueError('a%d' % i),\n"
	"}\n"
	"BIG = 'big_bytes', 'big_tuple'\n"
	"def make(n, start):\n"
	"    return {k: [f(start + i) for i in range(n)] for k, f in KINDS.items()}\n"
	"def show(objects):\n"
	"    for k, v in objects.items():\n"
	"        for i, x in enumerate(v):\n"
	"            print(k, int(k in BIG), i, id(x), id(x) - head(x))\n"
	"objects, ring, more, serial = {}, [], [], 0\n"
	"def turn(mode, n):\n" /* drop all, make it again */
	"    global objects, serial\n"
	"    objects = None\n"
	"    if mode == 'noisy':\n"
	"        ring[random.randrange(50):] = []\n"
	"        for i in range(random.randrange(50)):\n"
	"            ring.append([f(random.randrange(9999)) for f in KINDS.values()])\n"
	"        random.shuffle(ring)\n"
	"    if mode == 'varying': serial += n\n"
	"    objects = make(n, serial)\n"
	"for line in sys.stdin:\n"
	"    w = line.split()\n"
	"    if w[0] == 'make': objects = make(int(w[1]), int(w[2])); show(objects)\n"
	"    elif w[0] == 'drop':\n"
	"        for v in objects.values(): del v[1::2]\n"
	"    elif w[0] == 'use':\n" /* what fills fields in and changes counts */
	"        for v in objects.values():\n"
	"            for x in v:\n"
	"                more.append(x)\n"
	"                try: hash(x)\n"
	"                except TypeError: pass\n"
	"                if isinstance(x, str): x.encode(); str.__new__(str, x); sys.intern(x)\n"
	"        gc.collect(); gc.collect()\n"
	"    elif w[0] == 'show': show(objects)\n"
	"    elif w[0] == 'refill': more.append(make(int(w[1]), int(w[2])))\n"
	"    elif w[0] == 'turn':\n"
	"        for _ in range(int(w[3])): turn(w[1], int(w[2]))\n"
	"    print('.', flush=True)\n";

/* ── the target ───────────────────────────────────────────────────────────────────────────── */

struct python {
	const char *name, *root, *path;
};

static const struct python pythons[] = {
	{ "system", NULL, "/usr/bin/python3" },
	{ "pyenv-3.8", NULL, "/root/.pyenv/versions/3.8.18/bin/python3" },
	{ "pyenv-3.9", NULL, "/root/.pyenv/versions/3.9.18/bin/python3" },
	{ "pyenv-3.10", NULL, "/root/.pyenv/versions/3.10.13/bin/python3" },
	{ "pyenv-3.12", NULL, "/root/.pyenv/versions/3.12.1/bin/python3" },
	{ "pyenv-3.13", NULL, "/root/.pyenv/versions/3.13.0/bin/python3" },
	{ "trixie-3.13", "build/pythons/trixie", "/usr/bin/python3" },
	{ "sid-3.14", "build/pythons/sid", "/usr/bin/python3" },
};

struct block {
	const char *kind;
	enum fingerprint_kind want;
	unsigned number; /* of the object in its kind */
	struct liveness_block b;
	struct fingerprint print;
};

struct fixture {
	const struct python *python;
	pid_t pid;
	FILE *to, *from;
	struct discover d;
	struct procmem m;
	struct pyruntime rt;
	struct liveness *l;
	struct block blocks[BLOCKS_MAX];
	size_t n;
	struct liveness_block looked[BLOCKS_MAX];
};

static struct fixture fx;

static void start_child(const struct python *p)
{
	int to[2], from[2];

	assert_ok(pipe2(to, O_CLOEXEC));
	assert_ok(pipe2(from, O_CLOEXEC));
	fx.pid = fork();
	assert_true(fx.pid >= 0);
	if (!fx.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(to[0], 0);
		dup2(from[1], 1);
		if (p->root && (chroot(p->root) < 0 || chdir("/") < 0))
			_exit(126);
		execl(p->path, p->path, "-c", script, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	fx.to = fdopen(to[1], "w");
	fx.from = fdopen(from[0], "r");
}

static void stop(void)
{
	if (!fx.pid)
		return;
	liveness_free(fx.l);
	discover_done(&fx.d);
	kill(fx.pid, SIGKILL);
	waitpid(fx.pid, NULL, 0);
	fclose(fx.to);
	fclose(fx.from);
	memset(&fx, 0, sizeof(fx));
}

static int teardown(void **state)
{
	(void)state;
	stop();
	return 0;
}

/* Block size as its allocator sees it, and the block's start, from an address inside. */
static void add_block(const char *kind, enum fingerprint_kind want, unsigned lane, unsigned number,
		      uint64_t addr)
{
	uint64_t pool = addr & ~(uint64_t)(fx.rt.pool_bytes - 1), head;
	struct block *b = &fx.blocks[fx.n];
	uint32_t szidx;

	assert_true(fx.n < BLOCKS_MAX);
	*b = (struct block){ .kind = kind, .want = want, .number = number };
	b->b.lane = lane;
	b->b.block = addr;
	if (lane == PGD_LANE_CHUNK) {
		assert_ok(procmem_u64(&fx.m, addr - 8, &head));
		b->b.bytes = (uint32_t)((head & ~7ull) - (head & 2 ? 16 : 8));
	} else {
		assert_ok(procmem_u32(&fx.m, pool + 36, &szidx));
		assert_true(szidx < 32);
		b->b.bytes = (szidx + 1) * 16;
		b->b.block -= (addr - pool - 48) % b->b.bytes;
	}
	fx.n++;
}

/* Memory that belongs to an object and is no object. */
static void add_memory(const char *kind, unsigned number, uint64_t object)
{
	static const struct {
		const char *kind, *memory;
		int offset;
		unsigned minor_min, minor_max, lane;
	} rows[] = {
		{ "list", "list_items", 24, 8, 14, PGD_LANE_POOL },
		{ "big_list", "big_list_items", 24, 8, 14, PGD_LANE_CHUNK },
		{ "dict", "dict_keys", 32, 8, 14, PGD_LANE_POOL },
		{ "bytearray", "bytearray_data", 32, 8, 14, PGD_LANE_POOL },
		{ "plain", "plain_values", -32, 11, 11, PGD_LANE_POOL },
		{ "plain", "plain_values", -24, 12, 12, PGD_LANE_POOL },
	};
	unsigned minor = fx.rt.version_hex >> 16 & 0xff;
	uint64_t addr;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(kind, rows[i].kind) != 0 || minor < rows[i].minor_min ||
		    minor > rows[i].minor_max)
			continue;
		assert_ok(procmem_u64(&fx.m, object + (uint64_t)(int64_t)rows[i].offset, &addr));
		add_block(rows[i].memory, FINGERPRINT_MEMORY, rows[i].lane, number, addr);
	}
}

static const char *kind_name(const char *name)
{
	static char names[64][32];

	for (size_t i = 0; i < 64; i++) {
		if (!names[i][0])
			snprintf(names[i], sizeof(names[i]), "%s", name);
		if (!strcmp(names[i], name))
			return names[i];
	}
	fail_msg("too many kinds");
	return NULL;
}

static void tell(const char *command)
{
	char line[256], kind[32];
	unsigned lane, number;
	uint64_t object, block;

	fprintf(fx.to, "%s\n", command);
	fflush(fx.to);
	for (;;) {
		if (!fgets(line, sizeof(line), fx.from))
			fail_msg("%s: the child ended at \"%s\"", fx.python->name, command);
		if (line[0] == '.')
			return;
		if (sscanf(line, "%31s %u %u %lu %lu", kind, &lane, &number, &object, &block) != 5)
			fail_msg("what is \"%s\"?", line);
		add_block(kind_name(kind), FINGERPRINT_OBJECT, lane, number, block);
		add_memory(kind, number, object);
	}
}

static void start(const struct python *p)
{
	const struct procfs fs = { .root = "/proc" };
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	char path[256];
	int r;

	snprintf(path, sizeof(path), "%s%s", p->root ? p->root : "", p->path);
	if (access(path, X_OK) < 0) {
		print_message("  skip   %s is not here\n", path);
		skip();
	}
	fx.python = p;
	start_child(p);
	procmem_init(&fx.m, fx.pid);
	tell("noop"); /* it runs */
	assert_ok(discover_open(&fs, fx.pid, &fx.d, &why));
	r = pyruntime_load(&fx.d, &fx.m, &fx.rt, &why);
	if (r < 0)
		fail_msg("%s: %s", p->name, why.buf);
	assert_true(fx.rt.type_type != 0);
	assert_ok(liveness_new(&fx.rt, &fx.m, &fx.l));
}

/* ── looking ──────────────────────────────────────────────────────────────────────────────── */

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double look(void)
{
	double start_ns;

	for (size_t i = 0; i < fx.n; i++) {
		fx.looked[i] = fx.blocks[i].b;
		fx.looked[i].print = &fx.blocks[i].print;
		fx.looked[i].state = LIVENESS_STATE_MAX;
	}
	start_ns = now_ns();
	assert_ok(liveness_look(fx.l, fx.looked, fx.n));
	start_ns = now_ns() - start_ns;
	/* The order was changed; the fingerprint says whose it is. */
	for (size_t i = 0; i < fx.n; i++) {
		struct block *b = (struct block *)((char *)fx.looked[i].print -
						   offsetof(struct block, print));

		b->b.state = fx.looked[i].state;
	}
	return start_ns;
}

static bool is_verbose(void)
{
	const char *v = getenv("LIVENESS_VERBOSE");

	return v && *v == '1';
}

/* Each kind once, in the order of the list. */
static bool is_first_of_kind(size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (fx.blocks[j].kind == fx.blocks[i].kind)
			return false;
	return true;
}

/* Blocks of odd or even number in this state; a line for each kind that has some, if asked. */
static size_t count(enum liveness_state state, unsigned odd, bool is_shown)
{
	size_t sum = 0;

	for (size_t k = 0; k < fx.n; k++) {
		size_t n = 0;

		if (!is_first_of_kind(k))
			continue;
		for (size_t i = k; i < fx.n; i++)
			n += fx.blocks[i].kind == fx.blocks[k].kind &&
			     fx.blocks[i].number % 2 == odd && fx.blocks[i].b.state == state;
		if (n && is_shown)
			print_message("           %-16s %zu\n", fx.blocks[k].kind, n);
		sum += n;
	}
	return sum;
}

static size_t count_alive(unsigned odd, bool is_shown)
{
	return count(LIVENESS_ALIVE, odd, is_shown);
}

static void assert_kept_are_alive(const char *when)
{
	size_t dead = count(LIVENESS_FREE, 0, true) + count(LIVENESS_REUSED, 0, true);

	if (dead)
		fail_msg("%s, %s: %zu kept blocks are not alive", fx.python->name, when, dead);
}

/* ── tests ────────────────────────────────────────────────────────────────────────────────── */

static void check_lives_and_deaths(const struct python *p)
{
	size_t alive[2], n_odd;
	char command[64];

	start(p);
	snprintf(command, sizeof(command), "make %d 1000", N_OBJECTS);
	tell(command);
	look();
	n_odd = count_alive(1, false);
	assert_int_equal(count_alive(0, false) + n_odd, fx.n);
	for (size_t i = 0; i < fx.n; i++)
		if (fx.blocks[i].print.kind != fx.blocks[i].want)
			fail_msg("%s: %s is of kind %d", p->name, fx.blocks[i].kind,
				 fx.blocks[i].print.kind);
	look();
	assert_int_equal(count_alive(0, false) + count_alive(1, false), fx.n);
	tell("use");
	look();
	assert_kept_are_alive("used");
	stop();

	start(p);
	tell(command);
	look();
	tell("drop");
	look();
	assert_kept_are_alive("half are dropped");
	alive[0] = count_alive(1, true);
	snprintf(command, sizeof(command), "refill %d 5000", N_OBJECTS);
	tell(command);
	look();
	assert_kept_are_alive("others came");
	alive[1] = count_alive(1, true);
	assert_in_range(alive[0], 0, n_odd / 100);
	assert_in_range(alive[1], 0, n_odd / 100);
	print_message(
		"  %-12s kept: all alive; dropped, of %zu: %zu alive; after others came: %zu\n",
		p->name, n_odd, alive[0], alive[1]);
	stop();
}

/* What is dead at one look is dead for good, as in the daemon. How many are left? */
static size_t keep_alive(void)
{
	size_t n = 0;

	for (size_t i = 0; i < fx.n; i++)
		if (fx.blocks[i].b.state == LIVENESS_ALIVE)
			fx.blocks[n++] = fx.blocks[i];
	return fx.n = n;
}

/* The program repeats itself: all is dropped and made again. The worst case: looks only while all
 * is there, after 1, 2, 3, 1, … turns. The same contents at the same place cannot be told apart;
 * others must be, but for the dicts of 3.14, which have no version. */
static void check_period(const struct python *p, const char *mode)
{
	static const unsigned shown[] = { 1, 2, 3, 8, N_TURNS };
	char command[64];
	unsigned at = 0;
	size_t n, n_all;

	start(p);
	snprintf(command, sizeof(command), "turn %s 50 3", mode);
	tell(command);
	tell("show");
	look();
	n_all = fx.n;
	print_message("  %-12s %-8s believed alive, of %zu:", p->name, mode, n_all);
	for (unsigned turn = 1; turn <= N_TURNS; turn++) {
		snprintf(command, sizeof(command), "turn %s 50 %u", mode, 1 + turn % 3);
		tell(command);
		look();
		n = keep_alive();
		if (turn == shown[at]) {
			print_message(" look %u: %zu%s", turn, n, turn == N_TURNS ? "\n" : ",");
			at++;
		}
		if (is_verbose() && (turn == 1 || turn == N_TURNS)) {
			print_message("\n");
			count_alive(0, true);
			count_alive(1, true);
		}
	}
	if (strcmp(mode, "same") != 0)
		assert_in_range(n, 0, n_all / 20);
	stop();
}

static size_t count_pools(void)
{
	uint64_t last = 0;
	size_t n = 0;

	for (size_t i = 0; i < fx.n; i++) { /* sorted by the look */
		uint64_t pool = fx.looked[i].block & ~(uint64_t)(fx.rt.pool_bytes - 1);

		n += fx.looked[i].lane == PGD_LANE_POOL && pool != last;
		last = pool;
	}
	return n;
}

static void check_cost(const struct python *p)
{
	start(p);
	tell("make 700 1000");
	for (unsigned every = 1; every <= 64; every *= 8) {
		double take_ns, best_ns = 1e18;
		size_t n = 0;

		for (size_t i = 0; i < fx.n; i += every == 1 ? 1 : 8) {
			fx.blocks[n] = fx.blocks[i];
			fx.blocks[n++].print.kind = FINGERPRINT_NONE;
		}
		fx.n = n;
		take_ns = look();
		for (int i = 0; i < 20; i++) {
			double ns = look();

			best_ns = ns < best_ns ? ns : best_ns;
		}
		print_message("  %-12s %zu blocks in %zu pools: first look %.0f us, then %.0f us: "
			      "%.0f ns a block, %.0f ns a pool\n",
			      p->name, n, count_pools(), take_ns / 1e3, best_ns / 1e3,
			      best_ns / (double)n, best_ns / (double)count_pools());
	}
	stop();
}

static void liveness__cost(void **state)
{
	check_cost(*state);
}

static void liveness__lives_and_deaths(void **state)
{
	check_lives_and_deaths(*state);
}

static void liveness__program_that_repeats_itself(void **state)
{
	static const char *const modes[] = { "same", "varying", "noisy" };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		check_period(*state, modes[i]);
}

#define TEST(f, p)                                                     \
	(struct CMUnitTest)                                            \
	{                                                              \
		.name = #f, .test_func = f, .teardown_func = teardown, \
		.initial_state = (void *)(p)                           \
	}

int main(void)
{
	struct CMUnitTest tests[3 * ARRAY_SIZE(pythons)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pythons); i++) {
		tests[n++] = TEST(liveness__lives_and_deaths, &pythons[i]);
		tests[n++] = TEST(liveness__program_that_repeats_itself, &pythons[i]);
		tests[n++] = TEST(liveness__cost, &pythons[i]);
	}
	return cmocka_run_group_tests_name("liveness", tests, NULL, NULL);
}
