// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/net.c: what the network device offers, headers and frames of the card, receive buffers.
 * Faked: the card with its driver (netcard.c), and the host's side, which notes what it is given.
 */
#include "netcard.h"

#include <stdlib.h>
#include <string.h>

#define OLD 0x3C1u
#define ALL                                                                                        \
	(F(CSUM) | F(GUEST_CSUM) | F(MTU) | F(MAC) | F(GUEST_TSO4) | F(GUEST_TSO6) |               \
	 F(GUEST_ECN) | F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN) | F(MRG_RXBUF) | F(STATUS))

/* ------------------------------------------------------------------ the host's side */

static struct {
	struct net *net;
	unsigned int starts, stops, resumes, frames;
	struct virtio_net_hdr header;
	uint8_t frame[NET_FRAME_MAX];
	size_t size;
	bool refuse, link;
	void (*on_frame)(void);
} host;

static int host_check(const struct x100_spec *spec, struct x100_why *why)
{
	(void)spec;
	(void)why;
	return X100_OK;
}

static int host_open(struct net *net, const struct x100_backend_env *env,
		     const struct x100_spec *spec, struct x100_why *why)
{
	(void)env;
	(void)spec;
	(void)why;
	host.net = net;
	net->port = &host;
	if (!net->mtu)
		net->mtu = 1500;
	return X100_OK;
}

static void host_close(struct net *net)
{
	net->port = NULL;
	host.net = NULL;
}

static void host_start(struct net *net)
{
	(void)net;
	host.starts++;
}

static void host_stop(struct net *net)
{
	(void)net;
	host.stops++;
}

static bool host_send(struct net *net, const struct virtio_net_hdr *header,
		      const struct x100_chain *chain, size_t size)
{
	assert_true(size <= sizeof(host.frame));
	assert_int_equal(x100_chain_read(chain, net->header_size, host.frame, size), size);
	host.header = *header;
	host.size = size;
	host.frames++;
	if (host.on_frame)
		host.on_frame();
	return !host.refuse;
}

static void host_resume(struct net *net)
{
	(void)net;
	host.resumes++;
}

static void host_status(const struct net *net, struct json_object *o)
{
	(void)net;
	json_object_object_add(o, "fake", json_object_new_boolean(true));
}

static bool host_link(const struct net *net)
{
	(void)net;
	return host.link;
}

static const char *const host_keys[] = { "mtu", "mac", "entries", NULL };

/* In place of slirp.c and tap.c. */
const struct net_port_ops net_slirp = {
	.kind = "slirp",
	.keys = host_keys,
	.check = host_check,
	.open = host_open,
	.close = host_close,
	.start = host_start,
	.stop = host_stop,
	.send = host_send,
	.resume = host_resume,
	.status = host_status,
	.link = host_link,
};
const struct net_port_ops net_tap = { .kind = "tap", .keys = host_keys, .check = host_check };

/* ------------------------------------------------------------------ set-up */

static uint8_t bytes[NET_FRAME_MAX + 64], got[NET_FRAME_MAX];
static struct virtio_net_hdr_mrg_rxbuf head;
static size_t size;

static int setup(void **state)
{
	int ret = netcard_setup(state);

	/* Nothing here waits, and 200 resets within a second would be a fault. */
	x100_loop_set_clock(vcard.loop, &fake_clock);
	memset(&host, 0, sizeof(host));
	host.link = true;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	return ret;
}

/* A frame from the host, with a header that is passed on. */
static void from_host(size_t length)
{
	const struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };

	net_receive(host.net, &header, bytes, length);
	net_flush(host.net);
}

