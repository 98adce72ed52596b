/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of the sandbox that have a file of their own. */
#ifndef SYNFIN_SANDBOX_PARTS_H
#define SYNFIN_SANDBOX_PARTS_H

#include "sandbox/sandbox.h"

/* Allows only the system calls in a list. 0 or -errno. */
int seccomp__restrict(const struct sandbox *box);

/* Restricts files, TCP and signals. *ret_version: that of the kernel's Landlock; 0: none. 0 or -errno. */
int landlock__restrict(const struct sandbox *box, int *ret_version);

#endif
