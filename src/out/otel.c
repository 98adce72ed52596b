/* SPDX-License-Identifier: GPL-2.0-only */
#include "out/otel.h"

#include <stddef.h>
#include <string.h>

struct pair {
	const char *ours;
	const char *theirs;
};

static const struct {
	struct pair label;
	struct pair words[3];
} attributes[] = {
	{{"comm", "process_executable_name"}, {{0}}},
	{{"pid", "process_pid"}, {{0}}},
	{{"service", "server_port"}, {{0}}},
	{{"lport", "network_local_port"}, {{0}}},
	{{"rport", "network_peer_port"}, {{0}}},
	{{"raddr", "network_peer_address"}, {{0}}},
	{{"state", "network_connection_state"},
	 {{"fin_wait1", "fin_wait_1"}, {"fin_wait2", "fin_wait_2"}, {"syn_recv", "syn_received"}}},
	{{"direction", "network_io_direction"}, {{"in", "receive"}, {"out", "transmit"}}},
};

#define ATTRIBUTE_CNT (sizeof(attributes) / sizeof(attributes[0]))

const char *otel__label(const char *label)
{
	for (size_t i = 0; i < ATTRIBUTE_CNT; i++) {
		if (!strcmp(attributes[i].label.ours, label))
			return attributes[i].label.theirs;
	}
	return label;
}

const char *otel__word(const char *label, const char *word)
{
	for (size_t i = 0; i < ATTRIBUTE_CNT; i++) {
		if (strcmp(attributes[i].label.ours, label) != 0)
			continue;
		for (int w = 0; w < 3 && attributes[i].words[w].ours; w++) {
			if (!strcmp(attributes[i].words[w].ours, word))
				return attributes[i].words[w].theirs;
		}
	}
	return word;
}