static void card_has(size_t length)
{
	assert_true(netcard_take(&head, got, &size));
	assert_int_equal(size, length);
	assert_memory_equal(got, bytes, length);
	assert_int_equal(head.hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
}

static void card_has_nothing(void)
{
	assert_false(netcard_take(&head, got, &size));
}

static const uint8_t *config(void)
{
	return vcard_scan(0) + x100_vdev_config((void *)vcard_scan(0));
}

/* ------------------------------------------------------------------ the device */

static void offers_what_it_can_do(void **state)
{
	struct virtio_net_config c = { 0 };
	struct x100_vdev_desc d;

	(void)state;
	netcard_start("slirp,mtu=4000,mac=02:11:22:33:44:55", 0, 0, 0);
	memcpy(&d, vcard_scan(0), sizeof(d));
	assert_int_equal(d.type, 1);
	assert_int_equal(d.num_vq, 2);
	assert_int_equal(nc.drv.offered & 0x00FFFFFF, ALL);
	assert_int_equal(d.config_len, 12);
	memcpy(&c, config(), 12);
	assert_memory_equal(c.mac, ((uint8_t[]){ 2, 0x11, 0x22, 0x33, 0x44, 0x55 }), 6);
	assert_int_equal(c.status, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(c.mtu, 4000);
}

static void legacy_offers_what_the_old_host_did(void **state)
{
	const struct x100_vpage_params params = { .generation = X100_GEN_C2,
						  .legacy_features = true };
	static const uint8_t none[17];
	struct x100_vdev_desc d;

	(void)state;
	vcard_new_page(&params);
	nc.env.legacy_features = true;
	netcard_start("slirp", ALL | OLD, 0, 0);
	memcpy(&d, vcard_scan(0), sizeof(d));
	assert_int_equal(nc.drv.offered, OLD);
	assert_int_equal(d.config_len, 17);
	assert_memory_equal(config(), none, 17);
}

static void mac_of(const char *card, const char *name, uint8_t mac[6])
{
	struct x100_why why;

	nc.env.card_name = card;
	assert_int_equal(x100_net_class.open(&nc.env, name, "slirp", &why, &nc.backend), X100_OK);
	memcpy(mac, host.net->mac, 6);
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_net_class.close(nc.backend);
	nc.backend = NULL;
	vcard_new_page(&vcard.params);
	nc.env.page = vcard.page;
}

static void mac_is_stable_local_and_its_own(void **state)
{
	uint8_t a[6], b[6], c[6], d[6];

	(void)state;
	mac_of("mic0", "net0", a);
	mac_of("mic0", "net0", b);
	mac_of("mic1", "net0", c);
	mac_of("mic0", "net1", d);
	assert_memory_equal(a, b, 6);
	assert_memory_not_equal(a, c, 6);
	assert_memory_not_equal(a, d, 6);
	assert_int_equal(a[0] & 3, 2);
	assert_int_equal(c[0] & 3, 2);
}

static void words_are_checked(void **state)
{
	static const char *const bad[] = {
		"",
		"bridge",
		"slirp,colour=red",
		"slirp,mtu=100",
		"slirp,mtu=9001",
		"slirp,mtu=many",
		"slirp,mac=1:2:3",
		"slirp,mac=01:00:00:00:00:01",
		"slirp,mac=02:00:00:00:00:01:02",
		"slirp,mac=02:00:00:00:00:0x",
		"slirp,entries=100",
		"slirp,entries=8",
		"slirp,entries=2048",
	};
	struct x100_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&why, 0, sizeof(why));
		assert_int_equal(x100_backend_check("net", bad[i], &why), X100_ERR_ARGUMENT);
		assert_true(why.text[0]);
		assert_int_equal(netcard_try(bad[i], &why), X100_ERR_ARGUMENT);
		assert_null(nc.backend);
	}
	assert_int_equal(x100_backend_check("net", "slirp,mtu=9000,entries=1024", &why), X100_OK);
	assert_int_equal(x100_backend_check("net", "tap", &why), X100_OK);
	assert_null(host.net);
}

