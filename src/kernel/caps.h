/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Questions to the running kernel, answered by trying, never by its version. Each probe is silent and leaves
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

/* A function of the kernel's, not of its modules. */
bool caps__has_function(const struct caps *caps, const char *name);

/*
 * Whether a program can be tried, by its section: its tracepoint exists with at least `min_args` arguments,
 * its function exists and this kind of hook works here. True is no promise.
 */
bool caps__may_attach(const struct caps *caps, const char *section, unsigned int min_args);

#endif
