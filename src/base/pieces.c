/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/pieces.h"

#define PIECE (64 << 10)

/* After an error the rest goes nowhere. */
static void hand_on(struct pieces *p)
{
	if (!p->err)
		p->err = str__error(&p->text);
	if (!p->err && p->text.len)
		p->err = p->take(p->ctx, p->text.buf, p->text.len);
	p->done += p->text.len;
	str__reset(&p->text);
}

void pieces__pass(struct pieces *p)
{
	if (p->text.len >= PIECE || p->text.failed)
		hand_on(p);
}

int pieces__end(struct pieces *p)
{
	hand_on(p);
	return p->err;
}

void pieces__fini(struct pieces *p)
{
	str__fini(&p->text);
}
