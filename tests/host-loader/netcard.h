/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's network driver, played by a test on the fake card (vcard.h), and enough of Ethernet, IPv4
 * and TCP to talk to what is behind the back-end.
 */
#ifndef NETCARD_H
#define NETCARD_H

#include "vcard.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>

#include "backend.h"
#include "net.h"

#define NETCARD_BUFFER 70000u
#define F(name)        (1u << VIRTIO_NET_F_##name)

struct netcard {
	struct x100_backend_env env;
	struct x100_backend *backend;
	struct vcard_driver drv;
	size_t header; /* bytes */
	uint64_t tx_buffer[1024], rx_buffer[1024];
	uint32_t rx_size; /* of each receive buffer */
	uint8_t mac[6], host_mac[6];
	uint32_t address, host; /* network order */
	uint32_t local;         /* what programs on the host bind to: 127.0.0.1 */
	char dir[64];
	unsigned int log_lines;
	char log[256];
};

extern struct netcard nc;

/* A fake card with real time and without a network device, and its end. */
int netcard_setup(void **state);
int netcard_teardown(void **state);
/* Make the back-end; returns what its open() did, with the reason in @why. */
int netcard_try(const char *spec, struct x100_why *why);
/* Make it, boot the card and bind the driver with these features and @buffers receive buffers. */
void netcard_start(const char *spec, uint32_t features, unsigned int buffers, uint32_t size);
/* Bind again. */
void netcard_probe(uint32_t features, unsigned int buffers, uint32_t size);

/* Post receive buffer @i of nc.rx_size bytes, without kicking. */
void netcard_post(uint16_t i);
/* Send a frame in one buffer; @header NULL: all zero. */
void netcard_send(const struct virtio_net_hdr *header, const void *frame, size_t size);
/*
 * Take the next frame, put together from its buffers, which are posted again; false when there is none.
 * @frame: room for NET_FRAME_MAX
 */
bool netcard_take(struct virtio_net_hdr_mrg_rxbuf *header, uint8_t *frame, size_t *size);
/* The same, turning the loop for up to 5 s. */
bool netcard_wait(struct virtio_net_hdr_mrg_rxbuf *header, uint8_t *frame, size_t *size);

/* A counter of status(): "dropped.bad_header", "card_to_host.packets". */
uint64_t netcard_count(const char *path);

/* ------------------------------------------------------------------ protocols */

/* Build "Ethernet + IPv4 + @size bytes of @protocol" in @frame; returns its size. */
size_t netcard_ip(uint8_t *frame, uint8_t protocol, uint32_t to, const void *payload, size_t size);
/* Learn the host's MAC address, answering ARP requests meanwhile. */
void netcard_arp(void);
/* Answer @frame if it is an ARP request for us. */
bool netcard_answer_arp(const uint8_t *frame, size_t size);
/* The next frame of IPv4 protocol @protocol, waiting 5 s; ARP is answered. Returns its size. */
size_t netcard_wait_ip(uint8_t protocol, struct virtio_net_hdr_mrg_rxbuf *header, uint8_t *frame);
/* True when the frame's IP header checksum and, if @header vouches for nothing, its TCP checksum hold. */
bool netcard_sums_hold(const struct virtio_net_hdr_mrg_rxbuf *header, const uint8_t *frame,
		       size_t size);

/* One end of a TCP connection; no retransmission, no options. */
struct netcard_tcp {
	uint32_t to; /* network order */
	uint16_t port, local;
	uint32_t seq, ack;
	unsigned int largest; /* payload of a received packet */
	unsigned int gso;     /* packets that came in one with others */
};
/*
 * Send a segment with @flags (TH_...); more than @mss bytes go as one packet for TSO, @mss 0: as it is
 * with its checksum done.
 */
void netcard_tcp_send(struct netcard_tcp *t, uint8_t flags, const void *data, size_t size,
		      uint16_t mss);
/* The next segment of the connection; acknowledges data. Returns payload bytes, copied to @data. */
size_t netcard_tcp_receive(struct netcard_tcp *t, uint8_t *flags, void *data);
void netcard_tcp_connect(struct netcard_tcp *t, uint32_t to, uint16_t port);

/* ------------------------------------------------------------------ programs on the host */

/* Bytes to be sent, and room for as many that came. */
extern uint8_t netcard_pattern[1 << 20], netcard_data[1 << 20];

struct sockaddr_in netcard_local(uint16_t port);
/* A socket bound to a free port, and one that listens. They never block. */
int netcard_bound(int type, uint16_t *port);
int netcard_listener(uint16_t *port);
/* Read @size bytes or up to the end, turning the loop for at most 5 s. */
size_t netcard_read(int fd, uint8_t *to, size_t size);
/* A connection of the card to a program on the host, whose end is returned. */
int netcard_connected(struct netcard_tcp *t);
/* The host sends @size bytes of the pattern, which the card receives and compares. */
void netcard_host_sends(struct netcard_tcp *t, int fd, size_t size);

#endif
