// SPDX-License-Identifier: BSD-3-Clause
/* The card's network driver on the fake card. */
#include "netcard.h"

#include <arpa/inet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct netcard nc;

static void note_log(void *arg, int level, const char *text)
{
	(void)arg;
	(void)level;
	nc.log_lines++;
	snprintf(nc.log, sizeof(nc.log), "%s", text);
}

int netcard_setup(void **state)
{
	if (vcard_setup(state))
		return -1;
	x100_loop_set_clock(vcard.loop, &x100_system_clock);
	memset(&nc, 0, sizeof(nc));
	snprintf(nc.dir, sizeof(nc.dir), "/tmp/x100-net-XXXXXX");
	assert_non_null(mkdtemp(nc.dir));
	nc.env = (struct x100_backend_env){
		.card = vcard.card,
		.loop = vcard.loop,
		.page = vcard.page,
		.card_name = "mic0",
		.state_dir = nc.dir,
		.log = note_log,
	};
	nc.address = inet_addr("10.0.2.15");
	nc.host = inet_addr("10.0.2.2");
	nc.local = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < sizeof(netcard_pattern); i++)
		netcard_pattern[i] = (uint8_t)(i * 13 + (i >> 9));
	return 0;
}

int netcard_teardown(void **state)
{
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	if (nc.backend)
		x100_net_class.close(nc.backend);
	nc.backend = NULL;
	rmdir(nc.dir);
	return vcard_teardown(state);
}

int netcard_try(const char *spec, struct x100_why *why)
{
	nc.env.page = vcard.page;
	nc.env.card = vcard.card;
	return x100_net_class.open(&nc.env, "net0", spec, why, &nc.backend);
}

void netcard_post(uint16_t i)
{
	struct vcard_queue *q = &nc.drv.q[0];

	if (!nc.rx_buffer[i])
		nc.rx_buffer[i] = vcard_alloc(NETCARD_BUFFER);
	vcard_desc(q, i, nc.rx_buffer[i], nc.rx_size, 2, 0);
	vcard_offer(q, i);
}

void netcard_probe(uint32_t features, unsigned int buffers, uint32_t size)
{
	vcard.next_db = 8;
	vcard_probe(&nc.drv, 0, features);
	nc.header = nc.drv.accepted & F(MRG_RXBUF) ? 12 : 10;
	memcpy(nc.mac, nc.drv.desc + x100_vdev_config((void *)nc.drv.desc), sizeof(nc.mac));
	nc.rx_size = size;
	for (unsigned int i = 0; i < buffers; i++)
		netcard_post((uint16_t)i);
	vcard_kick(&nc.drv);
}

void netcard_start(const char *spec, uint32_t features, unsigned int buffers, uint32_t size)
{
	struct x100_why why = { "" };

	if (netcard_try(spec, &why))
		fail_msg("%s: %s", spec, why.text);
	vcard_boot();
	netcard_probe(features, buffers, size);
}

void netcard_send(const struct virtio_net_hdr *header, const void *frame, size_t size)
{
	struct vcard_queue *q = &nc.drv.q[1];
	uint16_t i = q->avail_idx % q->num;
	uint32_t id, len;

	if (!nc.tx_buffer[i])
		nc.tx_buffer[i] = vcard_alloc(NETCARD_BUFFER);
	assert_true(nc.header + size <= NETCARD_BUFFER);
	memset(vcard_memory(nc.tx_buffer[i]), 0, nc.header);
	if (header)
		memcpy(vcard_memory(nc.tx_buffer[i]), header, sizeof(*header));
	memcpy(vcard_memory(nc.tx_buffer[i]) + nc.header, frame, size);
	vcard_desc(q, i, nc.tx_buffer[i], (uint32_t)(nc.header + size), 0, 0);
	vcard_offer(q, i);
	vcard_kick(&nc.drv);
	while (vcard_used(q, &id, &len))
		;
}

bool netcard_take(struct virtio_net_hdr_mrg_rxbuf *header, uint8_t *frame, size_t *size)
{
	struct vcard_queue *q = &nc.drv.q[0];
	uint32_t id, len;

	if (!vcard_used(q, &id, &len))
		return false;
	memset(header, 0, sizeof(*header));
	memcpy(header, vcard_memory(nc.rx_buffer[id]), nc.header);
	*size = len - nc.header;
	memcpy(frame, vcard_memory(nc.rx_buffer[id]) + nc.header, *size);
	netcard_post((uint16_t)id);
	for (unsigned int i = 1; nc.header == 12 && i < header->num_buffers; i++) {
		assert_true(vcard_used(q, &id, &len));
		assert_true(*size + len <= NET_FRAME_MAX);
		memcpy(frame + *size, vcard_memory(nc.rx_buffer[id]), len);
		*size += len;
		netcard_post((uint16_t)id);
	}
	return true;
}

