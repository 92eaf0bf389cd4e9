/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_post.c — see sink_post.h.
 *
 *   curl ─► on_wish: wait for this socket ─► on_io ───┐
 *   curl ─► on_wait: call me at that time ─► on_time ─┴► curl_multi_socket_action ─► finish
 *
 * A connection is made anew for each alert: they are rare, and a server's end of an idle one is
 * likely to be gone.
 */
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "report/sink_post.h"

#define PRIORITY	  (SD_EVENT_PRIORITY_NORMAL + 10) /* windows and pygrowctl come first */
#define TIMER_ACCURACY_US 1000
#define HOW_BYTES	  64
#define STATUS_TIMEOUT	  408
#define STATUS_TOO_MANY	  429

struct sink_post {
	sd_event *event;
	sd_event_source *time;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *url, *place;
	sink_post_done done;
	void *userdata;
	size_t answer_bytes;
	bool is_busy, is_global;
};

static inline void curl_text_freep(char **text)
{
	curl_free(*text);
}

DEFINE_CLEANUP(CURLU *, curl_url_cleanup)

/* ── the URL ──────────────────────────────────────────────────────────────────────────────── */

static int url_part(CURLU *u, CURLUPart part, char **ret)
{
	CURLUcode code = curl_url_get(u, part, ret, 0);

	if (code == CURLUE_OUT_OF_MEMORY)
		return -ENOMEM;
	return code == CURLUE_OK ? 0 : -ENOENT;
}

static int url_add_end(CURLU *u, const char *end)
{
	_cleanup_(curl_text_freep) char *path = NULL;
	_cleanup_(strbuf_done) struct strbuf longer = STRBUF_INIT;
	size_t len, end_len = strlen(end);
	int r = url_part(u, CURLUPART_PATH, &path);

	if (r < 0)
		return r;
	len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	if (len >= end_len && !strncmp(path + len - end_len, end, end_len))
		return 0;
	strbuf_add(&longer, path, len);
	strbuf_puts(&longer, end);
	if (strbuf_error(&longer))
		return -ENOMEM;
	return curl_url_set(u, CURLUPART_PATH, longer.buf, 0) ? -EINVAL : 0;
}

