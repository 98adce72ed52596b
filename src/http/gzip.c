/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib's largest, with a header of gzip */

struct gzip {
	z_stream z;
	struct str text;
};

struct gunzip {
	z_stream z;
};

int gzip__new(struct gzip **ret_gzip)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	if (deflateInit2(&g->z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		free(g);
		return -ENOMEM;
	}
	*ret_gzip = g;
	return 0;
}

/* All that has been given to it, and with Z_FINISH what it has kept back. */
static int squeeze(struct gzip *g, int flush)
{
	unsigned char part[16 << 10];

	do {
		g->z.next_out = part;
		g->z.avail_out = sizeof(part);
		(void)deflate(&g->z, flush); /* fails only where there is nothing to do */
		str__append_bytes(&g->text, part, sizeof(part) - g->z.avail_out);
	} while (!g->z.avail_out);
	return str__error(&g->text);
}

int gzip__take(void *ctx, const char *bytes, size_t sz)
{
	struct gzip *g = ctx;
	int err = 0;

	while (!err && sz) {
		unsigned int part = sz < UINT32_MAX ? (unsigned int)sz : UINT32_MAX;

		g->z.next_in = (unsigned char *)bytes;
		g->z.avail_in = part;
		err = squeeze(g, Z_NO_FLUSH);
		bytes += part;
		sz -= part;
	}
	return err;
}

int gzip__end(struct gzip *g, struct str *ret_text)
{
	int err = ret_text ? squeeze(g, Z_FINISH) : 0;

	deflateEnd(&g->z);
	if (!err && ret_text)
		*ret_text = g->text;
	else
		str__fini(&g->text);
	free(g);
	return err;
}

int gunzip__new(const struct str *text, struct gunzip **ret_gunzip)
{
	struct gunzip *g = text->len <= UINT32_MAX ? calloc(1, sizeof(*g)) : NULL;

	if (!g)
		return -ENOMEM;
	if (inflateInit2(&g->z, GZIP_WINDOW) != Z_OK) {
		free(g);
		return -ENOMEM;
	}
	g->z.next_in = (unsigned char *)text->buf;
	g->z.avail_in = (unsigned int)text->len;
	*ret_gunzip = g;
	return 0;
}

void gunzip__free(struct gunzip *g)
{
	if (!g)
		return;
	inflateEnd(&g->z);
	free(g);
}

ssize_t gunzip__read(struct gunzip *g, char *buf, size_t sz)
{
	unsigned int room = sz < INT32_MAX ? (unsigned int)sz : INT32_MAX;
	int status;

	g->z.next_out = (unsigned char *)buf;
	g->z.avail_out = room;
	status = inflate(&g->z, Z_SYNC_FLUSH);
	if (status != Z_OK && status != Z_STREAM_END)
		return -EINVAL;
	return room - g->z.avail_out;
}
