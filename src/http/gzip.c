/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib's largest, with a header of gzip */

int gzip__compress(struct str *s)
{
	z_stream z = {0};
	size_t cap;
	char *buf;

	if (s->len > UINT32_MAX / 2 || deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MAX_MEM_LEVEL,
						    Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	cap = deflateBound(&z, s->len);
	buf = malloc(cap);
	if (!buf) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	z.next_in = (unsigned char *)s->buf;
	z.avail_in = (unsigned int)s->len;
	z.next_out = (unsigned char *)buf;
	z.avail_out = (unsigned int)cap;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
		deflateEnd(&z);
		free(buf);
		return -ENOMEM;
	}
	deflateEnd(&z);
	free(s->buf);
	*s = (struct str){.buf = buf, .len = cap - z.avail_out, .cap = cap};
	return 0;
}