static void addresses_are_parsed_strictly(void **state)
{
	static const char *const bad_ports[] = { "",         ":",    "0",           "65536",
						 "22x",      "-1",   " 22",         "1.2.3:22",
						 "1.2.3.4:", "a:22", "1.2.3.4.5:1", "1:2:3" };
	static const char *const bad_networks[] = { "",           "10.0.0.0",
						    "10.0.0.0/",  "10.0.0.0/33",
						    "10.0.0.0/0", "10.0.0/24",
						    "x/24",       "10.0.0.0/2x" };
	uint32_t address = 1, mask;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_ports) / sizeof(bad_ports[0]); i++)
		assert_false(net_parse_port(bad_ports[i], &address, &port));
	for (size_t i = 0; i < sizeof(bad_networks) / sizeof(bad_networks[0]); i++)
		assert_false(net_parse_network(bad_networks[i], &address, &mask));
	address = 1;
	assert_true(net_parse_port("2222", &address, &port));
	assert_int_equal(address, 1);
	assert_int_equal(port, 2222);
	assert_true(net_parse_port("127.0.0.1:65535", &address, &port));
	assert_int_equal(address, 0x0100007F);
	assert_int_equal(port, 65535);
	assert_true(net_parse_network("10.1.0.0/20", &address, &mask));
	assert_int_equal(address, 0x0000010A);
	assert_int_equal(mask, 0x00F0FFFF);
}

static void link_changes_reach_the_card(void **state)
{
	struct x100_why why;
	uint16_t status;

	(void)state;
	netcard_start("slirp", ALL, 0, 0);
	host.link = false;
	assert_int_equal(x100_net_class.rescan(nc.backend, &why), X100_OK);
	vcard_turn();
	memcpy(&status, config() + 6, 2);
	assert_int_equal(status, 0);
	assert_int_equal(netcard_count("mtu"), 1500);
	host.link = true;
	assert_int_equal(x100_net_class.rescan(nc.backend, &why), X100_OK);
	assert_int_equal(x100_net_class.rescan(nc.backend, &why), X100_OK);
}

/* ------------------------------------------------------------------ card to host */

static void frame_reaches_the_host(void **state)
{
	static const uint32_t features[] = { 0, F(MRG_RXBUF) };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		if (i)
			netcard_probe(features[i], 0, 0);
		else
			netcard_start("slirp", features[i], 0, 0);
		assert_int_equal(nc.header, i ? 12 : 10);
		host.frames = 0;
		netcard_send(NULL, bytes, 60);
		assert_int_equal(host.frames, 1);
		assert_int_equal(host.size, 60);
		assert_memory_equal(host.frame, bytes, 60);
		assert_int_equal(host.header.flags, 0);
	}
	assert_int_equal(netcard_count("card_to_host.packets"), 2);
	assert_int_equal(netcard_count("card_to_host.bytes"), 120);
}

static void frame_may_lie_in_many_parts(void **state)
{
	uint64_t first;

	(void)state;
	netcard_start("slirp", ALL, 0, 0);
	/* 20 parts of 9 bytes, so that the header is cut, too. */
	vcard_chain(&nc.drv.q[1], 20, 0, 9, &first);
	for (size_t at = 0; at < 180; at++)
		vcard_memory(first)[at / 9 * 4096 + at % 9] = at < 12 ? 0 : bytes[at - 12];
	vcard_kick(&nc.drv);
	assert_int_equal(host.frames, 1);
	assert_int_equal(host.size, 168);
	assert_memory_equal(host.frame, bytes, 168);
}

static void frames_of_impossible_size_are_dropped(void **state)
{
	static const struct {
		size_t size;
		bool passes;
	} cases[] = { { 0, false },
		      { 13, false },
		      { 14, true },
		      { NET_FRAME_MAX, true },
		      { NET_FRAME_MAX + 1, false } };
	uint32_t id, len;

	(void)state;
	netcard_start("slirp", ALL, 0, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bad = netcard_count("dropped.bad_header");

		host.frames = 0;
		netcard_send(NULL, bytes, cases[i].size);
		assert_int_equal(host.frames, cases[i].passes);
		assert_int_equal(netcard_count("dropped.bad_header"), bad + !cases[i].passes);
	}
	/* Less than a header; it comes back all the same. */
	vcard_desc(&nc.drv.q[1], 100, vcard_alloc(64), 11, 0, 0);
	vcard_offer(&nc.drv.q[1], 100);
	vcard_kick(&nc.drv);
	assert_true(vcard_used(&nc.drv.q[1], &id, &len));
	assert_int_equal(id, 100);
	assert_int_equal(netcard_count("dropped.bad_header"), 4);
	assert_int_equal(nc.log_lines, 1);
}

