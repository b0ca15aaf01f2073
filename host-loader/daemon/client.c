// SPDX-License-Identifier: BSD-3-Clause
/* A connection to the control socket: requests in, answers out, neither waits. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned int count;

unsigned int client_count(void)
{
	return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

/* What there is to be told about it now. A hangup is always told. */
static uint32_t wanted(const struct client *client)
{
	return (client->out_used ? EPOLLOUT : 0) | (!client->busy && !client->ending ? EPOLLIN : 0);
}

static void watch_again(struct client *client)
{
	if (client->loop)
		x100_loop_change(client->loop, &client->watch, wanted(client));
}

/* As much as the socket takes; false when the peer is gone. */
static bool flush(struct client *client)
{
	while (client->out_used) {
		ssize_t n = send(client->fd, client->out, client->out_used,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		client->out_used -= (size_t)n;
		memmove(client->out, client->out + n, client->out_used);
	}
	return true;
}

/* Add a line to what goes out; false without memory. */
static bool append(struct client *client, json_object *object)
{
	size_t size, need;
	const char *text = json_object_to_json_string_length(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

	if (!text)
		return false;
	need = client->out_used + size + 1;
	if (need > client->out_room) {
		char *more = realloc(client->out, need);

		if (!more)
			return false;
		client->out = more;
		client->out_room = need;
	}
	memcpy(client->out + client->out_used, text, size);
	client->out[need - 1] = '\n';
	client->out_used = need;
	return true;
}

static void lose(struct client *client)
{
	client_release(client);
	client->gone(client);
}

/* Hand out the next request, or notice that there will be none. */
static void look(void *arg)
{
	struct client *client = arg;
	struct x100_why why = { "" };
	json_object *object;
	int ret = 0;

	if (!client->busy && !client->out_used)
		ret = message_next(&client->in, &object, &why);
	if (ret) {
		client->busy = true;
		watch_again(client);
		if (ret > 0)
			client->request(client, object);
		else
			client_answer(client, message_error(ret, why.text, "see x100d(8)"));
	} else if (client->ending && !client->busy && !client->out_used) {
		lose(client);
	} else {
		watch_again(client);
	}
}

static void receive(struct client *client)
{
	int ret = message_receive(&client->in, client->fd);

	if (ret == -EAGAIN || ret == -EINTR)
		return;
	if (ret == -EMSGSIZE) {
		client_refuse(client, X100_ERR_ARGUMENT, "a request is too long", "see x100d(8)");
		return;
	}
	if (ret <= 0)
		client->ending = true;
	look(client);
}

static void ready(void *arg, uint32_t events)
{
	struct client *client = arg;
	bool readable = events & EPOLLIN && !client->busy && !client->ending;

	/* Both directions are closed; what it asked for before is still read and done. */
	if (events & (EPOLLHUP | EPOLLERR) && !readable) {
		lose(client);
		return;
	}
	if (events & EPOLLOUT) {
		if (!flush(client)) {
			lose(client);
			return;
		}
		if (!readable) {
			look(client);
			return;
		}
	}
	if (readable)
		receive(client);
}

struct client *client_new(int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->fd = fd;
	client->watch = (struct x100_watch){ .fd = fd, .ready = ready, .arg = client };
	client->look = (struct x100_task){ .run = look, .arg = client };
	message_reader_init(&client->in, MESSAGE_REQUEST_MAX);
	__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
	return client;
}

void client_free(struct client *client)
{
	client_release(client);
	message_reader_free(&client->in);
	free(client->out);
	if (client->fd >= 0)
		close(client->fd);
	free(client);
	__atomic_fetch_sub(&count, 1, __ATOMIC_RELAXED);
}

int client_serve(struct client *client, struct x100_loop *loop)
{
	int ret = x100_loop_add(loop, &client->watch, wanted(client));

	if (!ret)
		client->loop = loop;
	return ret;
}

void client_release(struct client *client)
{
	if (client->loop) {
		x100_loop_remove(client->loop, &client->watch);
		x100_task_cancel(client->loop, &client->look);
	}
	client->loop = NULL;
}

void client_event(struct client *client, json_object *event)
{
	/* A peer that is gone is noticed by its loop. */
	if (!client->out_used && append(client, event))
		flush(client);
	json_object_put(event);
	watch_again(client);
}

void client_answer(struct client *client, json_object *answer)
{
	if (!append(client, answer) || !flush(client)) {
		client->ending = true;
		client->out_used = 0;
	}
	json_object_put(answer);
	client->busy = false;
	x100_task_queue(client->loop, &client->look);
}

void client_refuse(struct client *client, int error, const char *why, const char *hint)
{
	client->ending = true;
	client->in.used = 0;
	client_answer(client, message_error(error, why, hint));
}

int client_take(struct client *client, json_object *answer, struct message_reader *rest)
{
	int fd = client->fd;
	bool whole;

	client_release(client);
	whole = append(client, answer) && flush(client) && !client->out_used;
	json_object_put(answer);
	message_reader_init(rest, MESSAGE_REQUEST_MAX);
	if (whole) {
		*rest = client->in;
		message_reader_init(&client->in, MESSAGE_REQUEST_MAX);
		client->fd = -1;
	}
	client_free(client);
	return whole ? fd : -1;
}
