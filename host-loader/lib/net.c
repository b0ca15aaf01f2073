// SPDX-License-Identifier: BSD-3-Clause
/*
 * The network back-end (virtio network device, legacy): features, headers and queues. Queue 0 is what
 * the card receives, queue 1 what it sends (x100-abi.md 2.10).
 */
#include "net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <x100/range.h>

/* In a row before others get their turn. */
#define NET_BATCH 128
/* Bytes kept for a card without buffers. A port is told to stop at the first frame. */
#define NET_WAITING_MAX (4u << 20)
/* How long the oldest of them waits: then the card hangs, or will never have buffers enough for it. */
#define NET_WAITING_NS X100_NS_PER_SEC

#define FEATURE(name) (1u << VIRTIO_NET_F_##name)
#define GUEST_GSO     (FEATURE(GUEST_TSO4) | FEATURE(GUEST_TSO6))
#define NET_FEATURES                                                                               \
	(FEATURE(CSUM) | FEATURE(GUEST_CSUM) | FEATURE(MTU) | FEATURE(MAC) | GUEST_GSO |           \
	 FEATURE(GUEST_ECN) | FEATURE(HOST_TSO4) | FEATURE(HOST_TSO6) | FEATURE(HOST_ECN) |        \
	 FEATURE(MRG_RXBUF) | FEATURE(STATUS))
/*
 * What Linux 4.19's daemon offered (x100-abi.md 2.5). GSO (6) is what TSO4, TSO6 and ECN together
 * were called at first.
 */
#define NET_FEATURES_OLD (FEATURE(CSUM) | FEATURE(GSO) | GUEST_GSO | FEATURE(GUEST_ECN))

/* Config space up to the MTU; old hosts had 17 bytes (2.4). */
#define NET_CONFIG     12
#define NET_CONFIG_OLD 17

void net_log(const struct net *net, int level, const char *format, ...)
{
	char text[256];
	va_list args;
	int n = snprintf(text, sizeof(text), "%s: ", net->backend.name);

	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	net->log(net->log_arg, level, text);
}

bool net_card_trusts(const struct net *net)
{
	/* The old drivers have GUEST_TSO without GUEST_CSUM and look at the flags all the same. */
	return net->features & (FEATURE(GUEST_CSUM) | GUEST_GSO);
}

/* ------------------------------------------------------------------ card to host */

/* What is wrong with the header of a frame of @size bytes under @features; NULL: nothing. */
static const char *header_fault(const struct virtio_net_hdr *h, uint32_t features, size_t size)
{
	const struct x100_range frame = { 0, size };
	uint8_t type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	uint32_t needs;

	if (size < ETHER_HDR_LEN)
		return "a frame shorter than its Ethernet header";
	if (size > NET_FRAME_MAX)
		return "a frame longer than 64 KiB";
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!(features & FEATURE(CSUM)))
			return "a checksum to finish, which was not negotiated";
		if (h->csum_start < ETHER_HDR_LEN ||
		    !x100_range_inside(frame, (uint64_t)h->csum_start + h->csum_offset, 2))
			return "a checksum outside its frame";
	}
	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return h->gso_type ? "ECN without segments" : NULL;
	if (type == VIRTIO_NET_HDR_GSO_TCPV4)
		needs = FEATURE(HOST_TSO4);
	else if (type == VIRTIO_NET_HDR_GSO_TCPV6)
		needs = FEATURE(HOST_TSO6);
	else if (type == VIRTIO_NET_HDR_GSO_UDP)
		needs = FEATURE(GSO); /* Linux before 4.14 reads that into it */
	else
		return "a kind of segmentation that nobody offered";
	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		needs |= FEATURE(HOST_ECN);
	if (!(features & FEATURE(GSO)) && (features & needs) != needs)
		return "a kind of segmentation that was not negotiated";
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return "segments without a checksum to finish";
	if (!h->gso_size)
		return "segments of no size";
	return NULL;
}