static void headers_are_checked(void **state)
{
#define CSUM_OK .flags = 1, .csum_start = 34, .csum_offset = 16
	static const struct {
		uint32_t features;
		struct virtio_net_hdr h;
		bool passes;
	} cases[] = {
		{ 0, { 0 }, true },
		{ 0, { .flags = 2 }, true },
		{ 0, { .flags = 0xFE }, true },
		{ 0, { .hdr_len = 0xFFFF, .csum_start = 0xFFFF, .csum_offset = 0xFFFF }, true },
		/* Checksums. */
		{ 0, { CSUM_OK }, false },
		{ ALL, { CSUM_OK }, true },
		{ ALL, { .flags = 1, .csum_start = 13, .csum_offset = 16 }, false },
		{ ALL, { .flags = 1, .csum_start = 14, .csum_offset = 184 }, true },
		{ ALL, { .flags = 1, .csum_start = 14, .csum_offset = 185 }, false },
		{ ALL, { .flags = 1, .csum_start = 199, .csum_offset = 0 }, false },
		{ ALL, { .flags = 1, .csum_start = 0xFFFF, .csum_offset = 0xFFFF }, false },
		{ ALL, { .flags = 1, .csum_start = 0xFFFF, .csum_offset = 3 }, false },
		/* Segmentation: each kind with all of its conditions, then without one of them. */
		{ ALL, { CSUM_OK, .gso_type = 1, .gso_size = 100 }, true },
		{ ALL, { CSUM_OK, .gso_type = 4, .gso_size = 100 }, true },
		{ ALL, { CSUM_OK, .gso_type = 0x81, .gso_size = 100 }, true },
		{ ALL, { CSUM_OK, .gso_type = 0x84, .gso_size = 1 }, true },
		{ ALL, { CSUM_OK, .gso_type = 1, .gso_size = 0 }, false },
		{ ALL, { .gso_type = 1, .gso_size = 100 }, false },
		{ ALL, { CSUM_OK, .gso_type = 3, .gso_size = 100 }, false },
		{ ALL, { CSUM_OK, .gso_type = 5, .gso_size = 100 }, false },
		{ ALL, { CSUM_OK, .gso_type = 2, .gso_size = 100 }, false },
		{ ALL, { CSUM_OK, .gso_type = 0x7F, .gso_size = 100 }, false },
		{ ALL, { .gso_type = 0x80 }, false },
		{ ALL & ~F(HOST_TSO4), { CSUM_OK, .gso_type = 1, .gso_size = 100 }, false },
		{ ALL & ~F(HOST_TSO6), { CSUM_OK, .gso_type = 4, .gso_size = 100 }, false },
		{ ALL & ~F(HOST_ECN), { CSUM_OK, .gso_type = 0x81, .gso_size = 100 }, false },
		{ ALL & ~F(HOST_ECN), { CSUM_OK, .gso_type = 1, .gso_size = 100 }, true },
	};

	(void)state;
	netcard_start("slirp", 0, 0, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		host.frames = 0;
		vcard_run(1000);
		netcard_probe(cases[i].features, 0, 0);
		netcard_send(&cases[i].h, bytes, 200);
		if (host.frames != cases[i].passes)
			fail_msg("case %zu: %u frames", i, host.frames);
		if (!cases[i].passes)
			continue;
		assert_int_equal(host.header.flags, cases[i].h.flags & 1);
		assert_int_equal(host.header.gso_type, cases[i].h.gso_type);
		assert_int_equal(host.header.gso_size, cases[i].h.gso_size);
	}
}

static void old_cards_may_segment_by_the_old_word(void **state)
{
	const struct x100_vpage_params params = { .generation = X100_GEN_C2,
						  .legacy_features = true };
	static const uint8_t types[] = { 1, 4, 3, 0x81 };

	(void)state;
	vcard_new_page(&params);
	nc.env.legacy_features = true;
	netcard_start("slirp", OLD, 0, 0);
	for (size_t i = 0; i < sizeof(types); i++) {
		struct virtio_net_hdr h = { CSUM_OK, .gso_type = types[i], .gso_size = 1448 };

		netcard_send(&h, bytes, 5000);
		assert_int_equal(host.frames, i + 1);
	}
}

