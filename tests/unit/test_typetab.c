/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/typetab.c: types as bytes of an image. */
#include "image.h"
#include "sample/typetab.h"

#define BASE	  0x7f0000000000ull
#define TYPE_TYPE BASE
#define TYPE(i)	  (BASE + 0x1000 + (uint64_t)(i)*192)
#define N_TYPES	  300 /* more than are verified at once */
#define NAMES_AT  24
#define F_HEAP	  (1ull << 9)
#define F_TYPE	  (1ull << 31)

static struct image image;
static struct procmem mem; /* of the image, counted, or of a process that is gone */
static size_t n_reads;
static int read_error;
static struct pyruntime rt;

static int read_image(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes)
{
	(void)m;
	n_reads++;
	return read_error ? read_error : procmem_read(&image.mem, addr, buf, n_bytes);
}

/* name NULL: it cannot be read. */
static void put_type(uint64_t type, uint64_t meta, uint64_t flags, const char *name)
{
	uint64_t text = name ? image_alloc(&image, strlen(name) + 1) : 8;

	if (name)
		image_put(&image, text, name, strlen(name) + 1);
	image_u64(&image, type + 8, meta);
	image_u64(&image, type + NAMES_AT, text);
	image_u64(&image, type + 168, flags);
}

static int setup(void **state)
{
	(void)state;
	image_init(&image, BASE);
	mem = (struct procmem){ .read = read_image };
	n_reads = 0;
	read_error = 0;
	rt = (struct pyruntime){ .type_type = TYPE_TYPE };
	rt.names.type_name = NAMES_AT;
	put_type(TYPE_TYPE, TYPE_TYPE, F_TYPE, "type");
	return 0;
}

static struct typetab *new_table(size_t n_max)
{
	struct typetab *t = NULL;

	assert_ok(typetab_new(&rt, &mem, n_max, &t));
	return t;
}

/* An object, counted once, whose type is at word `at`. */
struct object {
	uint64_t words[8];
	struct fingerprint_view view;
};

static const struct fingerprint_view *object_of(struct object *o, uint64_t type, unsigned at)
{
	*o = (struct object){ .view = { .addr = BASE + 0x20000, .words = o->words, .n_words = 8 } };
	o->words[at - 1] = 1;
	o->words[at] = type;
	return &o->view;
}

static void ask(struct typetab *t, uint64_t type)
{
	struct object o;

	assert_ok(typetab_ask(t, object_of(&o, type, 1)));
}

static bool is_known(const struct typetab *t, uint64_t type)
{
	enum fingerprint_content content;
	struct object o;

	return typetab_find(t, object_of(&o, type, 1), &content) == 1;
}

static void typetab__type_is_what_type_made(void **state)
{
	static const struct {
		const char *name;
		uint64_t type;
		bool want;
	} rows[] = {
		{ "type itself", TYPE_TYPE, true },
		{ "class", TYPE(0), true },
		{ "metaclass", TYPE(1), true },
		{ "class of a metaclass", TYPE(2), true },
		{ "instance", TYPE(3), false },
		{ "type is not mapped", TYPE(4), false },
		{ "type is 0", TYPE(5), false },
		{ "not mapped", BASE + (1 << 30), false },
		{ "hangs over the end", BASE + IMAGE_BYTES - 168, false },
	};
	_cleanup_(typetab_freep) struct typetab *t = new_table(100);

	(void)state;
	put_type(TYPE(0), TYPE_TYPE, 0, "A");
	put_type(TYPE(1), TYPE_TYPE, F_TYPE, "Meta");
	put_type(TYPE(2), TYPE(1), 0, "Made");
	put_type(TYPE(3), TYPE(0), F_TYPE, "what looks like one");
	put_type(TYPE(4), BASE - 4096, F_TYPE, "A");
	image_u64(&image, BASE + IMAGE_BYTES - 160, TYPE_TYPE);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ask(t, rows[i].type);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is_known(t, rows[i].type))
			fail_msg("%s: known before it was verified", rows[i].name);
	assert_ok(typetab_verify(t));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is_known(t, rows[i].type) != rows[i].want)
			fail_msg("%s", rows[i].name);
	ask(t, BASE + (2ull << 30)); /* not mapped: what was read before must not stand for it */
	assert_ok(typetab_verify(t));
	assert_false(is_known(t, BASE + (2ull << 30)));
}

