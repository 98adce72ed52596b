/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Labels in the words of OpenTelemetry's registry of attributes, in the characters that Prometheus accepts.
 * Any word that is not in the registry stays as it is.
 */
#ifndef SYNFIN_OUT_OTEL_H
#define SYNFIN_OUT_OTEL_H

const char *otel__label(const char *label);
/* The value of a label; `label` is our name for the label. */
const char *otel__word(const char *label, const char *word);

#endif
