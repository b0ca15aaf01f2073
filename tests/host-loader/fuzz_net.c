// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzzed: the network device in front of libslirp: headers and packets of a hostile card, receive buffers of
 * any shape, packets of the host, resets; the merging of segments; checksums against a plain sum. Faked:
 * page and rings (fake_vq.h). The card is restricted, so that no packet of it leaves this process.
 */
#include "fake_vq.h"
#include "fuzz_input.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"
#include "net.h"
#include "slirp_merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net *net;
static struct slirp_merge merge;
static uint8_t frame[NET_FRAME_MAX + 64];

static size_t any_size(void)
{
	static const size_t sizes[] = { 0, 13, 14, 42, 54, 60, 1514, 9014, 65549, 65550 };
	uint8_t what = byte();

	return what < 10 ? sizes[what] : what < 200 ? what : word();
}

/* A packet with what checks look at in place, most of the time, and some bytes of it changed. */
static size_t any_frame(void)
{
	static const uint8_t host[] = { 0x52, 0x55, 10, 0, 2, 2 };
	static const uint8_t protocols[] = { 6, 17, 1, 6 };
	size_t size = any_size();
	uint8_t what = byte(), piece = byte();
	uint16_t length;

	memset(frame, 0, size);
	memcpy(frame, host, 6);
	frame[12] = 8;
	frame[13] = what & 0x40 ? 6 : 0;
	if (frame[13]) {
		memcpy(frame + 14, "\0\1\10\0\6\4\0\1", 8);
		memcpy(frame + 28, "\12\0\2\17", 4);
		memcpy(frame + 38, "\12\0\2\2", 4);
	} else {
		length = htons((uint16_t)(size - 14));
		frame[14] = 0x45;
		memcpy(frame + 16, &length, 2);
		if (piece >= 0xC0) {
			frame[20] = piece & 0x20;
			frame[21] = piece & 0x1F;
		}
		frame[22] = 64;
		frame[23] = protocols[what & 3];
		memcpy(frame + 26, "\12\0\2\17\12\0\2\2", 8);
		frame[34] = what & 4;
		frame[36] = 0;
		frame[37] = what & 8 ? 67 : 80;
		frame[41] = byte();
		frame[46] = (uint8_t)(what & 0x20 ? byte() : 0x50);
		frame[47] = what & 0x10 ? 2 : 0x10;
	}
	for (uint8_t changes = byte() & 7; changes; changes--)
		frame[word() % sizeof(frame)] = byte();
	if (!frame[13] && !(what & 0x80)) {
		length = 0;
		memcpy(frame + 24, &length, 2);
		length = (uint16_t)~x100_csum_fold(x100_csum_sum(frame + 14, 20));
		memcpy(frame + 24, &length, 2);
	}
	return size;
}

static struct virtio_net_hdr any_header(void)
{
	static const uint8_t types[] = { 0, 1, 4, 0x81, 0x84, 3, 5, 0xFF };
	struct virtio_net_hdr h = { 0 };
	uint8_t what = byte();

	if (what & 1) {
		h.flags = 1;
		h.csum_start = what & 2 ? word() : 34;
		h.csum_offset = what & 4 ? word() : 16;
	}
	if (what & 8) {
		h.gso_type = types[what >> 5];
		h.gso_size = what & 16 ? word() : 1460;
	}
	return h;
}

/* In the first MiB of card memory; in up to 8 parts. */
static void card_sends(void)
{
	struct virtio_net_hdr h = any_header();
	size_t size = any_frame() + net->header_size;
	struct x100_seg seg[8];
	uint16_t parts = 0;
	uint32_t at = 0;

	if (byte() < 8)
		size = byte() % 13;
	memset(fake_vq.memory, 0, 16);
	memcpy(fake_vq.memory, &h, sizeof(h));
	memcpy(fake_vq.memory + net->header_size, frame, sizeof(frame));
	while (at < size) {
		uint32_t part = (uint32_t)size - at, cut = word();

		if (parts < 7 && cut && cut < part)
			part = cut;
		seg[parts++] = (struct x100_seg){ at, part };
		at += part;
	}
	if (parts && fake_vq.queue[1].offers < FAKE_VQ_CHAINS)
		fake_vq_offer(1, word(), seg, parts, 0);
}

