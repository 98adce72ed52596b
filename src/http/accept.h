/* SPDX-License-Identifier: GPL-2.0-only */
/* Parses the headers Accept and Accept-Encoding of a client. Pure; the headers may contain any byte. */
#ifndef SYNFIN_HTTP_ACCEPT_H
#define SYNFIN_HTTP_ACCEPT_H

#include <stdbool.h>

enum http_form { HTTP_FORM_CLASSIC, HTTP_FORM_OPENMETRICS, HTTP_FORM_PROTOBUF, __HTTP_FORM_MAX };

/* The form that the client prefers; the classic one if it names none of ours, or nothing (NULL). */
enum http_form accept__form(const char *accept);
const char *accept__content_type(enum http_form form);
/* NULL: false. */
bool accept__has_gzip(const char *accept_encoding);

#endif