static void send_frame(struct net *net, const struct x100_chain *chain)
{
	struct virtio_net_hdr header;
	const char *fault;
	size_t size;

	if (chain->read_bytes < net->header_size ||
	    x100_chain_read(chain, 0, &header, sizeof(header)) != sizeof(header)) {
		net->count.tx_bad++;
		return;
	}
	size = chain->read_bytes - net->header_size;
	fault = header_fault(&header, net->features, size);
	if (fault) {
		if (!net->count.tx_bad++)
			net_log(net, X100_LOG_WARNING, "the card sent %s; dropped", fault);
		return;
	}
	/* What else a driver may say here is about frames it receives. */
	header.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (!net->ops->send(net, &header, chain, size)) {
		net->count.tx_refused++;
		return;
	}
	net->count.tx_packets++;
	net->count.tx_bytes += size;
}

static void send_frames(struct net *net)
{
	struct x100_chain *chain = net->tx_chain;
	unsigned int budget = NET_BATCH;
	int ret;

	x100_vq_notify_off(net->tx);
	while (budget) {
		ret = x100_vq_pop(net->tx, chain);
		if (ret < 0)
			return;
		if (!ret) {
			if (!x100_vq_notify_on(net->tx))
				break;
			x100_vq_notify_off(net->tx);
			continue;
		}
		send_frame(net, chain);
		/* The answer to a frame may have shown a broken receive ring. */
		if (!net->live)
			return;
		x100_vq_push(net->tx, chain, 0);
		budget--;
	}
	if (!budget)
		x100_task_queue(net->loop, &net->more);
	net->pushed = true;
	if (net->ops->sent)
		net->ops->sent(net);
	net_flush(net);
}

/* ------------------------------------------------------------------ host to card */

void net_flush(struct net *net)
{
	if (!net->live || !net->pushed)
		return;
	net->pushed = false;
	x100_vdev_flush(net->backend.dev);
}

/* Put one frame over @chains buffers. */
static void fill(struct net *net, unsigned int chains, const struct virtio_net_hdr *header,
		 const uint8_t *frame, size_t size)
{
	struct virtio_net_hdr_mrg_rxbuf h = { .hdr = *header, .num_buffers = (uint16_t)chains };
	size_t skip = net->header_size;

	x100_chain_write(net->rx_chain[0], 0, &h, skip);
	for (unsigned int i = 0; i < chains; i++) {
		const struct x100_chain *chain = net->rx_chain[i];
		size_t part = chain->write_bytes - skip;

		if (part > size)
			part = size;
		x100_chain_write(chain, skip, frame, part);
		x100_vq_push(net->rx, chain, (uint32_t)(skip + part));
		frame += part;
		size -= part;
		skip = 0;
	}
	net->pushed = true;
}

enum put {
	PUT_DONE,
	PUT_LATER,    /* there are not enough buffers; the card's next kick is on */
	PUT_TOO_LONG, /* there never will be */
	PUT_STOPPED,  /* the device is not live any more */
};

static enum put put_frame(struct net *net, const struct virtio_net_hdr *header,
			  const uint8_t *frame, size_t size)
{
	bool merge = net->features & FEATURE(MRG_RXBUF);
	uint64_t room = 0, need = net->header_size + size;
	unsigned int chains = 0, descriptors = 0, useless = 0;

	while (room < need) {
		struct x100_chain *chain;
		int ret;

		if (chains == NET_SPREAD || (chains && !merge) || useless > net->entries) {
			x100_vq_unpop(net->rx, chains);
			return PUT_TOO_LONG;
		}
		chain = net->rx_chain[chains];
		ret = x100_vq_pop(net->rx, chain);
		if (!ret && x100_vq_notify_on(net->rx)) {
			x100_vq_notify_off(net->rx);
			continue;
		}
		if (ret < 0)
			return PUT_STOPPED;
		if (!ret) {
			x100_vq_unpop(net->rx, chains);
			/* With the whole ring in hand, waiting for more would be for ever. */
			return descriptors >= net->entries ? PUT_TOO_LONG : PUT_LATER;
		}
		/* Not even a header: back to the card as it is. */
		if (!chains && chain->write_bytes < net->header_size) {
			x100_vq_push(net->rx, chain, 0);
			net->pushed = true;
			useless++;
			continue;
		}
		chains++;
		descriptors += chain->writable;
		room += chain->write_bytes;
	}
	fill(net, chains, header, frame, size);
	net->count.rx_packets++;
	net->count.rx_bytes += size;
	return PUT_DONE;
}

