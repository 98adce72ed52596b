/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own table of connections (inet_hashinfo.ehash) shows which object has the name of one that has
 * gone, or is about to go. All objects that carry a connection have names with the same hash, over both
 * addresses and ports and a secret of the boot. Chains are short. The latest entry is found first; since 6.19
 * an object that takes another's place stands where that one stood.
 */
#ifndef SYNFIN_EHASH_BPF_H
#define SYNFIN_EHASH_BPF_H

#include "core.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"

#define EHASH_DEPTH 32 /* entries of a chain that are looked at */

static __always_inline struct sf_name name_of(const struct sock_common *skc)
{
	return (struct sf_name){.net = as_number(KREAD(skc, skc_net.net)),
				.hash = KREAD(skc, skc_hash),
				.dport = KREAD(skc, skc_dport)};
}

static __always_inline bool is_called(const struct sock_common *skc, const struct sf_name *name)
{
	return KREAD(skc, skc_hash) == name->hash && KREAD(skc, skc_dport) == name->dport &&
	       as_number(KREAD(skc, skc_net.net)) == name->net;
}

static __always_inline bool same_connection(const struct sock_common *a, const struct sock_common *b)
{
	struct sf_name name = name_of(b);

	return is_called(a, &name);
}

/*
 * Since 6.1 a namespace may have a table of its own (commit d1e5e6408b30). Some kernels before it allocate
 * the row apart.
 */
static __always_inline const struct inet_hashinfo *ehash_of(const struct net *net)
{
	const struct net___row_apart *apart = (const void *)net;

	if (bpf_core_field_exists(net->ipv4.tcp_death_row.hashinfo))
		return KREAD(net, ipv4.tcp_death_row.hashinfo);
	return BPF_CORE_READ(apart, ipv4.tcp_death_row, hashinfo);
}

static __always_inline bool is_end(const struct hlist_nulls_node *node)
{
	return as_number(node) & 1;
}

/*
 * The youngest object of a name whose state is among `states` (bits 1 << TCP_*), 0: none. Not static: as
 * tell(), and for that reason in numbers.
 */
__noinline __u64 look_in_ehash(__u64 net, __u32 hash, __u32 dport, __u32 states)
{
	const struct sf_name name = {.net = net, .hash = hash, .dport = dport};
	const struct inet_hashinfo *table = ehash_of((const struct net *)net);
	const struct inet_ehash_bucket *bucket;
	const struct hlist_nulls_node *node;

	bucket = (const void *)KREAD(table, ehash) +
		 (hash & KREAD(table, ehash_mask)) * bpf_core_type_size(struct inet_ehash_bucket);
	node = KREAD(bucket, chain.first);
	for (int i = 0; i < EHASH_DEPTH && node && !is_end(node); i++) {
		const struct sock_common *skc =
			(const void *)node - bpf_core_field_offset(struct sock_common, skc_nulls_node);

		if (states & 1U << (KREAD(skc, skc_state) & 31) && is_called(skc, &name))
			return as_number(skc);
		node = KREAD(node, next);
	}
	return 0;
}

static __always_inline const struct sock_common *find_in_ehash(const struct sf_name *name, __u32 states)
{
	return (const void *)look_in_ehash(name->net, name->hash, name->dport, states);
}

#endif