static bool wait_for(uint64_t ns, struct virtio_net_hdr_mrg_rxbuf *header, uint8_t *frame,
		     size_t *size)
{
	uint64_t end = x100_loop_now(vcard.loop) + ns;

	while (!netcard_take(header, frame, size)) {
		if (x100_loop_now(vcard.loop) > end)
			return false;
		x100_loop_turn(vcard.loop, 10);
	}
	vcard_kick(&nc.drv);
	return true;
}

bool netcard_wait(struct virtio_net_hdr_mrg_rxbuf *header, uint8_t *frame, size_t *size)
{
	return wait_for(5 * X100_NS_PER_SEC, header, frame, size);
}

uint64_t netcard_count(const char *path)
{
	struct json_object *o = json_object_new_object(), *at = o;
	char copy[64], *save = NULL;
	uint64_t value;

	x100_net_class.status(nc.backend, o);
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *word = strtok_r(copy, ".", &save); word; word = strtok_r(NULL, ".", &save))
		assert_true(json_object_object_get_ex(at, word, &at));
	value = json_object_get_uint64(at);
	json_object_put(o);
	return value;
}

/* ------------------------------------------------------------------ protocols */

/* Plain and slow on purpose: what is tested has its own. */
static uint32_t add_words(uint32_t sum, const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < size; i++) {
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
		sum = (sum & 0xFFFF) + (sum >> 16);
	}
	return sum;
}

static uint16_t pseudo_sum(const struct ip *ip, uint8_t protocol, size_t size)
{
	uint32_t sum = add_words(protocol + (uint32_t)size, &ip->ip_src, 8);

	return (uint16_t)((sum & 0xFFFF) + (sum >> 16));
}

size_t netcard_ip(uint8_t *frame, uint8_t protocol, uint32_t to, const void *payload, size_t size)
{
	struct ether_header *e = (void *)frame;
	struct ip ip = {
		.ip_v = 4,
		.ip_hl = 5,
		.ip_len = htons((uint16_t)(sizeof(ip) + size)),
		.ip_ttl = 64,
		.ip_p = protocol,
		.ip_src.s_addr = nc.address,
		.ip_dst.s_addr = to,
	};

	memcpy(e->ether_dhost, nc.host_mac, 6);
	memcpy(e->ether_shost, nc.mac, 6);
	e->ether_type = htons(ETHERTYPE_IP);
	ip.ip_sum = htons((uint16_t)~add_words(0, &ip, sizeof(ip)));
	memcpy(frame + sizeof(*e), &ip, sizeof(ip));
	memcpy(frame + sizeof(*e) + sizeof(ip), payload, size);
	return sizeof(*e) + sizeof(ip) + size;
}

static void send_arp(uint16_t op, uint32_t target, const uint8_t target_mac[6])
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	uint8_t frame[sizeof(struct ether_header) + sizeof(struct ether_arp)];
	struct ether_header e = { .ether_type = htons(ETHERTYPE_ARP) };
	struct ether_arp a = {
		.ea_hdr = { htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), 6, 4, htons(op) },
	};

	memcpy(e.ether_dhost, target_mac ? target_mac : all, 6);
	memcpy(e.ether_shost, nc.mac, 6);
	memcpy(a.arp_sha, nc.mac, 6);
	memcpy(a.arp_spa, &nc.address, 4);
	if (target_mac)
		memcpy(a.arp_tha, target_mac, 6);
	memcpy(a.arp_tpa, &target, 4);
	memcpy(frame, &e, sizeof(e));
	memcpy(frame + sizeof(e), &a, sizeof(a));
	netcard_send(NULL, frame, sizeof(frame));
}

static bool is_arp(const uint8_t *frame, size_t size, struct ether_arp *a)
{
	struct ether_header e;

	if (size < sizeof(e) + sizeof(*a))
		return false;
	memcpy(&e, frame, sizeof(e));
	memcpy(a, frame + sizeof(e), sizeof(*a));
	return e.ether_type == htons(ETHERTYPE_ARP);
}