/* Drop what waits; returns how many they were. */
static unsigned int forget_waiting(struct net *net)
{
	unsigned int count = 0;

	for (; net->waiting; count++) {
		struct net_frame *f = net->waiting;

		net->waiting = f->next;
		free(f);
	}
	net->waiting_end = &net->waiting;
	net->waiting_bytes = 0;
	net->starved = false;
	x100_timer_cancel(net->loop, &net->stuck);
	return count;
}

static void stuck(void *arg)
{
	struct net *net = arg;

	net->count.rx_no_room += forget_waiting(net);
	if (net->live)
		net->ops->resume(net);
}

static void keep(struct net *net, const struct virtio_net_hdr *header, const void *frame,
		 size_t size)
{
	struct net_frame *f = NULL;

	if (net->waiting_bytes + size <= NET_WAITING_MAX)
		f = malloc(sizeof(*f) + size);
	if (!f) {
		net->count.rx_no_room++;
		return;
	}
	f->next = NULL;
	f->header = *header;
	f->size = size;
	memcpy(f->bytes, frame, size);
	if (!net->waiting)
		x100_timer_set(net->loop, &net->stuck, NET_WAITING_NS);
	*net->waiting_end = f;
	net->waiting_end = &f->next;
	net->waiting_bytes += size;
	net->starved = true;
}

/* Returns false when it has to be kept. */
static bool deliver(struct net *net, const struct virtio_net_hdr *header, const void *frame,
		    size_t size)
{
	switch (put_frame(net, header, frame, size)) {
	case PUT_LATER:
		return false;
	case PUT_TOO_LONG:
		net->count.rx_too_long++;
		break;
	case PUT_STOPPED:
		net->count.rx_no_driver++;
		break;
	case PUT_DONE:
		break;
	}
	return true;
}

void net_receive(struct net *net, const struct virtio_net_hdr *header, const void *frame,
		 size_t size)
{
	if (!net->live)
		net->count.rx_no_driver++;
	else if (net->starved || !deliver(net, header, frame, size))
		keep(net, header, frame, size);
}

/* The card posted buffers. */
static void feed(struct net *net)
{
	x100_vq_notify_off(net->rx);
	while (net->live && net->waiting) {
		struct net_frame *f = net->waiting;

		if (!deliver(net, &f->header, f->bytes, f->size))
			break;
		/* A device that stopped meanwhile has forgotten them all. */
		if (!net->live)
			return;
		net->waiting = f->next;
		if (!net->waiting)
			net->waiting_end = &net->waiting;
		net->waiting_bytes -= f->size;
		free(f);
		x100_timer_set(net->loop, &net->stuck, NET_WAITING_NS);
	}
	net_flush(net);
	if (net->live && !net->waiting) {
		x100_timer_cancel(net->loop, &net->stuck);
		net->starved = false;
		net->ops->resume(net);
	}
}

/* ------------------------------------------------------------------ device */

static void work(void *arg)
{
	struct net *net = arg;

	if (net->live && net->starved)
		feed(net);
	if (net->live)
		send_frames(net);
}

static void kick(void *arg, struct x100_vdev *dev)
{
	(void)dev;
	work(arg);
}

static void free_chains(struct net *net)
{
	for (unsigned int i = 0; i < NET_SPREAD; i++) {
		x100_chain_free(net->rx_chain[i]);
		net->rx_chain[i] = NULL;
	}
	x100_chain_free(net->tx_chain);
	net->tx_chain = NULL;
}

