/* SPDX-License-Identifier: GPL-2.0-only */
/* What a client asks for by its headers Accept and Accept-Encoding. Pure; any byte may be in them. */
#ifndef SYNFIN_HTTP_ACCEPT_H
#define SYNFIN_HTTP_ACCEPT_H

#include <stdbool.h>

enum http_form { HTTP_FORM_CLASSIC, HTTP_FORM_OPENMETRICS, HTTP_FORM_PROTOBUF, __HTTP_FORM_MAX };

/* The form that the client likes best; the classic one when it names none of ours, or nothing (NULL). */
enum http_form accept__form(const char *accept);
const char *accept__content_type(enum http_form form);
/* NULL: no. */
bool accept__has_gzip(const char *accept_encoding);

#endif