bool netcard_answer_arp(const uint8_t *frame, size_t size)
{
	struct ether_arp a;
	uint32_t asker;

	if (!is_arp(frame, size, &a) || a.arp_op != htons(ARPOP_REQUEST) ||
	    memcmp(a.arp_tpa, &nc.address, 4))
		return false;
	memcpy(&asker, a.arp_spa, 4);
	send_arp(ARPOP_REPLY, asker, a.arp_sha);
	return true;
}

void netcard_arp(void)
{
	static uint8_t frame[NET_FRAME_MAX];
	struct virtio_net_hdr_mrg_rxbuf h;
	struct ether_arp a;
	size_t size;

	/* As a card OS does: the first ones are lost when the host's interface only just came up. */
	for (int tries = 0; tries < 50; tries++) {
		send_arp(ARPOP_REQUEST, nc.host, NULL);
		while (wait_for(100 * X100_NS_PER_MS, &h, frame, &size)) {
			if (netcard_answer_arp(frame, size) || !is_arp(frame, size, &a) ||
			    a.arp_op != htons(ARPOP_REPLY))
				continue;
			assert_memory_equal(a.arp_spa, &nc.host, 4);
			memcpy(nc.host_mac, a.arp_sha, 6);
			return;
		}
	}
	fail_msg("the host does not answer ARP");
}

size_t netcard_wait_ip(uint8_t protocol, struct virtio_net_hdr_mrg_rxbuf *header, uint8_t *frame)
{
	size_t size;

	for (;;) {
		struct ip ip;

		if (!netcard_wait(header, frame, &size))
			fail_msg("no packet of protocol %u within 5 s", protocol);
		if (netcard_answer_arp(frame, size) || size < ETHER_HDR_LEN + sizeof(ip) ||
		    frame[12] != 8 || frame[13])
			continue;
		memcpy(&ip, frame + ETHER_HDR_LEN, sizeof(ip));
		if (ip.ip_p == protocol && ip.ip_dst.s_addr == nc.address)
			return size;
	}
}

bool netcard_sums_hold(const struct virtio_net_hdr_mrg_rxbuf *header, const uint8_t *frame,
		       size_t size)
{
	size_t at = ETHER_HDR_LEN + sizeof(struct ip), length = size - at;
	struct ip ip;
	uint16_t sum;

	memcpy(&ip, frame + ETHER_HDR_LEN, sizeof(ip));
	if (add_words(0, &ip, sizeof(ip)) != 0xFFFF || ntohs(ip.ip_len) != size - ETHER_HDR_LEN)
		return false;
	if (header->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		/* Only the pseudo header is in it so far. */
		memcpy(&sum, frame + header->hdr.csum_start + header->hdr.csum_offset, 2);
		return header->hdr.csum_start == at &&
		       ntohs(sum) == pseudo_sum(&ip, ip.ip_p, length);
	}
	return add_words(pseudo_sum(&ip, ip.ip_p, length), frame + at, length) == 0xFFFF;
}

void netcard_tcp_send(struct netcard_tcp *t, uint8_t flags, const void *data, size_t size,
		      uint16_t mss)
{
	static uint8_t frame[NET_FRAME_MAX], segment[NET_FRAME_MAX];
	struct virtio_net_hdr header = { 0 };
	struct tcphdr tcp = {
		.th_sport = htons(t->local),
		.th_dport = htons(t->port),
		.th_seq = htonl(t->seq),
		.th_ack = htonl(flags & TH_ACK ? t->ack : 0),
		.th_off = 5,
		.th_flags = flags,
		.th_win = htons(65535),
	};
	struct ip ip = { .ip_src.s_addr = nc.address, .ip_dst.s_addr = t->to };
	size_t length = sizeof(tcp) + size;
	uint16_t pseudo = pseudo_sum(&ip, IPPROTO_TCP, length);

	memcpy(segment + sizeof(tcp), data, size);
	if (mss) {
		tcp.th_sum = htons(pseudo);
		header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header.csum_start = ETHER_HDR_LEN + sizeof(ip);
		header.csum_offset = offsetof(struct tcphdr, th_sum);
		if (size > mss) {
			header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			header.gso_size = mss;
			header.hdr_len = ETHER_HDR_LEN + sizeof(ip) + sizeof(tcp);
		}
		memcpy(segment, &tcp, sizeof(tcp));
	} else {
		memcpy(segment, &tcp, sizeof(tcp));
		tcp.th_sum = htons((uint16_t)~add_words(pseudo, segment, length));
		memcpy(segment, &tcp, sizeof(tcp));
	}
	t->seq += (uint32_t)size + !!(flags & (TH_SYN | TH_FIN));
	netcard_send(&header, frame, netcard_ip(frame, IPPROTO_TCP, t->to, segment, length));
}

