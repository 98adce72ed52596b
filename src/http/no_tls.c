/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of the static build alone: what stands for each function of GnuTLS that libmicrohttpd.a names (see Makefile).
 * Without TLS it calls one of them, gnutls_global_init(), and 0 tells it that all is well.
 */
int no_tls(void);

int no_tls(void)
{
	return 0;
}
