/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4 fragments of the card put together again before libslirp sees them. Fragments that overlap or
 * contradict each other are given up, all of that packet.
 */
#ifndef X100_SLIRP_FRAG_H
#define X100_SLIRP_FRAG_H

#include "net.h"

/* Packets in pieces at a time; another one takes the place of the oldest. */
#define SLIRP_FRAG_PACKETS 4

struct slirp_frag {
	struct slirp_frag_packet {
		uint64_t since; /* ns; 0: unused */
		uint32_t from, to;
		uint16_t id;
		uint8_t protocol;
		size_t have, end;         /* payload bytes: in all, and behind the last one */
		size_t total;             /* 0: the last fragment is not there yet */
		uint8_t seen[65536 / 64]; /* a bit for 8 bytes of payload */
		uint8_t frame[NET_FRAME_MAX];
	} packet[SLIRP_FRAG_PACKETS];
};

/* True for a frame that slirp_frag_add() is for. */
bool slirp_frag_is(const uint8_t *frame, size_t size);

/*
 * Take a fragment. Returns the size of the packet that it completed, in *@whole, valid until the next
 * call; 0 if it did not, with *@refused set when it was no sound one.
 *
 * @now: ns, above 0
 */
size_t slirp_frag_add(struct slirp_frag *frag, const uint8_t *frame, size_t size, uint64_t now,
		      uint8_t **whole, bool *refused);

#endif