static void typetab__content_is_by_the_name_of_a_static_type(void **state)
{
	static const struct {
		const char *name;
		uint64_t flags;
		enum fingerprint_content want;
	} rows[] = {
		{ "str", 0, FINGERPRINT_STR },
		{ "int", 0, FINGERPRINT_FIXED },
		{ "float", 0, FINGERPRINT_FIXED },
		{ "bytes", 0, FINGERPRINT_FIXED },
		{ "complex", 0, FINGERPRINT_FIXED },
		{ "tuple", 0, FINGERPRINT_FIXED },
		{ "frozenset", 0, FINGERPRINT_FIXED },
		{ "dict", 0, FINGERPRINT_DICT },
		{ "list", 0, FINGERPRINT_MUTABLE },
		{ "str", F_HEAP, FINGERPRINT_MUTABLE }, /* `class str` of a program */
		{ "dict", F_HEAP, FINGERPRINT_MUTABLE },
		{ "string", 0, FINGERPRINT_MUTABLE },
		{ "st", 0, FINGERPRINT_MUTABLE },
		{ "", 0, FINGERPRINT_MUTABLE },
		{ "int that goes on and on and on", 0, FINGERPRINT_MUTABLE },
		{ NULL, 0, FINGERPRINT_MUTABLE },
	};
	_cleanup_(typetab_freep) struct typetab *t = new_table(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum fingerprint_content content = FINGERPRINT_CONTENT_MAX;
		struct object o;

		put_type(TYPE(i), TYPE_TYPE, rows[i].flags, rows[i].name);
		ask(t, TYPE(i));
		assert_ok(typetab_verify(t));
		assert_int_equal(typetab_find(t, object_of(&o, TYPE(i), 1), &content), 1);
		if (content != rows[i].want)
			fail_msg("row %zu: content %d", i, content);
	}
}

/* Behind a GC head, behind a pre-header, and where it cannot be. */
static void typetab__type_is_found_at_its_word(void **state)
{
	_cleanup_(typetab_freep) struct typetab *t = new_table(100);
	enum fingerprint_content content = FINGERPRINT_CONTENT_MAX;
	struct object o;

	(void)state;
	put_type(TYPE(0), TYPE_TYPE, 0, "dict");
	put_type(TYPE(1), TYPE_TYPE, 0, "str");
	assert_ok(typetab_ask(t, object_of(&o, TYPE(0), 3)));
	assert_ok(typetab_ask(t, object_of(&o, TYPE(1), 5)));
	assert_ok(typetab_ask(t, object_of(&o, TYPE_TYPE, 2)));
	assert_ok(typetab_verify(t));
	assert_int_equal(typetab_find(t, object_of(&o, TYPE_TYPE, 1), &content), 0);
	assert_int_equal(content, FINGERPRINT_CONTENT_MAX); /* untouched */
	assert_int_equal(typetab_find(t, object_of(&o, TYPE(0), 2), &content), 0);
	assert_int_equal(typetab_find(t, object_of(&o, TYPE(0), 3), &content), 3);
	assert_int_equal(content, FINGERPRINT_DICT);
	assert_int_equal(typetab_find(t, object_of(&o, TYPE(1), 5), &content), 5);
	assert_int_equal(content, FINGERPRINT_STR);
	o.view.n_words = 5; /* as much as was read: it ends before the type */
	assert_int_equal(typetab_find(t, &o.view, &content), 0);
	o.words[0] = 1; /* an object in front: the first type there is */
	o.words[1] = TYPE(0);
	o.view.n_words = 8;
	assert_int_equal(typetab_find(t, &o.view, &content), 1);
}