static void card_posts(void)
{
	static const uint32_t sizes[] = { 1, 9, 10, 11, 12, 13, 64, 1526, 4096, 65560 };
	struct x100_seg seg[4];
	uint8_t shape = byte();
	uint16_t readable = shape >> 6 & 1, writable = 1 + (shape & 3);

	writable = (uint16_t)(writable > 3 ? 3 : writable);
	for (unsigned int i = 0; i < (unsigned int)readable + writable; i++)
		seg[i] = (struct x100_seg){ (1u << 20) + byte() * 16u, sizes[byte() % 10] };
	for (uint8_t count = shape >> 2 & 15; count; count--)
		if (fake_vq.queue[0].offers < FAKE_VQ_CHAINS)
			fake_vq_offer(0, word(), seg, readable, writable);
}

/* A merged packet is one that a card accepts. */
static void give_merged(void)
{
	struct virtio_net_hdr h;
	uint16_t length;

	slirp_merge_finish(&merge, &h);
	memcpy(&length, merge.frame + 16, 2);
	if (ntohs(length) != merge.size - 14 || merge.size > NET_FRAME_MAX)
		abort();
	if (h.gso_type &&
	    (x100_csum_fold(x100_csum_sum(merge.frame + 14, 20)) != 0xFFFF || !h.gso_size ||
	     h.hdr_len >= merge.size || h.gso_size >= merge.size - h.hdr_len))
		abort();
	net_receive(net, &h, merge.frame, merge.size);
	merge.size = 0;
}

static void host_sends(void)
{
	struct virtio_net_hdr h = { 0 };
	size_t size = any_frame();

	if (size > NET_FRAME_MAX)
		return;
	if (slirp_merge_add(&merge, frame, size))
		return;
	if (merge.size)
		give_merged();
	net_receive(net, &h, frame, size);
}

static void check_csum(const uint8_t *data, size_t size)
{
	size_t start, offset;
	uint32_t sum = 0;
	uint16_t got;
	uint8_t *copy;

	if (size < 4)
		return;
	start = data[0] | (size_t)(data[1] & 3) << 8;
	offset = data[2] | (size_t)(data[3] & 3) << 8;
	copy = malloc(size);
	if (!copy)
		return;
	memcpy(copy, data, size);
	if (x100_csum_finish(copy, size, start, offset)) {
		for (size_t i = start; i < size; i++)
			sum += (i - start) & 1 ? data[i] : (uint32_t)data[i] << 8;
		memcpy(&got, copy + start + offset, 2);
		while (sum >> 16)
			sum = (sum & 0xFFFF) + (sum >> 16);
		if ((sum + ntohs(got)) % 0xFFFF)
			abort();
	} else if (start + offset + 2 <= size) {
		abort();
	}
	free(copy);
}

/* All that the card sent came back, unless it is the next turn's. */
static void check_sent(void)
{
	const struct fake_queue *q = &fake_vq.queue[1];

	if (fake_vq.live && !net->more.queued && (q->taken != q->offers || q->pushed != q->taken))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct x100_backend *backend;
	struct x100_why why;

	if (!backend) {
		fake_vq_setup();
		fake_vq.env.legacy_features = size & 1;
		if (x100_net_class.open(&fake_vq.env, "net0", "slirp,ssh=no,restrict,entries=64",
					&why, &backend))
			abort();
		net = (struct net *)backend;
	}
	check_csum(data, size);
	input = data;
	left = size;
	merge.size = 0;
	fake_vq_start((word() | (uint32_t)byte() << 16) & fake_vq.params.features);
	while (left) {
		switch (byte() & 15) {
		case 0:
			fake_vq_kick();
			check_sent();
			break;
		case 1:
			x100_loop_turn(fake_vq.env.loop, 0);
			break;
		case 2:
			fake_vq_stop();
			break;
		case 3:
			fake_vq.mapped = !fake_vq.mapped;
			break;
		case 4:
			fake_vq.gone = !fake_vq.gone;
			break;
		case 5:
			fake_vq.pop_faults = true;
			fake_vq_kick();
			host_sends();
			fake_vq.pop_faults = false;
			break;
		case 6:
		case 7:
		case 8:
			card_posts();
			break;
		case 9:
		case 10:
		case 11:
			host_sends();
			break;
		default:
			card_sends();
			break;
		}
		if (!fake_vq.live)
			fake_vq_start((word() | (uint32_t)byte() << 16) & fake_vq.params.features);
	}
	fake_vq_kick();
	for (int i = 0; i < 100 && net->more.queued; i++)
		x100_loop_turn(fake_vq.env.loop, 0);
	check_sent();
	fake_vq_stop();
	fake_vq.mapped = true;
	fake_vq.gone = false;
	return 0;
}
