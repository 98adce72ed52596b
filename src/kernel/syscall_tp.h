/* SPDX-License-Identifier: GPL-2.0-only */
/* Attaches to a syscalls: tracepoint, even if no tracefs is mounted. */
#ifndef SYNFIN_KERNEL_SYSCALL_TP_H
#define SYNFIN_KERNEL_SYSCALL_TP_H

struct bpf_link;
struct bpf_program;

/* `prog` is in a section "tp/syscalls/NAME". 0 or -errno. The caller destroys *ret_link. */
int syscall_tp__attach(struct bpf_program *prog, struct bpf_link **ret_link);

#endif
