// SPDX-License-Identifier: BSD-3-Clause
/* Merging of TCP segments over IPv4 without IP options. */
#include "slirp_merge.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>

#include "csum.h"

#define IP_AT  ETHER_HDR_LEN
#define TCP_AT (IP_AT + sizeof(struct ip))

struct headers {
	struct ether_header ether;
	struct ip ip;
	struct tcphdr tcp;
} __attribute__((packed));

/* Copy the headers out of a segment that may be merged; false: it may not. *@payload: where it begins. */
static bool parse(const uint8_t *frame, size_t size, struct headers *h, size_t *payload)
{
	if (size < sizeof(*h) || size > NET_FRAME_MAX)
		return false;
	memcpy(h, frame, sizeof(*h));
	*payload = TCP_AT + 4u * h->tcp.th_off;
	return h->ether.ether_type == htons(ETHERTYPE_IP) && h->ip.ip_v == 4 && h->ip.ip_hl == 5 &&
	       !(h->ip.ip_off & htons(IP_MF | IP_OFFMASK)) && h->ip.ip_p == IPPROTO_TCP &&
	       ntohs(h->ip.ip_len) == size - IP_AT && h->tcp.th_off >= 5 && *payload < size &&
	       (h->tcp.th_flags & ~TH_PUSH) == TH_ACK && !h->tcp.th_urp;
}

/* Of the same stream, and with the same to say besides its data. */
static bool continues(const struct slirp_merge *merge, const struct headers *h, size_t size,
		      size_t payload)
{
	struct headers held;

	memcpy(&held, merge->frame, sizeof(held));
	return !merge->closed && ntohl(h->tcp.th_seq) == merge->next &&
	       size - payload <= merge->unit && merge->size + size - payload <= NET_FRAME_MAX &&
	       !memcmp(&held.ether, &h->ether, sizeof(held.ether)) &&
	       held.ip.ip_tos == h->ip.ip_tos && held.ip.ip_ttl == h->ip.ip_ttl &&
	       held.ip.ip_src.s_addr == h->ip.ip_src.s_addr &&
	       held.ip.ip_dst.s_addr == h->ip.ip_dst.s_addr &&
	       held.tcp.th_sport == h->tcp.th_sport && held.tcp.th_dport == h->tcp.th_dport &&
	       held.tcp.th_ack == h->tcp.th_ack && held.tcp.th_win == h->tcp.th_win &&
	       held.tcp.th_off == h->tcp.th_off;
}

bool slirp_merge_add(struct slirp_merge *merge, const uint8_t *frame, size_t size)
{
	struct headers h;
	size_t payload;

	if (!parse(frame, size, &h, &payload))
		return false;
	if (!merge->size) {
		memcpy(merge->frame, frame, size);
		merge->size = size;
		merge->unit = size - payload;
		merge->segments = 1;
	} else {
		/* Options (time stamps) have to be the same, too. */
		if (!continues(merge, &h, size, payload) ||
		    memcmp(merge->frame + sizeof(h), frame + sizeof(h), payload - sizeof(h)))
			return false;
		memcpy(merge->frame + merge->size, frame + payload, size - payload);
		merge->size += size - payload;
		merge->segments++;
	}
	merge->next = ntohl(h.tcp.th_seq) + (uint32_t)(size - payload);
	merge->closed = h.tcp.th_flags & TH_PUSH || size - payload < merge->unit;
	if (h.tcp.th_flags & TH_PUSH)
		merge->frame[TCP_AT + offsetof(struct tcphdr, th_flags)] |= TH_PUSH;
	return true;
}

void slirp_merge_finish(struct slirp_merge *merge, struct virtio_net_hdr *header)
{
	struct headers h;
	uint64_t pseudo;

	*header = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	if (merge->segments == 1)
		return;
	memcpy(&h, merge->frame, sizeof(h));
	*header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)(TCP_AT + 4u * h.tcp.th_off),
		.gso_size = (uint16_t)merge->unit,
		.csum_start = TCP_AT,
		.csum_offset = offsetof(struct tcphdr, th_sum),
	};
	h.ip.ip_len = htons((uint16_t)(merge->size - IP_AT));
	h.ip.ip_sum = 0;
	h.ip.ip_sum = (uint16_t)~x100_csum_fold(x100_csum_sum(&h.ip, sizeof(h.ip)));
	/* The card finishes it, or takes it as good: only the pseudo header counts so far. */
	pseudo = x100_csum_sum(&h.ip.ip_src, 2 * sizeof(h.ip.ip_src)) + htons(IPPROTO_TCP) +
		 htons((uint16_t)(merge->size - TCP_AT));
	h.tcp.th_sum = x100_csum_fold(pseudo);
	memcpy(merge->frame, &h, sizeof(h));
}