static bool new_chains(struct net *net)
{
	net->tx_chain = x100_chain_new(net->tx);
	if (!net->tx_chain)
		return false;
	for (unsigned int i = 0; i < NET_SPREAD; i++) {
		net->rx_chain[i] = x100_chain_new(net->rx);
		if (!net->rx_chain[i])
			return false;
	}
	return true;
}

static void start(void *arg, struct x100_vdev *dev, uint32_t features)
{
	struct net *net = arg;

	net->features = features;
	net->header_size = features & FEATURE(MRG_RXBUF) ? sizeof(struct virtio_net_hdr_mrg_rxbuf) :
							   sizeof(struct virtio_net_hdr);
	net->rx = x100_vdev_queue(dev, 0);
	net->tx = x100_vdev_queue(dev, 1);
	/* Those of an earlier start; stop() may have been called while they were in use. */
	free_chains(net);
	if (!new_chains(net)) {
		net_log(net, X100_LOG_ERR, "no memory: the interface stays dead");
		return;
	}
	net->live = true;
	net->pushed = false;
	x100_vq_notify_off(net->rx);
	net->ops->start(net);
	x100_task_queue(net->loop, &net->more);
}

static void stop(void *arg, struct x100_vdev *dev)
{
	struct net *net = arg;

	(void)dev;
	if (!net->live)
		return;
	net->live = false;
	x100_task_cancel(net->loop, &net->more);
	net->count.rx_no_driver += forget_waiting(net);
	net->ops->stop(net);
}

static const struct x100_backend_ops device_ops = {
	.start = start,
	.stop = stop,
	.kick = kick,
};

/* ------------------------------------------------------------------ specification */

bool net_parse_port(const char *text, uint32_t *address, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN], *end;
	unsigned long number;
	struct in_addr a;

	if (colon) {
		if ((size_t)(colon - text) >= sizeof(host))
			return false;
		memcpy(host, text, (size_t)(colon - text));
		host[colon - text] = '\0';
		if (inet_pton(AF_INET, host, &a) != 1)
			return false;
		*address = a.s_addr;
		text = colon + 1;
	}
	if (*text < '0' || *text > '9')
		return false;
	number = strtoul(text, &end, 10);
	if (*end || number < 1 || number > 65535)
		return false;
	*port = (uint16_t)number;
	return true;
}

