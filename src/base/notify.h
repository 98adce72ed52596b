/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYNFIN_BASE_NOTIFY_H
#define SYNFIN_BASE_NOTIFY_H

/*
 * Sends a state ("READY=1", "WATCHDOG=1", ...) to the service manager that started us, by the datagram socket
 * that it named in NOTIFY_SOCKET. Without that variable nothing happens. Failures are not reported.
 */
void notify__send(const char *state);

/* Creates the socket in advance, for a process that soon cannot create one. */
void notify__open(void);

#endif
