// SPDX-License-Identifier: BSD-3-Clause
/* Reassembly of IPv4 packets without options. */
#include "slirp_frag.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <string.h>

#include "csum.h"

#define IP_AT   ETHER_HDR_LEN
#define DATA_AT (IP_AT + sizeof(struct ip))
#define UNIT    8u
/* Of all pieces together. */
#define DATA_MAX (65535 - sizeof(struct ip))

static bool parse(const uint8_t *frame, size_t size, struct ip *ip)
{
	struct ether_header ether;

	if (size < DATA_AT)
		return false;
	memcpy(&ether, frame, sizeof(ether));
	memcpy(ip, frame + IP_AT, sizeof(*ip));
	return ether.ether_type == htons(ETHERTYPE_IP) && ip->ip_v == 4 && ip->ip_hl == 5;
}

bool slirp_frag_is(const uint8_t *frame, size_t size)
{
	struct ip ip;

	return parse(frame, size, &ip) && ip.ip_off & htons(IP_MF | IP_OFFMASK);
}

/* The packet that a fragment belongs to; a new one if there is none yet. */
static struct slirp_frag_packet *find(struct slirp_frag *frag, const struct ip *ip, uint64_t now)
{
	struct slirp_frag_packet *oldest = &frag->packet[0];

	for (unsigned int i = 0; i < SLIRP_FRAG_PACKETS; i++) {
		struct slirp_frag_packet *p = &frag->packet[i];

		if (p->since && p->from == ip->ip_src.s_addr && p->to == ip->ip_dst.s_addr &&
		    p->id == ip->ip_id && p->protocol == ip->ip_p)
			return p;
		if (p->since < oldest->since)
			oldest = p;
	}
	memset(oldest, 0, offsetof(struct slirp_frag_packet, frame));
	oldest->since = now;
	oldest->from = ip->ip_src.s_addr;
	oldest->to = ip->ip_dst.s_addr;
	oldest->id = ip->ip_id;
	oldest->protocol = ip->ip_p;
	return oldest;
}

/* Note that [at, at + size) of the payload is there. False when some of it was before. */
static bool mark(struct slirp_frag_packet *p, size_t at, size_t size)
{
	for (size_t unit = at / UNIT; unit < (at + size + UNIT - 1) / UNIT; unit++) {
		if (p->seen[unit / 8] & 1u << unit % 8)
			return false;
		p->seen[unit / 8] |= (uint8_t)(1u << unit % 8);
	}
	return true;
}

/* Put a piece in; false when it does not fit to the others. */
static bool put(struct slirp_frag_packet *p, const uint8_t *frame, const struct ip *ip, size_t size)
{
	size_t at = (ntohs(ip->ip_off) & IP_OFFMASK) * UNIT;
	bool more = ip->ip_off & htons(IP_MF);

	if (!size || (more && size % UNIT) || at + size > DATA_MAX)
		return false;
	if (p->total && (!more || at + size > p->total))
		return false;
	if (!mark(p, at, size))
		return false;
	memcpy(p->frame + DATA_AT + at, frame + DATA_AT, size);
	if (!at)
		memcpy(p->frame, frame, DATA_AT);
	p->have += size;
	if (at + size > p->end)
		p->end = at + size;
	if (!more)
		p->total = at + size;
	return !p->total || p->end <= p->total;
}

size_t slirp_frag_add(struct slirp_frag *frag, const uint8_t *frame, size_t size, uint64_t now,
		      uint8_t **whole, bool *refused)
{
	struct slirp_frag_packet *p;
	struct ip ip;
	size_t length;

	*refused = true;
	if (!parse(frame, size, &ip))
		return 0;
	length = ntohs(ip.ip_len);
	if (length < sizeof(ip) || length > size - IP_AT)
		return 0;
	p = find(frag, &ip, now);
	if (!put(p, frame, &ip, length - sizeof(ip))) {
		p->since = 0;
		return 0;
	}
	*refused = false;
	if (!p->total || p->have != p->total)
		return 0;
	p->since = 0;
	memcpy(&ip, p->frame + IP_AT, sizeof(ip));
	ip.ip_len = htons((uint16_t)(sizeof(ip) + p->total));
	ip.ip_off = 0;
	ip.ip_sum = 0;
	ip.ip_sum = (uint16_t)~x100_csum_fold(x100_csum_sum(&ip, sizeof(ip)));
	memcpy(p->frame + IP_AT, &ip, sizeof(ip));
	*whole = p->frame;
	return DATA_AT + p->total;
}
