/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection to the control socket. It belongs to one thread at a time: to the main one until its
 * first request names a card, then to that card's. Nothing here waits: what a client does not read is
 * kept up to a bound, and a client beyond it is dropped.
 */
#ifndef X100D_CLIENT_H
#define X100D_CLIENT_H

#include "loop.h"
#include "message.h"

#define CLIENTS_MAX 256u

struct client {
	int fd;
	struct x100_loop *loop; /* that serves it; NULL while it is handed over */
	struct x100_watch watch;
	struct x100_task look;
	struct message_reader in;
	char *out; /* not sent yet */
	size_t out_used, out_room;
	bool busy;   /* a request of it is being worked on: no further one is read */
	bool ending; /* the peer sends no more, or is not to be listened to */
	/*
	 * A request, which the function puts; answered with client_answer(), now or later, or the
	 * client is handed on.
	 */
	void (*request)(struct client *client, json_object *request);
	/* It is gone and must not be used any more. */
	void (*gone)(struct client *client);
	void *arg;
	struct client *next; /* the owner's */
};

/* Takes over @fd, which does not block. NULL without memory; @fd is still the caller's then. */
struct client *client_new(int fd);
/* Leaves its loop, closes, frees. ->gone is not called. */
void client_free(struct client *client);

/* Clients there are; for the limit. */
unsigned int client_count(void);

/* Serve it in @loop from now on. Returns 0 or -errno. */
int client_serve(struct client *client, struct x100_loop *loop);
/* Stop serving it, to hand it to another thread. */
void client_release(struct client *client);

/* Send something in between; left out while the client has not read what came before. Puts @event. */
void client_event(struct client *client, json_object *event);
/* Send the answer, after which the next request is read. Puts @answer. */
void client_answer(struct client *client, json_object *answer);

/* Answer an error and end the connection once that is out; ->gone() is called then. */
void client_refuse(struct client *client, int error, const char *why, const char *hint);

/*
 * Give the bare connection away after a last answer, for a stream. The client is freed. Returns the
 * descriptor, or -1 when the peer does not take the answer; bytes that came behind the request are
 * moved to @rest, which the caller frees.
 */
int client_take(struct client *client, json_object *answer, struct message_reader *rest);

#endif
