/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consecutive TCP segments for the card put together into one packet that says how it was cut
 * (VIRTIO_NET_F_GUEST_TSO4): libslirp emits a window's worth of them in one go.
 */
#ifndef X100_SLIRP_MERGE_H
#define X100_SLIRP_MERGE_H

#include "net.h"

struct slirp_merge {
	size_t size;   /* of the frame; 0: none is held */
	size_t unit;   /* TCP payload of the first segment, and of all but the last */
	bool closed;   /* the last one was shorter, or said PSH */
	uint32_t next; /* sequence number behind it */
	unsigned int segments;
	uint8_t frame[NET_FRAME_MAX];
};

/*
 * Hold @frame, behind what is held. False when it does not continue that, or is no TCP segment with
 * nothing but data: then it goes out by itself, after what is held.
 */
bool slirp_merge_add(struct slirp_merge *merge, const uint8_t *frame, size_t size);

/*
 * Make what is held ready to go: fills in @header, and the frame's own headers where it has more than
 * one segment. The caller sends merge->frame, then sets merge->size to 0.
 */
void slirp_merge_finish(struct slirp_merge *merge, struct virtio_net_hdr *header);

#endif
