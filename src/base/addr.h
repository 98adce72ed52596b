/* SPDX-License-Identifier: GPL-2.0-only */
/* IP addresses as bytes in network order, of which IPv4 uses the first 4 of 16; and networks. */
#ifndef SYNFIN_BASE_ADDR_H
#define SYNFIN_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define ADDR_TEXT_SZ INET6_ADDRSTRLEN

/* `af` is AF_INET or AF_INET6. Returns `buf`. */
const char *addr__format(int af, const uint8_t bytes[16], char buf[ADDR_TEXT_SZ]);

/* All zeroes. No end of a connection has this address: it was unknown when it was read. */
bool addr__is_unset(int af, const uint8_t bytes[16]);

/* All addresses that begin with the first `len` bits of `bytes`; the other bits of `bytes` are 0. */
struct network {
	int af; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
	unsigned int len;
};

/*
 * "10.0.0.0/8", "fd00::/8", "::1"; without a length it is one address. Networks within ::ffff:0:0/96 become
 * IPv4. 0; -EINVAL malformed; -ERANGE longer than an address; -EDOM bits beyond the length are set.
 */
int addr__parse_network(const char *text, struct network *ret_network);

/* Whether all of `inner` is in `outer`. */
bool network__covers(const struct network *outer, const struct network *inner);

#endif
