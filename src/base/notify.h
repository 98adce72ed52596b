/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYNFIN_BASE_NOTIFY_H
#define SYNFIN_BASE_NOTIFY_H

/*
 * Tells the service manager that started us ("READY=1", "WATCHDOG=1", ...), by the datagram socket that it
 * named in NOTIFY_SOCKET. Without one nothing happens. There is nobody to tell that it failed.
 */
void notify__send(const char *state);

/* Makes the socket, for a process that soon can make none. */
void notify__open(void);

#endif