bool net_parse_network(const char *text, uint32_t *address, uint32_t *mask)
{
	const char *slash = strchr(text, '/');
	char host[INET_ADDRSTRLEN], *end;
	unsigned long prefix;
	struct in_addr a;

	if (!slash || (size_t)(slash - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	if (inet_pton(AF_INET, host, &a) != 1 || slash[1] < '0' || slash[1] > '9')
		return false;
	prefix = strtoul(slash + 1, &end, 10);
	if (*end || prefix < 1 || prefix > 32)
		return false;
	*address = a.s_addr;
	*mask = htonl(0xFFFFFFFFu << (32 - prefix));
	return true;
}

static bool parse_mac(const char *text, uint8_t mac[ETHER_ADDR_LEN])
{
	for (int i = 0; i < ETHER_ADDR_LEN; i++, text += 3) {
		char end = i < ETHER_ADDR_LEN - 1 ? ':' : '\0';

		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
		    text[2] != end)
			return false;
		mac[i] = (uint8_t)strtoul(text, NULL, 16);
	}
	return !(mac[0] & 1);
}

/*
 * An address of its own for this interface of this card on this host, the same every time: a hash
 * (FNV-1a) of the host's machine-id, the card's name and the interface's, marked as locally
 * administered.
 */
static void derive_mac(const struct x100_backend_env *env, const char *name,
		       uint8_t mac[ETHER_ADDR_LEN])
{
	uint64_t hash = 0xCBF29CE484222325;
	char text[256], machine[64] = "";
	FILE *file = fopen("/etc/machine-id", "re");
	int size;

	if (file) {
		if (!fgets(machine, sizeof(machine), file))
			machine[0] = '\0';
		fclose(file);
	}
	size = snprintf(text, sizeof(text), "%.32s %s %s", machine, env->card_name, name);
	for (int i = 0; i < size && i < (int)sizeof(text) - 1; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001B3;
	for (int i = 0; i < ETHER_ADDR_LEN; i++)
		mac[i] = (uint8_t)(hash >> (16 + 8 * i));
	mac[0] = (uint8_t)((mac[0] & ~1) | 2);
}

static const struct net_port_ops *const ports[] = { &net_slirp, &net_tap };

/* The port that @spec names, with its words checked; NULL with @error and @why set. */
static const struct net_port_ops *check_words(const struct x100_spec *spec, struct x100_why *why,
					      int *error)
{
	const char *mac = x100_spec_get(spec, "mac"), *kind = spec->count ? spec->word[0] : "";
	uint64_t number = 128;
	uint8_t bytes[ETHER_ADDR_LEN];

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		const struct net_port_ops *ops = ports[i];

		if (strcmp(ops->kind, kind))
			continue;
		*error = x100_spec_only(spec, ops->keys, why);
		if (*error)
			return NULL;
		if (mac && !parse_mac(mac, bytes)) {
			*error = x100_fail(why, X100_ERR_ARGUMENT,
					   "mac=%s: not six bytes of a unicast address", mac);
			return NULL;
		}
		*error = x100_spec_number(spec, "mtu", NET_MTU_MIN, NET_MTU_MAX, &number, why);
		if (*error)
			return NULL;
		number = 128;
		*error = x100_spec_number(spec, "entries", 16, 1024, &number, why);
		if (!*error && number & (number - 1))
			*error = x100_fail(why, X100_ERR_ARGUMENT, "entries: no power of two");
		if (!*error)
			*error = ops->check(spec, why);
		return *error ? NULL : ops;
	}
	*error = x100_fail(why, X100_ERR_ARGUMENT, "%s: a network is slirp or tap", kind);
	return NULL;
}

static int check(const struct x100_spec *spec, struct x100_why *why)
{
	int error;

	check_words(spec, why, &error);
	return error;
}

/* ------------------------------------------------------------------ class */

static int add_device(struct net *net, const struct x100_backend_env *env)
{
	struct virtio_net_config config = { .max_virtqueue_pairs = 1, .mtu = net->mtu };
	struct x100_vdev_params params = {
		.type = 1,
		.queues = 2,
		.entries = net->entries,
		.features = env->legacy_features ? NET_FEATURES_OLD : NET_FEATURES,
		.config = &config,
		.config_size = env->legacy_features ? NET_CONFIG_OLD : NET_CONFIG,
		.name = net->backend.name,
		.ops = &device_ops,
		.arg = net,
	};

	_Static_assert(sizeof(config) >= NET_CONFIG_OLD, "the old config space is a part of it");
	net->link = net->ops->link(net);
	config.status = net->link ? VIRTIO_NET_S_LINK_UP : 0;
	memcpy(config.mac, net->mac, sizeof(config.mac));
	/* The old host filled in nothing. */
	if (env->legacy_features)
		memset(&config, 0, sizeof(config));
	return x100_vpage_add(env->page, &params, &net->backend.dev);
}

static void release(struct net *net)
{
	if (net->port)
		net->ops->close(net);
	x100_task_cancel(net->loop, &net->more);
	forget_waiting(net);
	free_chains(net);
	free(net);
}

static int open_net(const struct x100_backend_env *env, const char *name, const char *text,
		    struct x100_why *why, struct x100_backend **backend)
{
	struct x100_spec spec;
	struct net *net = NULL;
	uint64_t mtu = 0, entries = 128;
	int error = x100_spec_parse(&spec, text, why);

	*backend = NULL;
	if (error)
		return error;
	net = calloc(1, sizeof(*net));
	if (!net) {
		error = x100_fail(why, X100_ERR_MEMORY, "no memory for %s", name);
		goto out;
	}
	net->backend.class = &x100_net_class;
	snprintf(net->backend.name, sizeof(net->backend.name), "%s", name);
	net->loop = env->loop;
	net->log = env->log;
	net->log_arg = env->log_arg;
	net->waiting_end = &net->waiting;
	net->more.run = work;
	net->more.arg = net;
	net->stuck.expired = stuck;
	net->stuck.arg = net;
	net->ops = check_words(&spec, why, &error);
	if (!net->ops)
		goto out;
	/* Checked above. */
	x100_spec_number(&spec, "mtu", NET_MTU_MIN, NET_MTU_MAX, &mtu, why);
	x100_spec_number(&spec, "entries", 16, 1024, &entries, why);
	net->mtu = (uint16_t)mtu;
	net->entries = (uint16_t)entries;
	if (!x100_spec_get(&spec, "mac") || !parse_mac(x100_spec_get(&spec, "mac"), net->mac))
		derive_mac(env, name, net->mac);
	error = net->ops->open(net, env, &spec, why);
	if (error)
		goto out;
	error = add_device(net, env);
	if (!error)
		*backend = &net->backend;
out:
	if (error && net)
		release(net);
	x100_spec_free(&spec);
	return error;
}

static void close_net(struct x100_backend *backend)
{
	release((struct net *)backend);
}

static struct json_object *direction(uint64_t packets, uint64_t bytes)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "packets", json_object_new_uint64(packets));
	json_object_object_add(o, "bytes", json_object_new_uint64(bytes));
	return o;
}

