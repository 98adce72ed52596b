/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses to text and networks from it. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* As inet_ntop(), which calls printf(): that stood out in the profile of `trace --json`, with two addresses a record. */
static void format_v4(const uint8_t bytes[4], char *to)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*to++ = '.';
		if (bytes[i] >= 100)
			*to++ = (char)('0' + bytes[i] / 100);
		if (bytes[i] >= 10)
			*to++ = (char)('0' + bytes[i] / 10 % 10);
		*to++ = (char)('0' + bytes[i] % 10);
	}
	*to = '\0';
}

const char *addr__format(int af, const uint8_t bytes[16], char buf[ADDR_TEXT_SZ])
{
	if (af == AF_INET)
		format_v4(bytes, buf);
	else if (!inet_ntop(af, bytes, buf, ADDR_TEXT_SZ))
		buf[0] = '\0';
	return buf;
}

bool addr__is_unset(int af, const uint8_t bytes[16])
{
	static const uint8_t zero[16];

	return !memcmp(bytes, zero, af == AF_INET ? 4 : 16);
}

/* The first `len` bits are equal. */
static bool share_prefix(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	unsigned int whole = len / 8, rest = len % 8;

	return !memcmp(a, b, whole) && (!rest || !((a[whole] ^ b[whole]) >> (8 - rest)));
}

/* A length as it is always written: digits, no more than three. */
static int parse_length(const char *text, unsigned int *ret_len)
{
	static const char digit[] = "0123456789";
	size_t digits = strspn(text, digit);

	if (!digits || text[digits])
		return -EINVAL;
	if (digits > 3)
		return -ERANGE;
	for (*ret_len = 0; *text; text++)
		*ret_len = *ret_len * 10 + (unsigned int)(*text - '0');
	return 0;
}

static void unmap_v4(struct network *n)
{
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

	if (n->af != AF_INET6 || n->len < 96 || !share_prefix(n->bytes, mapped, 96))
		return;
	memmove(n->bytes, n->bytes + 12, 4);
	memset(n->bytes + 4, 0, 12);
	n->af = AF_INET;
	n->len -= 96;
}

int addr__parse_network(const char *text, struct network *ret_network)
{
	const char *slash = strchr(text, '/');
	size_t sz = slash ? (size_t)(slash - text) : strlen(text);
	struct network n = {0}, masked = {0};
	char addr[ADDR_TEXT_SZ];
	unsigned int bits;
	int err = 0;

	if (sz >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, sz);
	addr[sz] = '\0';
	n.af = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(n.af, addr, n.bytes) != 1)
		return -EINVAL;
	bits = n.af == AF_INET ? 32 : 128;
	n.len = bits;
	if (slash)
		err = parse_length(slash + 1, &n.len);
	if (!err && n.len > bits)
		err = -ERANGE;
	if (err)
		return err;
	memcpy(masked.bytes, n.bytes, n.len / 8);
	if (n.len % 8)
		masked.bytes[n.len / 8] = n.bytes[n.len / 8] & (uint8_t)(0xff00 >> n.len % 8);
	if (memcmp(masked.bytes, n.bytes, sizeof(n.bytes)) != 0)
		return -EDOM;
	unmap_v4(&n);
	*ret_network = n;
	return 0;
}

bool network__covers(const struct network *outer, const struct network *inner)
{
	return outer->af == inner->af && outer->len <= inner->len &&
	       share_prefix(outer->bytes, inner->bytes, outer->len);
}
