// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzzed: what a client of x100d sends: a connection, its lines, the requests of a card. The card is one
 * that cannot be opened, so that what is checked is the reading and the answering.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "served.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every answer has to be an object on a line of its own, printable, and has to say whether it worked. */
static void check(int fd)
{
	struct message_reader in;
	struct x100_why why;
	json_object *object, *ok;
	int ret;

	message_reader_init(&in, MESSAGE_ANSWER_MAX);
	while (message_receive(&in, fd) > 0)
		;
	while ((ret = message_next(&in, &object, &why)) > 0) {
		if (!json_object_object_get_ex(object, "ok", &ok))
			abort();
		json_object_put(object);
	}
	if (ret < 0 || in.used)
		abort();
	message_reader_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config_card card = { .name = "mic0" };
	struct served served = { .config = &card, .open_error = X100_ERR_NOBODY };
	struct client *client;
	int pair[2];

	served.loop = x100_loop_new();
	if (!served.loop || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
		return 0;
	client = client_new(pair[1]);
	client->request = served_request;
	client->gone = served_client_gone;
	client->arg = &served;
	served.clients = client;
	client_serve(client, served.loop);
	if (size)
		send(pair[0], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(pair[0], SHUT_WR);
	/* A turn for each line, and those in which it is received and ended. */
	for (size_t i = 0; i < size / 2 + 16 && served.clients; i++)
		x100_loop_turn(served.loop, 0);
	if (served.clients)
		abort();
	check(pair[0]);
	close(pair[0]);
	x100_loop_free(served.loop);
	return 0;
}
