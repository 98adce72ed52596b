/* SPDX-License-Identifier: GPL-2.0-only */
/* IP addresses as bytes in network order, IPv4 in the first 4 of 16. */
#ifndef SYNFIN_BASE_ADDR_H
#define SYNFIN_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define ADDR_TEXT_SZ INET6_ADDRSTRLEN

/* `af` is AF_INET or AF_INET6. Returns `buf`. */
const char *addr__format(int af, const uint8_t bytes[16], char buf[ADDR_TEXT_SZ]);

/* All zeroes: no end of a connection has this address, it was not known when it was read. */
bool addr__is_unset(int af, const uint8_t bytes[16]);

#endif
