/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The base of every file of the kernel side: the kernel's types, libbpf's helpers, and how memory is read.
 */
#ifndef SYNFIN_CORE_BPF_H
#define SYNFIN_CORE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

/* <linux/compiler.h> has it; libbpf's headers do not. */
#define READ_ONCE(x)	     (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))

/*
 * Reading the kernel's memory. bpf_rdonly_cast() (6.2, commit a35b9af4ec2c) lets the verifier take an address
 * for an object of the kernel's. A field then costs a load, where BPF_CORE_READ() costs a call of
 * bpf_probe_read_kernel() for each arrow. If it is missing, its calls are dead code.
 */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
const volatile bool has_rdonly_cast;

#define KTYPED(p)     ((typeof(p))bpf_rdonly_cast((p), bpf_core_type_id_kernel(typeof(*(p)))))
#define KREAD(p, ...) (has_rdonly_cast ? ___arrow(KTYPED(p), __VA_ARGS__) : BPF_CORE_READ(p, __VA_ARGS__))
#define KREAD_BITS(p, field)                                               \
	({                                                                 \
		typeof(p) typed_ = has_rdonly_cast ? KTYPED(p) : (p);      \
		has_rdonly_cast ? BPF_CORE_READ_BITFIELD(typed_, field)    \
				: BPF_CORE_READ_BITFIELD_PROBED(p, field); \
	})

#endif
