/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/alert_log.c — see alert_log.h. */
#include <inttypes.h>
#include <math.h>

#include "lib/log.h"
#include "report/alert_log.h"
#include "report/alert_text.h"

struct fields {
	struct strbuf text[LOG_FIELDS_MAX];
	const char *list[LOG_FIELDS_MAX];
	size_t n;
};

static void fields_init(struct fields *f)
{
	*f = (struct fields){ 0 };
	for (size_t i = 0; i < LOG_FIELDS_MAX; i++)
		f->text[i] = (struct strbuf)STRBUF_INIT;
}

static void fields_done(struct fields *f)
{
	for (size_t i = 0; i < LOG_FIELDS_MAX; i++)
		strbuf_done(&f->text[i]);
}

/* One that did not get its memory is left out. */
static void field_end(struct fields *f)
{
	if (strbuf_error(&f->text[f->n]))
		return;
	f->list[f->n] = f->text[f->n].buf;
	f->n++;
}

static void add_id(struct fields *f, const char *name, uint64_t id)
{
	strbuf_printf(&f->text[f->n], "%s=%016" PRIx64, name, id);
	field_end(f);
}

static void add_name(struct fields *f, const char *name, const char *value, bool is_path)
{
	if (!value)
		return;
	strbuf_printf(&f->text[f->n], "%s=", name);
	alert_text_add_name(&f->text[f->n], value, is_path);
	field_end(f);
}

static void add_number(struct fields *f, const char *name, double value)
{
	if (!isfinite(value))
		return;
	strbuf_printf(&f->text[f->n], "%s=%.0f", name, value);
	field_end(f);
}

void alert_log(const struct alert *a, double now_sec)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	_cleanup_(fields_done) struct fields f;

	fields_init(&f);
	add_id(&f, "PYGROWD_ALERT", a->id);
	add_id(&f, "PYGROWD_STACK", a->stack);
	add_name(&f, "PYGROWD_FUNCTION", a->function, false);
	add_name(&f, "PYGROWD_FILE", a->file, true);
	add_number(&f, "PYGROWD_LINE", a->line > 0 ? a->line : NAN);
	add_name(&f, "PYGROWD_UNIT", a->unit, false);
	add_number(&f, "PYGROWD_GROWTH", a->growth_bytes_per_sec);
	alert_text_add(&text, a, now_sec);
	log_fields_full(a->pid, a->is_firing ? LOG_ID_ALERT_FIRES : LOG_ID_ALERT_RESOLVED, f.list,
			f.n, a->is_firing ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, 0, "%s%s",
			a->is_firing ? "alert: " : "alert resolved: ", text.buf);
}
