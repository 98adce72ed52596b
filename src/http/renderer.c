/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/renderer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "http/gzip.h"

struct renderer {
	render_fn *render;
	void *ctx;
	int wake_fd;
	pthread_t thread;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	bool stop;
	bool is_asked[__HTTP_FORM_MAX];
	bool is_done[__HTTP_FORM_MAX];
	struct rendered done[__HTTP_FORM_MAX];
};

static struct rendered render_page(const struct renderer *r, enum http_form form)
{
	struct pieces to = {.take = gzip__take};
	struct rendered rendered = {0};
	struct gzip *gzip = NULL;
	int err;

	rendered.err = gzip__new(&gzip);
	if (rendered.err)
		return rendered;
	to.ctx = gzip;
	rendered.err = r->render(r->ctx, form, &to, &rendered.read_ns);
	err = pieces__end(&to);
	rendered.err = rendered.err ? rendered.err : err;
	rendered.plain_sz = to.done;
	err = gzip__end(gzip, rendered.err ? NULL : &rendered.gzip);
	rendered.err = rendered.err ? rendered.err : err;
	pieces__fini(&to);
	return rendered;
}

/* Waits for a request. The pages take turns, beginning after `last`. -1 at the end. */
static int next_page(struct renderer *r, int last)
{
	while (!r->stop) {
		for (int i = 1; i <= __HTTP_FORM_MAX; i++) {
			int page = (last + i) % __HTTP_FORM_MAX;

			if (r->is_asked[page])
				return page;
		}
		pthread_cond_wait(&r->changed, &r->lock);
	}
	return -1;
}

static void *work(void *arg)
{
	struct renderer *r = arg;
	struct rendered rendered;

	pthread_mutex_lock(&r->lock);
	for (int page = 0; (page = next_page(r, page)) >= 0;) {
		r->is_asked[page] = false;
		pthread_mutex_unlock(&r->lock);
		rendered = render_page(r, (enum http_form)page);
		pthread_mutex_lock(&r->lock);
		r->done[page] = rendered;
		r->is_done[page] = true;
		(void)eventfd_write(r->wake_fd, 1);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int renderer__start(render_fn *render, void *ctx, int wake_fd, struct renderer **ret_renderer)
{
	struct renderer *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	*r = (struct renderer){.render = render, .ctx = ctx, .wake_fd = wake_fd};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	err = pthread_create(&r->thread, NULL, work, r);
	if (err) {
		free(r);
		return -err;
	}
	*ret_renderer = r;
	return 0;
}

void renderer__stop(struct renderer *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	for (int page = 0; page < __HTTP_FORM_MAX; page++)
		str__fini(&r->done[page].gzip);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void renderer__ask(struct renderer *r, enum http_form form)
{
	pthread_mutex_lock(&r->lock);
	r->is_asked[form] = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

bool renderer__take(struct renderer *r, enum http_form form, struct rendered *ret_rendered)
{
	bool is_done;

	pthread_mutex_lock(&r->lock);
	is_done = r->is_done[form];
	if (is_done) {
		*ret_rendered = r->done[form];
		r->done[form] = (struct rendered){0};
		r->is_done[form] = false;
	}
	pthread_mutex_unlock(&r->lock);
	return is_done;
}