static void refusals_of_the_host_are_counted(void **state)
{
	(void)state;
	netcard_start("slirp", ALL, 0, 0);
	host.refuse = true;
	netcard_send(NULL, bytes, 100);
	assert_int_equal(netcard_count("dropped.host_refused"), 1);
	assert_int_equal(netcard_count("card_to_host.packets"), 0);
}

/* Offer @count frames of the first tx buffer. */
static void offer_frames(unsigned int count)
{
	struct vcard_queue *q = &nc.drv.q[1];

	if (!nc.tx_buffer[0])
		nc.tx_buffer[0] = vcard_alloc(NETCARD_BUFFER);
	for (unsigned int i = 0; i < count; i++) {
		vcard_desc(q, (uint16_t)(i % q->num), nc.tx_buffer[0], 112, 0, 0);
		vcard_offer(q, (uint16_t)(i % q->num));
	}
}

static void a_batch_is_one_interrupt(void **state)
{
	(void)state;
	netcard_start("slirp", ALL, 0, 0);
	memset(fake.rung, 0, sizeof(fake.rung));
	offer_frames(100);
	vcard_kick(&nc.drv);
	assert_int_equal(host.frames, 100);
	assert_int_equal(fake.rung[nc.drv.h2c_db], 1);
}

/* An answer to what the card sends. */
static void answer(void)
{
	const struct virtio_net_hdr header = { 0 };

	net_receive(host.net, &header, bytes, 100);
}

static void answers_come_with_the_same_interrupt(void **state)
{
	(void)state;
	netcard_start("slirp", ALL, 20, 1524);
	memset(fake.rung, 0, sizeof(fake.rung));
	host.on_frame = answer;
	offer_frames(10);
	vcard_kick(&nc.drv);
	assert_int_equal(fake.rung[nc.drv.h2c_db], 1);
	assert_true(netcard_take(&head, got, &size));
}

static void card_frame(void)
{
	uint32_t id, len;

	/* The card refills as fast as it is served. */
	while (vcard_used(&nc.drv.q[1], &id, &len))
		;
	if (host.frames < 1000)
		offer_frames(1);
}

static void others_get_their_turn(void **state)
{
	unsigned int turns = 0;

	(void)state;
	netcard_start("slirp", ALL, 0, 0);
	host.on_frame = card_frame;
	offer_frames(1);
	vcard_kick(&nc.drv);
	for (; host.frames < 1000; turns++)
		vcard_turn();
	assert_in_range(turns, 4, 20);
}

/* ------------------------------------------------------------------ host to card */

static void frame_fills_a_buffer(void **state)
{
	(void)state;
	netcard_start("slirp", 0, 4, 2000);
	from_host(60);
	card_has(60);
	netcard_probe(F(MRG_RXBUF), 4, 2000);
	from_host(1988);
	card_has(1988);
	assert_int_equal(head.num_buffers, 1);
	assert_int_equal(netcard_count("host_to_card.packets"), 2);
	assert_int_equal(netcard_count("host_to_card.bytes"), 60 + 1988);
}

static void long_frame_is_spread(void **state)
{
	static const struct {
		size_t length;
		unsigned int buffers;
	} cases[] = {
		{ 988, 1 }, { 989, 2 }, { 1988, 2 }, { 1989, 3 }, { 30000, 31 }, { 63988, 64 }
	};

	(void)state;
	netcard_start("slirp", ALL, 100, 1000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		from_host(cases[i].length);
		card_has(cases[i].length);
		assert_int_equal(head.num_buffers, cases[i].buffers);
		vcard_kick(&nc.drv);
	}
	/* More buffers than one frame may take. */
	from_host(63989);
	card_has_nothing();
	assert_int_equal(netcard_count("dropped.buffers_too_short"), 1);
}

static void largest_frame_fits_old_buffers(void **state)
{
	(void)state;
	netcard_start("slirp", F(GUEST_TSO4), 6, 10 + NET_FRAME_MAX);
	from_host(NET_FRAME_MAX);
	card_has(NET_FRAME_MAX);
}