static void status(const struct x100_backend *backend, struct json_object *o)
{
	const struct net *net = (const struct net *)backend;
	const struct net_counters *c = &net->count;
	const struct {
		const char *name;
		uint64_t value;
	} drops[] = {
		{ "bad_header", c->tx_bad },
		{ "host_refused", c->tx_refused },
		{ "no_driver", c->rx_no_driver },
		{ "no_buffers", c->rx_no_room },
		{ "buffers_too_short", c->rx_too_long },
	};
	struct json_object *dropped = json_object_new_object();
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", net->mac[0], net->mac[1],
		 net->mac[2], net->mac[3], net->mac[4], net->mac[5]);
	json_object_object_add(o, "host", json_object_new_string(net->ops->kind));
	json_object_object_add(o, "mac", json_object_new_string(mac));
	json_object_object_add(o, "mtu", json_object_new_int(net->mtu));
	json_object_object_add(o, "link", json_object_new_string(net->link ? "up" : "down"));
	net->ops->status(net, o);
	json_object_object_add(o, "card_to_host", direction(c->tx_packets, c->tx_bytes));
	json_object_object_add(o, "host_to_card", direction(c->rx_packets, c->rx_bytes));
	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++)
		json_object_object_add(dropped, drops[i].name,
				       json_object_new_uint64(drops[i].value));
	json_object_object_add(o, "dropped", dropped);
}

/* The card is told when the host's link changed (VIRTIO_NET_F_STATUS). */
static int rescan(struct x100_backend *backend, struct x100_why *why)
{
	struct net *net = (struct net *)backend;
	bool link = net->ops->link(net);
	uint16_t word = link ? VIRTIO_NET_S_LINK_UP : 0;
	int error;

	if (link == net->link)
		return X100_OK;
	net->link = link;
	error = x100_vdev_config_write(backend->dev, offsetof(struct virtio_net_config, status),
				       &word, sizeof(word), NULL, NULL);
	if (error == X100_ERR_NOT_READY)
		return X100_OK;
	return error ? x100_fail(why, error, "%s: link %s", backend->name, link ? "up" : "down") :
		       X100_OK;
}

const struct x100_backend_class x100_net_class = {
	.kind = "net",
	.check = check,
	.open = open_net,
	.close = close_net,
	.status = status,
	.rescan = rescan,
};
