// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzzed: what a client of x100d sends: a connection, its lines, the requests of a card. Faked: the card,
 * whose registers and memory read as the first bytes of the input; adding devices, which would open files.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "served.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ------------------------------------------------------------------ a card */

static uint8_t noise[64];

static int card_open(const char *where, struct x100_why *why, void **dev)
{
	(void)where;
	(void)why;
	*dev = noise;
	return X100_OK;
}

static void card_close(void *dev)
{
	(void)dev;
}

static int card_region(void *dev, unsigned int region, struct x100_region *info)
{
	(void)dev;
	*info = (struct x100_region){ .size = region == X100_REGION_APERTURE ? 1u << 30 :
									       1u << 17 };
	return X100_OK;
}

static int card_read32(void *dev, unsigned int region, uint64_t offset, uint32_t *value)
{
	(void)dev;
	if (region == X100_REGION_CONFIG && !offset)
		*value = 0x22508086;
	else
		memcpy(value, noise + offset % (sizeof(noise) - 3), sizeof(*value));
	return X100_OK;
}

static int card_write32(void *dev, unsigned int region, uint64_t offset, uint32_t value)
{
	(void)dev;
	(void)region;
	(void)offset;
	(void)value;
	return X100_OK;
}

static int card_read(void *dev, unsigned int region, uint64_t offset, void *to, size_t size)
{
	(void)dev;
	(void)region;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = noise[(offset + i) % sizeof(noise)];
	return X100_OK;
}

static void card_describe(void *dev, char *text, size_t size)
{
	(void)dev;
	strncpy(text, "a card", size);
}

static const struct x100_transport_ops card_ops = {
	.scheme = "fuzz",
	.open = card_open,
	.close = card_close,
	.region = card_region,
	.read32 = card_read32,
	.write32 = card_write32,
	.read = card_read,
	.describe = card_describe,
};

/* ------------------------------------------------------------------ a client */

static void on_request(struct client *client, json_object *request)
{
	json_object *op;

	if (json_object_object_get_ex(request, "op", &op) &&
	    !strcmp(json_object_get_string(op) ? json_object_get_string(op) : "", "device-add")) {
		json_object_put(request);
		client_answer(client, message_ok());
		return;
	}
	served_request(client, request);
}

/* Every answer has to be an object on a line of its own, and has to say whether it worked. */
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
	if (ret < 0)
		abort();
	message_reader_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config_card card = { .name = "mic0" };
	static struct served served;
	struct client *client;
	int pair[2];

	if (size < sizeof(noise))
		return 0;
	memcpy(noise, data, sizeof(noise));
	data += sizeof(noise);
	size -= sizeof(noise);
	log_open(-1);
	memset(&served, 0, sizeof(served));
	served.config = &card;
	served.next.image = served.next.ramdisk = served.last.image = served.last.ramdisk = -1;
	served.loop = x100_loop_new();
	if (!served.loop || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
		return 0;
	if (x100_open_with(&card_ops, "", &x100_system_clock, &served.card, NULL))
		abort();
	client = client_new(pair[1]);
	client->request = on_request;
	client->gone = served_client_gone;
	client->arg = &served;
	served.clients = client;
	client_serve(client, served.loop);
	send(pair[0], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(pair[0], SHUT_WR);
	/* A turn for each line, and those in which it is received and ended. */
	for (size_t i = 0; i < size / 2 + 16 && served.clients; i++) {
		x100_loop_turn(served.loop, 0);
		/* A job is done at once. */
		if (served.job != JOB_NONE)
			served_answer_asker(&served, message_ok());
		served.job = JOB_NONE;
		/* The peer reads, or it would be waited for. */
		check(pair[0]);
	}
	if (served.clients)
		abort();
	close(pair[0]);
	served_image_free(&served.next);
	x100_close(served.card);
	x100_loop_free(served.loop);
	return 0;
}
