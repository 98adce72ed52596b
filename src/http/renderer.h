/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Renders pages in its own thread. Reading the kernel's sums and compressing can take seconds, and the server's thread
 * must go on answering. There is one page for each form, and only its gzip form ever lies in memory whole.
 */
#ifndef SYNFIN_HTTP_RENDERER_H
#define SYNFIN_HTTP_RENDERER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pieces.h"
#include "http/accept.h"

/*
 * Writes the metrics; *ret_read_ns is the time (CLOCK_MONOTONIC) at which the sums were read. 0 or -errno. Called in
 * the renderer's thread.
 */
typedef int render_fn(void *ctx, enum http_form form, struct pieces *to, uint64_t *ret_read_ns);

struct rendered {
	struct str gzip; /* owned by the caller of renderer__take() */
	size_t plain_sz; /* its size when it is unpacked */
	int err;	 /* 0, or -errno and there is no page */
	uint64_t read_ns;
};

struct renderer;

/* `wake_fd` is an eventfd, which is written to when a page is done. 0 or -errno. */
int renderer__start(render_fn *render, void *ctx, int wake_fd, struct renderer **ret_renderer);
/* Waits for the rendering in progress. NULL is fine. */
void renderer__stop(struct renderer *r);

/* Asks for a page. The caller asks for it again only after it has taken it. */
void renderer__ask(struct renderer *r, enum http_form form);
/* Takes this page if it is done. */
bool renderer__take(struct renderer *r, enum http_form form, struct rendered *ret_rendered);

#endif