static void without_merging_a_long_frame_is_dropped(void **state)
{
	(void)state;
	netcard_start("slirp", 0, 4, 1524);
	from_host(1515);
	card_has_nothing();
	assert_int_equal(netcard_count("dropped.buffers_too_short"), 1);
	/* Its buffer is still there for the others. */
	for (int i = 0; i < 4; i++)
		from_host(1514);
	for (int i = 0; i < 4; i++)
		card_has(1514);
}

static void frames_wait_for_buffers_in_order(void **state)
{
	(void)state;
	netcard_start("slirp", ALL, 1, 1524);
	host.resumes = 0;
	from_host(100);
	assert_false(host.net->starved);
	from_host(200);
	assert_true(host.net->starved);
	from_host(300);
	card_has(100);
	card_has_nothing();
	/* netcard_take() has posted one, the kick tells. */
	vcard_kick(&nc.drv);
	card_has(200);
	assert_true(host.net->starved);
	assert_int_equal(host.resumes, 0);
	vcard_kick(&nc.drv);
	card_has(300);
	assert_false(host.net->starved);
	assert_int_equal(host.resumes, 1);
}

static void spread_frame_waits_for_its_last_buffer(void **state)
{
	(void)state;
	netcard_start("slirp", ALL, 2, 1000);
	from_host(2500);
	assert_true(host.net->starved);
	card_has_nothing();
	netcard_post(2);
	vcard_kick(&nc.drv);
	card_has(2500);
	assert_int_equal(head.num_buffers, 3);
	assert_false(host.net->starved);
}

static void frame_longer_than_the_whole_ring_is_dropped(void **state)
{
	(void)state;
	netcard_start("slirp,entries=16", ALL, 16, 1000);
	from_host(20000);
	assert_false(host.net->starved);
	card_has_nothing();
	assert_int_equal(netcard_count("dropped.buffers_too_short"), 1);
	from_host(10000);
	card_has(10000);
}

static void what_waits_is_bounded(void **state)
{
	(void)state;
	netcard_start("slirp", ALL, 0, 1524);
	for (int i = 0; i < 70; i++)
		from_host(60000);
	assert_int_equal(netcard_count("dropped.no_buffers"), 70 - (4 << 20) / 60000);
}

static void frames_do_not_wait_for_ever(void **state)
{
	(void)state;
	netcard_start("slirp", ALL, 2, 1000);
	from_host(5000);
	from_host(100);
	vcard_run(900);
	assert_true(host.net->starved);
	host.resumes = 0;
	vcard_run(200);
	assert_false(host.net->starved);
	assert_int_equal(host.resumes, 1);
	assert_int_equal(netcard_count("dropped.no_buffers"), 2);
	from_host(100);
	card_has(100);
}

static void useless_buffers_come_back(void **state)
{
	uint32_t id, len;

	(void)state;
	netcard_start("slirp", ALL, 5, 11);
	from_host(100);
	for (uint32_t i = 0; i < 5; i++) {
		assert_true(vcard_used(&nc.drv.q[0], &id, &len));
		assert_int_equal(id, i);
		assert_int_equal(len, 0);
	}
	/* The frame still waits for a better one. */
	nc.rx_size = 1524;
	netcard_post(5);
	vcard_kick(&nc.drv);
	card_has(100);
}

static void reset_forgets_what_waited(void **state)
{
	(void)state;
	netcard_start("slirp", ALL, 0, 1524);
	from_host(100);
	from_host(200);
	assert_int_equal(host.starts, 1);
	netcard_probe(ALL, 4, 1524);
	assert_int_equal(host.stops, 1);
	assert_int_equal(host.starts, 2);
	assert_false(host.net->starved);
	card_has_nothing();
	assert_int_equal(netcard_count("dropped.no_driver"), 2);
	from_host(300);
	card_has(300);
}

static void without_a_driver_frames_are_dropped(void **state)
{
	struct x100_why why;

	(void)state;
	assert_int_equal(netcard_try("slirp", &why), X100_OK);
	from_host(100);
	assert_int_equal(netcard_count("dropped.no_driver"), 1);
}

