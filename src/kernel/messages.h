/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What libbpf says: shown with the debug level alone, and searched for the program that the kernel refused. When a load fails libbpf
 * closes all programs, and a log buffer of each (bpf_program__set_log_buf()) would name only those that the verifier itself refused.
 */
#ifndef SYNFIN_KERNEL_MESSAGES_H
#define SYNFIN_KERNEL_MESSAGES_H

/* From here on. */
void messages__take(void);
void messages__forget(void);
/* The program that was refused last since messages__forget(); NULL: none. Until the next of these calls. */
const char *messages__refused(void);

#endif
