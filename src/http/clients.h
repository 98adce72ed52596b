/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clients of the HTTP server. Each client is in one stage, and each stage has its own number of places and its own
 * time limit. Idle clients therefore cannot displace clients that are being answered, and slow readers of the metrics
 * cannot displace health checks. Plain data, used by one thread.
 */
#ifndef SYNFIN_HTTP_CLIENTS_H
#define SYNFIN_HTTP_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct MHD_Connection;

enum client_stage {
	CLIENT_ASKING,	  /* its next request is not complete */
	CLIENT_ANSWERING, /* it is being sent a short answer */
	CLIENT_SCRAPING,  /* it is being sent the metrics, or waits for them */
	CLIENT_DROPPED,	  /* shut down; the library has not closed it yet */
	__CLIENT_STAGE_MAX
};

#define CLIENT_WAITS_FOR_NONE (-1)

struct client {
	TAILQ_ENTRY(client) entry;
	enum client_stage stage;
	uint64_t deadline_ns;
	struct MHD_Connection *connection;
	int fd;
	bool is_local;	   /* connected by a Unix socket */
	bool holds_page;   /* it is being sent a page of metrics */
	int waits_for;	   /* the page that is being rendered for it, or CLIENT_WAITS_FOR_NONE */
	uint64_t asked_ns; /* CLOCK_MONOTONIC: when its last request was complete */
};

TAILQ_HEAD(client_queue, client);

struct clients {
	struct client *pool;
	struct client_queue unused;
	struct client_queue stage[__CLIENT_STAGE_MAX]; /* the oldest first */
	size_t cnt[__CLIENT_STAGE_MAX];
	size_t max[__CLIENT_STAGE_MAX];
	uint64_t allowed_ns[__CLIENT_STAGE_MAX];
};

/* `max_answered` applies to CLIENT_ANSWERING and CLIENT_SCRAPING separately. 0 or -ENOMEM. */
int clients__init(struct clients *clients, size_t max_asking, uint64_t asking_ns, size_t max_answered,
		  uint64_t answered_ns);
void clients__fini(struct clients *clients);

/* Adds a client that is asking; NULL: there is no place. */
struct client *clients__add(struct clients *clients, int fd, uint64_t now);
void clients__remove(struct clients *clients, struct client *client);

/* The client becomes the youngest of that stage, with a new deadline. */
void clients__move(struct clients *clients, struct client *client, enum client_stage stage, uint64_t now);

/* The oldest client of this stage if the stage is full, else NULL. */
struct client *clients__find_victim(const struct clients *clients, enum client_stage stage);
/* The oldest client of the first stage that has any, or NULL. */
struct client *clients__find_oldest(const struct clients *clients);
/* A client whose deadline has passed, or NULL. */
struct client *clients__find_expired(const struct clients *clients, uint64_t now);
/* The earliest deadline; UINT64_MAX: there is none. */
uint64_t clients__next_deadline(const struct clients *clients);

#endif
