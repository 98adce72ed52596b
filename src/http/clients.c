/* SPDX-License-Identifier: GPL-2.0-only */
/* All clients of a stage have the same time limit, so the first of a queue has the next deadline. */
#include "http/clients.h"

#include <errno.h>
#include <stdlib.h>

int clients__init(struct clients *clients, size_t max_asking, uint64_t asking_ns, size_t max_answered,
		  uint64_t answered_ns)
{
	/* Twice as many, because a dropped client keeps its place until it is closed. */
	size_t cnt = 2 * (max_asking + 2 * max_answered);

	*clients = (struct clients){.pool = calloc(cnt, sizeof(*clients->pool)),
				    .max = {[CLIENT_ASKING] = max_asking,
					    [CLIENT_ANSWERING] = max_answered,
					    [CLIENT_SCRAPING] = max_answered},
				    .allowed_ns = {[CLIENT_ASKING] = asking_ns,
						   [CLIENT_ANSWERING] = answered_ns,
						   [CLIENT_SCRAPING] = answered_ns}};
	if (!clients->pool)
		return -ENOMEM;
	TAILQ_INIT(&clients->unused);
	for (int stage = 0; stage < __CLIENT_STAGE_MAX; stage++)
		TAILQ_INIT(&clients->stage[stage]);
	for (size_t i = 0; i < cnt; i++)
		TAILQ_INSERT_TAIL(&clients->unused, &clients->pool[i], entry);
	return 0;
}

void clients__fini(struct clients *clients)
{
	free(clients->pool);
}

static void enter(struct clients *clients, struct client *client, enum client_stage stage, uint64_t now)
{
	client->stage = stage;
	client->deadline_ns = now + clients->allowed_ns[stage];
	TAILQ_INSERT_TAIL(&clients->stage[stage], client, entry);
	clients->cnt[stage]++;
}

static void leave(struct clients *clients, struct client *client)
{
	TAILQ_REMOVE(&clients->stage[client->stage], client, entry);
	clients->cnt[client->stage]--;
}

struct client *clients__add(struct clients *clients, int fd, uint64_t now)
{
	struct client *client = TAILQ_FIRST(&clients->unused);

	if (!client)
		return NULL;
	TAILQ_REMOVE(&clients->unused, client, entry);
	*client = (struct client){.fd = fd, .waits_for = CLIENT_WAITS_FOR_NONE};
	enter(clients, client, CLIENT_ASKING, now);
	return client;
}

void clients__remove(struct clients *clients, struct client *client)
{
	leave(clients, client);
	TAILQ_INSERT_HEAD(&clients->unused, client, entry);
}

void clients__move(struct clients *clients, struct client *client, enum client_stage stage, uint64_t now)
{
	leave(clients, client);
	enter(clients, client, stage, now);
}

struct client *clients__find_victim(const struct clients *clients, enum client_stage stage)
{
	return clients->cnt[stage] < clients->max[stage] ? NULL : TAILQ_FIRST(&clients->stage[stage]);
}

struct client *clients__find_oldest(const struct clients *clients)
{
	for (int stage = 0; stage < CLIENT_DROPPED; stage++) {
		if (!TAILQ_EMPTY(&clients->stage[stage]))
			return TAILQ_FIRST(&clients->stage[stage]);
	}
	return NULL;
}

struct client *clients__find_expired(const struct clients *clients, uint64_t now)
{
	for (int stage = 0; stage < CLIENT_DROPPED; stage++) {
		struct client *first = TAILQ_FIRST(&clients->stage[stage]);

		if (first && first->deadline_ns <= now)
			return first;
	}
	return NULL;
}

uint64_t clients__next_deadline(const struct clients *clients)
{
	uint64_t next = UINT64_MAX;

	for (int stage = 0; stage < CLIENT_DROPPED; stage++) {
		const struct client *first = TAILQ_FIRST(&clients->stage[stage]);

		if (first && first->deadline_ns < next)
			next = first->deadline_ns;
	}
	return next;
}
