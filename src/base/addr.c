/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses to text. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <string.h>

const char *addr__format(int af, const uint8_t bytes[16], char buf[ADDR_TEXT_SZ])
{
	if (!inet_ntop(af, bytes, buf, ADDR_TEXT_SZ))
		buf[0] = '\0';
	return buf;
}

bool addr__is_unset(int af, const uint8_t bytes[16])
{
	static const uint8_t zero[16];

	return !memcmp(bytes, zero, af == AF_INET ? 4 : 16);
}