/* The answer to a frame meets it. */
static void broken_ring_while_sending_stops_the_device(void **state)
{
	struct x100_vdev_info info;

	(void)state;
	netcard_start("slirp", ALL, 0, 1524);
	vcard_desc(&nc.drv.q[0], 0, 0xFFFFFFFFFFFFF000, 4096, 2, 0);
	vcard_offer(&nc.drv.q[0], 0);
	host.on_frame = answer;
	netcard_send(NULL, bytes, 100);
	x100_vdev_info(nc.backend->dev, &info);
	assert_int_equal(info.state, X100_VDEV_FAULTED);
	assert_int_equal(info.fault, X100_FAULT_ADDRESS);
	assert_int_equal(host.stops, 1);
	/* A new driver starts it anew. */
	host.on_frame = NULL;
	netcard_probe(ALL, 4, 1524);
	from_host(100);
	card_has(100);
}

static void broken_ring_with_frames_waiting_is_survived(void **state)
{
	struct x100_vdev_info info;

	(void)state;
	netcard_start("slirp", ALL, 0, 1524);
	from_host(100);
	from_host(200);
	vcard_desc(&nc.drv.q[0], 0, 4096, 4096, 2 | 4, 0);
	vcard_offer(&nc.drv.q[0], 0);
	vcard_kick(&nc.drv);
	x100_vdev_info(nc.backend->dev, &info);
	assert_int_equal(info.fault, X100_FAULT_INDIRECT);
	assert_int_equal(netcard_count("dropped.no_driver"), 3);
}

static void works_without_a_mapping(void **state)
{
	(void)state;
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_close(vcard.card);
	fake.mappable = false;
	vcard.card = fake_open();
	vcard_new_page(&vcard.params);
	netcard_start("slirp", ALL, 8, 1000);
	netcard_send(NULL, bytes, 5000);
	assert_int_equal(host.size, 5000);
	assert_memory_equal(host.frame, bytes, 5000);
	from_host(5000);
	card_has(5000);
}

static void a_burst_is_one_interrupt(void **state)
{
	const struct virtio_net_hdr header = { 0 };

	(void)state;
	netcard_start("slirp", ALL, 50, 1524);
	memset(fake.rung, 0, sizeof(fake.rung));
	for (int i = 0; i < 50; i++)
		net_receive(host.net, &header, bytes, 100);
	assert_int_equal(fake.rung[nc.drv.h2c_db], 0);
	net_flush(host.net);
	assert_int_equal(fake.rung[nc.drv.h2c_db], 1);
	net_flush(host.net);
	assert_int_equal(fake.rung[nc.drv.h2c_db], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, netcard_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(offers_what_it_can_do),
		TEST(legacy_offers_what_the_old_host_did),
		TEST(mac_is_stable_local_and_its_own),
		TEST(words_are_checked),
		TEST(addresses_are_parsed_strictly),
		TEST(link_changes_reach_the_card),
		TEST(frame_reaches_the_host),
		TEST(frame_may_lie_in_many_parts),
		TEST(frames_of_impossible_size_are_dropped),
		TEST(headers_are_checked),
		TEST(old_cards_may_segment_by_the_old_word),
		TEST(refusals_of_the_host_are_counted),
		TEST(a_batch_is_one_interrupt),
		TEST(answers_come_with_the_same_interrupt),
		TEST(others_get_their_turn),
		TEST(frame_fills_a_buffer),
		TEST(long_frame_is_spread),
		TEST(largest_frame_fits_old_buffers),
		TEST(without_merging_a_long_frame_is_dropped),
		TEST(frames_wait_for_buffers_in_order),
		TEST(spread_frame_waits_for_its_last_buffer),
		TEST(frame_longer_than_the_whole_ring_is_dropped),
		TEST(what_waits_is_bounded),
		TEST(frames_do_not_wait_for_ever),
		TEST(useless_buffers_come_back),
		TEST(reset_forgets_what_waited),
		TEST(without_a_driver_frames_are_dropped),
		TEST(broken_ring_while_sending_stops_the_device),
		TEST(broken_ring_with_frames_waiting_is_survived),
		TEST(works_without_a_mapping),
		TEST(a_burst_is_one_interrupt),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