static int url_place(CURLU *u, char **ret)
{
	_cleanup_(curl_text_freep) char *scheme = NULL, *host = NULL, *port = NULL;
	int r = url_part(u, CURLUPART_SCHEME, &scheme);

	if (r == 0)
		r = url_part(u, CURLUPART_HOST, &host);
	if (r < 0)
		return r;
	if (url_part(u, CURLUPART_PORT, &port) < 0)
		port = NULL;
	if (asprintf(ret, "%s://%s%s%s", scheme, host, port ? ":" : "", port ? port : "") < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int url_parse(CURLU *u, const char *url, struct strbuf *why)
{
	_cleanup_(curl_text_freep) char *scheme = NULL;
	CURLUcode code;

	if (strlen(url) > SINK_POST_URL_BYTES_MAX)
		return strbuf_fail(why, -EINVAL, "the URL is longer than %d bytes",
				   SINK_POST_URL_BYTES_MAX);
	code = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
	if (code != CURLUE_OK)
		return strbuf_fail(why, -EINVAL,
				   "not a URL (%s); an example is https://host.example/path",
				   curl_url_strerror(code));
	if (url_part(u, CURLUPART_SCHEME, &scheme) < 0 ||
	    (strcmp(scheme, "http") && strcmp(scheme, "https")))
		return strbuf_fail(why, -EINVAL,
				   "the URL begins with neither http:// nor https://");
	return 0;
}

/* The caller frees both with free(). */
static int url_take(const char *url, const char *path_end, char **ret_url, char **ret_place,
		    struct strbuf *why)
{
	_cleanup_(curl_url_cleanupp) CURLU *u = curl_url();
	_cleanup_(curl_text_freep) char *whole = NULL;
	_cleanup_free_ char *copy = NULL, *place = NULL;
	int r;

	if (!u)
		return strbuf_fail(why, -ENOMEM, "out of memory");
	r = url_parse(u, url, why);
	if (r < 0)
		return r;
	if (path_end)
		r = url_add_end(u, path_end);
	if (r == 0)
		r = url_place(u, &place);
	if (r == 0)
		r = url_part(u, CURLUPART_URL, &whole);
	copy = whole ? strdup(whole) : NULL;
	if (r < 0 || !copy)
		return strbuf_fail(why, r < 0 ? r : -ENOMEM, "the URL has no host, or no memory");
	*ret_url = TAKE_PTR(copy);
	*ret_place = TAKE_PTR(place);
	return 0;
}

int sink_post_check(const char *url, const char *path_end, struct strbuf *why)
{
	_cleanup_free_ char *whole = NULL, *place = NULL;

	return url_take(url, path_end, &whole, &place, why);
}

/* ── the end of one ───────────────────────────────────────────────────────────────────────── */

static size_t on_answer(char *data, size_t size, size_t n, void *userdata)
{
	struct sink_post *p = userdata;

	(void)data;
	p->answer_bytes += size * n;
	/* Less than was given ends the transfer; what the status was is known by then. */
	return p->answer_bytes > SINK_POST_ANSWER_BYTES_MAX ? 0 : size * n;
}

static enum sink_post_end judge(const struct sink_post *p, CURLcode code, char how[HOW_BYTES])
{
	bool is_cut = p->answer_bytes > SINK_POST_ANSWER_BYTES_MAX;
	long status = 0;

	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && is_cut)) {
		snprintf(how, HOW_BYTES, "%s", curl_easy_strerror(code));
		return code == CURLE_OPERATION_TIMEDOUT ? SINK_POST_LATE : SINK_POST_LATER;
	}
	curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	snprintf(how, HOW_BYTES, "HTTP status %ld", status);
	if (status >= 200 && status < 300)
		return SINK_POST_TAKEN;
	if (status < 300 || status >= 500 || status == STATUS_TIMEOUT || status == STATUS_TOO_MANY)
		return SINK_POST_LATER;
	return SINK_POST_REFUSED;
}

/* After each action of curl's: is it done? */
static void finish(struct sink_post *p)
{
	char how[HOW_BYTES];
	enum sink_post_end end;
	const CURLMsg *message;
	CURLcode code;
	int n_left;

	message = p->is_busy ? curl_multi_info_read(p->multi, &n_left) : NULL;
	if (!message || message->msg != CURLMSG_DONE)
		return;
	code = message->data.result; /* the message goes with the handle */
	end = judge(p, code, how);
	curl_multi_remove_handle(p->multi, p->easy);
	p->is_busy = false;
	p->done(p->userdata, end, how);
}

/* ── curl on our loop ─────────────────────────────────────────────────────────────────────── */

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct sink_post *p = userdata;
	int running, what = 0;

	(void)source;
	what |= revents & EPOLLIN ? CURL_CSELECT_IN : 0;
	what |= revents & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	what |= revents & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
	curl_multi_socket_action(p->multi, fd, what, &running);
	finish(p);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct sink_post *p = userdata;
	int running;

	(void)source;
	(void)usec;
	curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish(p);
	return 0;
}

/* Called by curl. -1 lets the transfer fail. */
static int on_wish(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	struct sink_post *p = userdata;
	sd_event_source *source = known;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		curl_multi_assign(p->multi, fd, NULL);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(p->event, &source, fd, events, on_io, p) < 0)
		return -1;
	if (sd_event_source_set_priority(source, PRIORITY) < 0 ||
	    curl_multi_assign(p->multi, fd, source) != CURLM_OK) {
		sd_event_source_disable_unref(source);
		return -1;
	}
	return 0;
}

