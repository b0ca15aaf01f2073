/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network back-end inside: what the card's side (net.c) and the host's side, called a port (slirp.c,
 * tap.c), are to each other.
 */
#ifndef X100_NET_H
#define X100_NET_H

#include <linux/virtio_net.h>
#include <net/ethernet.h>

#include "backend.h"

#define NET_MTU_MIN 576
#define NET_MTU_MAX 9000
/* The longest frame: 64 KiB of IP packet behind its Ethernet header. */
#define NET_FRAME_MAX (ETHER_HDR_LEN + 65535)
/* Receive buffers that one frame may take (VIRTIO_NET_F_MRG_RXBUF). */
#define NET_SPREAD 64

struct net;

/* All from the loop's thread. */
struct net_port_ops {
	const char *kind; /* first word of the specification */
	/* Words it knows, NULL-ended. */
	const char *const *keys;
	/* Check the words without opening anything. */
	int (*check)(const struct x100_spec *spec, struct x100_why *why);
	/* Open the host's side: sets net->port, may set net->mtu. Errors: those of the class. */
	int (*open)(struct net *net, const struct x100_backend_env *env,
		    const struct x100_spec *spec, struct x100_why *why);
	void (*close)(struct net *net);
	/* The card's driver is ready, or gone. */
	void (*start)(struct net *net);
	void (*stop)(struct net *net);
	/*
	 * A frame of @size bytes from the card, behind the header in @chain. @header was checked. Returns
	 * false when the host did not take it; it is lost then.
	 */
	bool (*send)(struct net *net, const struct virtio_net_hdr *header,
		     const struct x100_chain *chain, size_t size);
	/*
	 * That was all that the card had to send now: what the host answered already may come with the
	 * same interrupt. NULL: the loop will tell.
	 */
	void (*sent)(struct net *net);
	/* net_receive() is useful again after net->starved was true. */
	void (*resume)(struct net *net);
	void (*status)(const struct net *net, struct json_object *status);
	/* True while the host's side has a link. */
	bool (*link)(const struct net *net);
};

extern const struct net_port_ops net_slirp, net_tap;

/* A frame that waits until the card posts buffers. */
struct net_frame {
	struct net_frame *next;
	struct virtio_net_hdr header;
	size_t size;
	uint8_t bytes[];
};

struct net {
	struct x100_backend backend; /* first: this is one */
	struct x100_loop *loop;
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
	const struct net_port_ops *ops;
	void *port;
	uint8_t mac[ETHER_ADDR_LEN];
	uint16_t mtu;
	uint16_t entries;
	bool link;

	/* Valid while a driver is there. */
	bool live;
	uint32_t features;  /* accepted */
	size_t header_size; /* in front of each frame */
	struct x100_vq *rx, *tx;
	struct x100_chain *rx_chain[NET_SPREAD], *tx_chain;
	bool pushed;           /* buffers, but not flushed */
	struct x100_task more; /* frames of the card left for the next turn */

	/* Frames for the card, oldest first, while it has no buffers for them. */
	bool starved;
	struct net_frame *waiting, **waiting_end;
	size_t waiting_bytes;
	struct x100_timer stuck; /* the deadline of the oldest */

	/* For a port that needs a frame in one piece. */
	uint8_t frame[NET_FRAME_MAX];

	struct net_counters {
		uint64_t tx_packets, tx_bytes; /* card to host */
		uint64_t rx_packets, rx_bytes; /* host to card */
		uint64_t tx_bad;               /* header or size that makes no sense */
		uint64_t tx_refused;           /* the host did not take it */
		uint64_t rx_no_driver;
		uint64_t rx_no_room; /* no buffers in time, or more waits than is kept */
		uint64_t rx_too_long;
	} count;
};

/*
 * A frame for the card. Never fails: it is copied into the card's buffers, kept until there are some
 * (net->starved is true then: give no more before ops->resume()), or dropped and counted. After a
 * few of them, net_flush().
 *
 * @header: in the card's terms, num_buffers aside; offloads the card did not accept must not be in it
 */
void net_receive(struct net *net, const struct virtio_net_hdr *header, const void *frame,
		 size_t size);
/* Let the card see what net_receive() put into its buffers. */
void net_flush(struct net *net);

/* True when the card accepts frames whose checksum somebody else vouches for. */
bool net_card_trusts(const struct net *net);

/* One line for the log. */
void net_log(const struct net *net, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Parse "[A.B.C.D:]PORT" up to the end of @text. @address keeps its value if there is none. */
bool net_parse_port(const char *text, uint32_t *address, uint16_t *port);
/* Parse "A.B.C.D/PREFIX"; both in network order. */
bool net_parse_network(const char *text, uint32_t *address, uint32_t *mask);

#endif
