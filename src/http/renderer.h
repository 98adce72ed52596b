/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Renders pages in its own thread. Reading the kernel's sums and compressing can take seconds, and the server's thread
 * must go on answering. There is one page per form, plain and compressed.
 */
#ifndef SYNFIN_HTTP_RENDERER_H
#define SYNFIN_HTTP_RENDERER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "http/accept.h"

#define PAGE_CNT (2 * __HTTP_FORM_MAX)

static inline int page_index(enum http_form form, bool is_gzip)
{
	return 2 * (int)form + is_gzip;
}

static inline enum http_form page_form(int page)
{
	return (enum http_form)(page / 2);
}

static inline bool page_is_gzip(int page)
{
	return page % 2;
}

/*
 * Appends the metrics; *ret_read_ns is the time (CLOCK_MONOTONIC) at which the sums were read. 0 or -errno. Called in
 * the renderer's thread.
 */
typedef int render_fn(void *ctx, enum http_form form, struct str *ret_text, uint64_t *ret_read_ns);

struct rendered {
	struct str text; /* owned by the caller of renderer__take() */
	int err;	 /* 0, or -errno and there is no text */
	uint64_t read_ns;
};

struct renderer;

/* `wake_fd` is an eventfd, which is written to when a page is done. 0 or -errno. */
int renderer__start(render_fn *render, void *ctx, int wake_fd, struct renderer **ret_renderer);
/* Waits for the rendering in progress. NULL is fine. */
void renderer__stop(struct renderer *r);

/* Asks for a page. The caller asks for it again only after it has taken it. */
void renderer__ask(struct renderer *r, int page);
/* Takes this page if it is done. */
bool renderer__take(struct renderer *r, int page, struct rendered *ret_rendered);

#endif
