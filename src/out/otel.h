/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Labels in the words of OpenTelemetry's registry of attributes where that has them, in the characters that
 * Prometheus takes; what it does not have keeps its name.
 */
#ifndef SYNFIN_OUT_OTEL_H
#define SYNFIN_OUT_OTEL_H

const char *otel__label(const char *label);
/* The value of a label; `label` is our name of it. */
const char *otel__word(const char *label, const char *word);

#endif
