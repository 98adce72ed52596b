/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the running kernel supports, found by trying, never from its version. Each probe is silent and leaves
 * nothing behind.
 */
#ifndef SYNFIN_KERNEL_CAPS_H
#define SYNFIN_KERNEL_CAPS_H

#include <stdbool.h>

struct btf;

struct caps {
	struct btf *btf; /* of vmlinux; owned */
	int fentry_err;	 /* 0: function entries can be hooked; else why not, -errno */
	int kprobe_err;	 /* 0: kprobes can be set; else why not, -errno */
};

/* 0; -EPERM not permitted to load BPF; -ENOENT the kernel has no BTF; other -errno. */
int caps__probe(struct caps *ret_caps);
void caps__fini(struct caps *caps);

/* Whether the kernel has this function; functions of its modules do not count. */
bool caps__has_function(const struct caps *caps, const char *name);

/*
 * Whether a program can be tried, judged by its section: its tracepoint exists with at least `min_args`
 * arguments, or its function exists and this kind of hook works here. True is no guarantee.
 */
bool caps__may_attach(const struct caps *caps, const char *section, unsigned int min_args);

#endif