static void typetab__without_type_nothing_is_one(void **state)
{
	_cleanup_(typetab_freep) struct typetab *t = new_table(100);

	(void)state;
	rt.type_type = 0;
	put_type(TYPE(0), 0, 0, "A"); /* its type is 0 as well */
	ask(t, TYPE(0));
	assert_ok(typetab_verify(t));
	assert_false(is_known(t, TYPE(0)));
	assert_int_equal(n_reads, 0);
}

static void typetab__each_type_is_read_once(void **state)
{
	_cleanup_(typetab_freep) struct typetab *t = new_table(100);
	size_t n;

	(void)state;
	put_type(TYPE(0), TYPE_TYPE, 0, "A");
	ask(t, TYPE(0));
	assert_ok(typetab_verify(t));
	n = n_reads;
	assert_true(n > 0);
	ask(t, TYPE(0));
	assert_ok(typetab_verify(t));
	assert_int_equal(n_reads, n);
	for (int i = 0; i < 100; i++)
		ask(t, TYPE(1));
	n_reads = 0;
	assert_ok(typetab_verify(t));
	assert_in_range(n_reads, 1, 2); /* it and its type; not a hundred times */
}

static void typetab__more_may_be_asked_than_are_verified_at_once(void **state)
{
	_cleanup_(typetab_freep) struct typetab *t = new_table(N_TYPES);

	(void)state;
	for (size_t i = 0; i < N_TYPES; i++) {
		put_type(TYPE(i), TYPE_TYPE, 0, "A");
		ask(t, TYPE(i));
	}
	assert_ok(typetab_verify(t));
	for (size_t i = 0; i < N_TYPES; i++)
		assert_true(is_known(t, TYPE(i)));
}

static void typetab__full_table_is_emptied(void **state)
{
	_cleanup_(typetab_freep) struct typetab *t = new_table(4);

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		put_type(TYPE(i), TYPE_TYPE, 0, "A");
		ask(t, TYPE(i));
		assert_ok(typetab_verify(t));
		for (size_t k = 0; k < 6; k++)
			assert_int_equal(is_known(t, TYPE(k)), k <= i && k / 4 == i / 4);
	}
	ask(t, TYPE(0)); /* what was forgotten may be asked again */
	assert_ok(typetab_verify(t));
	assert_true(is_known(t, TYPE(0)) && is_known(t, TYPE(5)));
}

static void typetab__process_that_is_gone_teaches_nothing(void **state)
{
	_cleanup_(typetab_freep) struct typetab *t = new_table(N_TYPES);
	struct object o;

	(void)state;
	put_type(TYPE(0), TYPE_TYPE, 0, "A");
	ask(t, TYPE(0));
	read_error = -ESRCH;
	assert_err(typetab_verify(t), -ESRCH);
	assert_false(is_known(t, TYPE(0)));
	for (size_t i = 0; i < 256; i++)
		ask(t, TYPE(i));
	assert_err(typetab_ask(t, object_of(&o, TYPE(256), 1)), -ESRCH);
	read_error = 0;
	assert_ok(typetab_verify(t)); /* of what was asked since, which is nothing */
	assert_false(is_known(t, TYPE(0)));
	ask(t, TYPE(0));
	assert_ok(typetab_verify(t));
	assert_true(is_known(t, TYPE(0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(typetab__type_is_what_type_made, setup),
		cmocka_unit_test_setup(typetab__content_is_by_the_name_of_a_static_type, setup),
		cmocka_unit_test_setup(typetab__type_is_found_at_its_word, setup),
		cmocka_unit_test_setup(typetab__without_type_nothing_is_one, setup),
		cmocka_unit_test_setup(typetab__each_type_is_read_once, setup),
		cmocka_unit_test_setup(typetab__more_may_be_asked_than_are_verified_at_once, setup),
		cmocka_unit_test_setup(typetab__full_table_is_emptied, setup),
		cmocka_unit_test_setup(typetab__process_that_is_gone_teaches_nothing, setup),
	};

	return cmocka_run_group_tests_name("typetab", tests, NULL, NULL);
}
