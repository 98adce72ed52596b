/* SPDX-License-Identifier: GPL-2.0-only */
/* The code that all forms of output share; no file outside src/out/ includes this. */
#ifndef SYNFIN_OUT_IMPL_H
#define SYNFIN_OUT_IMPL_H

#include "base/str.h"
#include "base/write.h"
#include "model/losses.h"
#include "out/out.h"
#include "out/report.h"

/* All append to out->text; record and tick return 0 or -errno. Functions that are not used are NULL. */
struct out_ops {
	int (*record)(struct out *o, const struct record *rec);
	void (*lost)(struct out *o, uint64_t mono_ns, const struct losses *delta);
	int (*tick)(struct out *o, uint64_t mono_ns);
	void (*fini)(struct out *o);
};

/* The first member of each form's structure, which is one allocation. */
struct out {
	const struct out_ops *ops;
	const struct clock *clk;
	struct str text; /* not written yet */
	int fd;
	int err; /* of the write that failed */
	struct write_watch watch;
	size_t unwritten; /* lines of the write that was given up */
};

/*
 * Appends "comm=curl rport=443"; nothing if `by` is empty. A value that contains a blank, a quote, a
 * backslash or a = is put in quotes, with a backslash before each quote and backslash.
 */
void out__append_key(struct str *s, const struct by *by, const char *key);

#define OUT_WORD_SZ 24

/*
 * The name of an errno or of a reset's reason; if it has no name, its number ("errno_95", "reason_31"). NULL:
 * there is no error or reason.
 */
const char *out__error_word(int error, char buf[OUT_WORD_SZ]);
const char *out__reason_word(int rst_reason, char buf[OUT_WORD_SZ]);

#endif