/* Called by curl, which must not be called back from here. */
static int on_wait(CURLM *multi, long wait_ms, void *userdata)
{
	struct sink_post *p = userdata;

	(void)multi;
	if (wait_ms < 0)
		return sd_event_source_set_enabled(p->time, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(p->time, (uint64_t)wait_ms * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(p->time, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* ── open, start, close ───────────────────────────────────────────────────────────────────── */

static bool set_up_multi(struct sink_post *p)
{
	CURLM *m = p->multi;

	return !curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_wish) &&
	       !curl_multi_setopt(m, CURLMOPT_SOCKETDATA, p) &&
	       !curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_wait) &&
	       !curl_multi_setopt(m, CURLMOPT_TIMERDATA, p);
}

static bool set_up_easy(struct sink_post *p, uint64_t limit_ms)
{
	CURL *e = p->easy;

	return !curl_easy_setopt(e, CURLOPT_URL, p->url) &&
	       !curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) &&
	       !curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       !curl_easy_setopt(e, CURLOPT_HTTPHEADER, p->headers) &&
	       !curl_easy_setopt(e, CURLOPT_USERAGENT, "pygrowd/" PYGROWD_VERSION) &&
	       !curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)limit_ms) &&
	       !curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L) &&
	       !curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L) &&
	       /* No signals, and no waiting for a look-up that nobody needs any more. */
	       !curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) &&
	       !curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_answer) &&
	       !curl_easy_setopt(e, CURLOPT_WRITEDATA, p) &&
	       !curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_answer) &&
	       !curl_easy_setopt(e, CURLOPT_HEADERDATA, p);
}

/* "Expect:" takes out the question whether the body is welcome, which costs a second with servers
 * that do not answer it. */
static bool set_up_headers(struct sink_post *p)
{
	static const char *const lines[] = { "Content-Type: application/json", "Expect:" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct curl_slist *longer = curl_slist_append(p->headers, lines[i]);

		if (!longer)
			return false;
		p->headers = longer;
	}
	return true;
}

static bool set_up(struct sink_post *p, uint64_t limit_ms)
{
	p->is_global = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	p->multi = p->is_global ? curl_multi_init() : NULL;
	p->easy = p->is_global ? curl_easy_init() : NULL;
	return p->multi && p->easy && set_up_headers(p) &&
	       sd_event_add_time_relative(p->event, &p->time, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US,
					  on_time, p) >= 0 &&
	       sd_event_source_set_enabled(p->time, SD_EVENT_OFF) >= 0 &&
	       sd_event_source_set_priority(p->time, PRIORITY) >= 0 && set_up_multi(p) &&
	       set_up_easy(p, limit_ms);
}

int sink_post_open(sd_event *event, const char *url, const char *path_end, uint64_t limit_ms,
		   sink_post_done done, void *userdata, struct sink_post **ret, struct strbuf *why)
{
	_cleanup_(sink_post_closep) struct sink_post *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return strbuf_fail(why, -ENOMEM, "out of memory");
	p->event = sd_event_ref(event);
	p->done = done;
	p->userdata = userdata;
	r = url_take(url, path_end, &p->url, &p->place, why);
	if (r < 0)
		return r;
	if (!set_up(p, limit_ms))
		return strbuf_fail(why, -ENOMEM, "libcurl cannot be set up: out of memory");
	*ret = TAKE_PTR(p);
	return 0;
}

void sink_post_close(struct sink_post *p)
{
	if (!p)
		return;
	if (p->is_busy)
		curl_multi_remove_handle(p->multi, p->easy);
	curl_easy_cleanup(p->easy);
	curl_multi_cleanup(p->multi);
	curl_slist_free_all(p->headers);
	if (p->is_global)
		curl_global_cleanup();
	sd_event_source_disable_unref(p->time);
	sd_event_unref(p->event);
	free(p->url);
	free(p->place);
	free(p);
}

int sink_post_start(struct sink_post *p, const char *body, size_t body_bytes)
{
	if (p->is_busy)
		return -EBUSY;
	p->answer_bytes = 0;
	if (curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_bytes) ||
	    curl_easy_setopt(p->easy, CURLOPT_COPYPOSTFIELDS, body) ||
	    curl_multi_add_handle(p->multi, p->easy) != CURLM_OK)
		return -ENOMEM;
	p->is_busy = true;
	return 0;
}

bool sink_post_is_busy(const struct sink_post *p)
{
	return p->is_busy;
}

const char *sink_post_place(const struct sink_post *p)
{
	return p->place;
}