size_t netcard_tcp_receive(struct netcard_tcp *t, uint8_t *flags, void *data)
{
	static uint8_t frame[NET_FRAME_MAX];
	struct virtio_net_hdr_mrg_rxbuf header;

	for (;;) {
		size_t size = netcard_wait_ip(IPPROTO_TCP, &header, frame);
		size_t at = ETHER_HDR_LEN + sizeof(struct ip);
		struct tcphdr tcp;

		memcpy(&tcp, frame + at, sizeof(tcp));
		if (tcp.th_dport != htons(t->local) || tcp.th_sport != htons(t->port))
			continue;
		assert_true(netcard_sums_hold(&header, frame, size));
		at += 4u * tcp.th_off;
		*flags = tcp.th_flags;
		if (*flags & TH_SYN)
			t->ack = ntohl(tcp.th_seq);
		assert_int_equal(ntohl(tcp.th_seq), t->ack);
		size -= at;
		memcpy(data, frame + at, size);
		t->ack += (uint32_t)size + !!(*flags & (TH_SYN | TH_FIN));
		if (size > t->largest)
			t->largest = (unsigned int)size;
		if (header.hdr.gso_type) {
			assert_int_equal(header.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
			assert_true(header.hdr.gso_size && header.hdr.gso_size < size);
			t->gso++;
		}
		if (size)
			netcard_tcp_send(t, TH_ACK, "", 0, 0);
		return size;
	}
}

void netcard_tcp_connect(struct netcard_tcp *t, uint32_t to, uint16_t port)
{
	uint8_t flags, none[NET_FRAME_MAX];

	memset(t, 0, sizeof(*t));
	t->to = to;
	t->port = port;
	t->local = (uint16_t)(40000 + rand() % 1000);
	t->seq = 1000;
	netcard_tcp_send(t, TH_SYN, "", 0, 0);
	netcard_tcp_receive(t, &flags, none);
	assert_int_equal(flags & (TH_SYN | TH_ACK | TH_RST), TH_SYN | TH_ACK);
	netcard_tcp_send(t, TH_ACK, "", 0, 0);
}

/* ------------------------------------------------------------------ programs on the host */

uint8_t netcard_pattern[1 << 20], netcard_data[1 << 20];

struct sockaddr_in netcard_local(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = nc.local,
	};
}

int netcard_bound(int type, uint16_t *port)
{
	struct sockaddr_in in = netcard_local(0);
	socklen_t size = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

int netcard_listener(uint16_t *port)
{
	int fd = netcard_bound(SOCK_STREAM, port);

	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static int accept_one(int fd)
{
	for (int i = 0; i < 500; i++) {
		int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (c >= 0)
			return c;
		x100_loop_turn(vcard.loop, 10);
	}
	fail_msg("nobody connected");
	return -1;
}

size_t netcard_read(int fd, uint8_t *to, size_t size)
{
	size_t done = 0;

	for (int i = 0; i < 500 && done < size; i++) {
		ssize_t n = read(fd, to + done, size - done);

		if (!n)
			break;
		if (n > 0)
			done += (size_t)n;
		else
			x100_loop_turn(vcard.loop, 10);
	}
	return done;
}

int netcard_connected(struct netcard_tcp *t)
{
	uint16_t port;
	int l = netcard_listener(&port), c;

	netcard_tcp_connect(t, nc.host, port);
	c = accept_one(l);
	close(l);
	return c;
}

void netcard_host_sends(struct netcard_tcp *t, int fd, size_t size)
{
	size_t sent = 0, received = 0;
	uint8_t flags;

	while (received < size) {
		ssize_t n = sent < size ? write(fd, netcard_pattern + sent, size - sent) : 0;

		if (n > 0)
			sent += (size_t)n;
		received += netcard_tcp_receive(t, &flags, netcard_data + received);
		assert_false(flags & TH_RST);
		assert_true(received <= size);
	}
	assert_memory_equal(netcard_data, netcard_pattern, size);
}
