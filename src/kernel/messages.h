/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages of libbpf. They are shown only at the debug level, and are searched for the program that the
 * kernel refused. When a load fails, libbpf closes all programs, and a log buffer for each
 * (bpf_program__set_log_buf()) would name only those that the verifier itself refused.
 */
#ifndef SYNFIN_KERNEL_MESSAGES_H
#define SYNFIN_KERNEL_MESSAGES_H

/* Handles libbpf's messages from this call on. */
void messages__take(void);
void messages__forget(void);
/* The last program refused since messages__forget(); NULL: none. Valid until the next of these calls. */
const char *messages__refused(void);

#endif
