// SPDX-License-Identifier: BSD-3-Clause
/*
 * Queues: chains taken from rings in host memory, which the card writes, and given back through used
 * rings in card memory (x100-abi.md 2.7, 2.8). Every word of the card is read once and checked; what
 * this side tells the card is kept here and never read back.
 *
 * The length in a used element is the number of bytes written, as virtio says. The old host counted
 * the bytes it had read as well, which no driver relied on.
 */
#include "vpage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY     1u

/* Offsets in a used ring. */
#define USED_FLAGS 0u
#define USED_IDX   2u
#define USED_ELEM  4u

/* ------------------------------------------------------------------ the two halves of a ring */

static uint16_t mask(const struct x100_vq *vq, uint16_t index)
{
	return index & (uint16_t)(vq->num - 1);
}

static uint16_t avail_flags(const struct x100_vq *vq)
{
	return shared_load16(vq->ring + x100_vring_avail(vq->num));
}

static uint16_t avail_idx(const struct x100_vq *vq)
{
	return shared_load16(vq->ring + x100_vring_avail(vq->num) + 2);
}

static uint16_t avail_entry(const struct x100_vq *vq, uint16_t index)
{
	return shared_load16(vq->ring + x100_vring_avail(vq->num) + 4 + 2u * mask(vq, index));
}

static uint16_t used_event(const struct x100_vq *vq)
{
	return shared_load16(vq->ring + x100_vring_used_event(vq->num));
}

static uint32_t trailer_offset(const struct x100_vq *vq)
{
	return vq->dev->page->params.generation == X100_GEN_C2 ? x100_vring_info_c2(vq->num) :
								 x100_vring_info_c(vq->num);
}

static void used_put16(struct x100_vq *vq, uint32_t offset, uint16_t value)
{
	if (vq->used)
		shared_store16(vq->used + offset, value);
	else
		x100_memory_write(vq->dev->page->card, vq->used_address + offset, &value,
				  sizeof(value));
}

static uint32_t avail_event_offset(const struct x100_vq *vq)
{
	return USED_ELEM + 8u * vq->num;
}

/*
 * Make sure that the card sees what was stored before anything is read that the card stores in turn.
 * Over a link only a read does that; it also brings in what the card wrote before.
 */
static void settle(struct x100_vq *vq)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vq->used && !vq->dev->page->card->ops->memory_backed)
		(void)shared_load16(vq->used + USED_FLAGS);
}

/* ------------------------------------------------------------------ life */

void vring_lay(struct x100_vq *vq)
{
	struct x100_vring_info info = {
		.magic = X100_DEVPAGE_MAGIC + vq->dev->params.type + vq->index,
	};

	memset(vq->ring, 0, (size_t)vq->memory.pages * ARENA_PAGE);
	memcpy(vq->ring + trailer_offset(vq), &info, sizeof(info));
}

bool vring_trailer_intact(const struct x100_vq *vq)
{
	struct x100_vring_info info;

	memcpy(&info, vq->ring + trailer_offset(vq), sizeof(info));
	return info.magic == X100_DEVPAGE_MAGIC + vq->dev->params.type + vq->index;
}

void vring_forget(struct x100_vq *vq)
{
	uint16_t none = 0;

	vq->used_address = 0;
	vq->used = NULL;
	vq->event_idx = vq->quiet = false;
	vq->next_avail = vq->seen_avail = vq->used_idx = vq->published = 0;
	/* avail_idx of the trailer, which the daemon of the old host read. */
	memcpy(vq->ring + trailer_offset(vq), &none, sizeof(none));
}

bool vring_used_fits(const struct x100_vq *vq, uint64_t address)
{
	return !(address & 3) &&
	       vpage_card_memory(vq->dev->page, address, x100_vring_used_size(vq->num));
}

void vring_start(struct x100_vq *vq, uint64_t address, bool event_idx, uint16_t index)
{
	vq->used_address = address;
	vq->used =
		address ? card_mapped(vq->dev->page->card, address, x100_vring_used_size(vq->num)) :
			  NULL;
	vq->event_idx = event_idx;
	vq->quiet = false;
	vq->next_avail = vq->seen_avail = vq->used_idx = vq->published = index;
}

/* The driver set this queue up and nobody stopped it since. */
static bool usable(const struct x100_vq *vq)
{
	return vq->dev->live && vq->used_address;
}

/* ------------------------------------------------------------------ taking */

/* Look at the card's index. False when it makes no sense: the device is stopped then. */
static bool look_avail(struct x100_vq *vq)
{
	uint16_t idx = avail_idx(vq);

	/* All it offers and was not given back yet fits the ring. */
	if ((uint16_t)(idx - vq->used_idx) > vq->num ||
	    (uint16_t)(idx - vq->used_idx) < (uint16_t)(vq->seen_avail - vq->used_idx)) {
		x100_vdev_fault(vq->dev, X100_FAULT_AVAIL_JUMP, idx);
		return false;
	}
	vq->seen_avail = idx;
	return true;
}

static enum x100_fault add_part(struct x100_chain *chain, uint64_t card, uint32_t size, bool write)
{
	const struct x100_vdev *dev = chain->vq->dev;
	uint64_t *bytes = write ? &chain->write_bytes : &chain->read_bytes;

	if (!write && chain->writable)
		return X100_FAULT_ORDER;
	if (!size)
		return X100_FAULT_EMPTY;
	if (!vpage_card_memory(dev->page, card, size))
		return X100_FAULT_ADDRESS;
	*bytes += size;
	if (*bytes > dev->params.chain_max)
		return X100_FAULT_TOO_LONG;
	chain->seg[chain->readable + chain->writable] = (struct x100_seg){ card, size };
	if (write)
		chain->writable++;
	else
		chain->readable++;
	return X100_FAULT_NONE;
}

static enum x100_fault walk(struct x100_vq *vq, struct x100_chain *chain, uint64_t *detail)
{
	uint16_t at = chain->head;

	*detail = at;
	if (at >= vq->num)
		return X100_FAULT_HEAD;
	for (uint16_t n = 0; n < vq->num; n++) {
		uint64_t address = shared_load64(vq->ring + 16u * at);
		uint64_t rest = shared_load64(vq->ring + 16u * at + 8);
		uint32_t size = (uint32_t)rest;
		uint16_t flags = (uint16_t)(rest >> 32), next = (uint16_t)(rest >> 48);
		enum x100_fault fault;

		*detail = at;
		if (flags & DESC_INDIRECT)
			return X100_FAULT_INDIRECT;
		fault = add_part(chain, address, size, flags & DESC_WRITE);
		if (fault == X100_FAULT_ADDRESS)
			*detail = address;
		if (fault)
			return fault;
		if (!(flags & DESC_NEXT))
			return X100_FAULT_NONE;
		*detail = next;
		if (next >= vq->num)
			return X100_FAULT_NEXT;
		at = next;
	}
	return X100_FAULT_LOOP;
}

int x100_vq_pop(struct x100_vq *vq, struct x100_chain *chain)
{
	enum x100_fault fault;
	uint64_t detail;

	if (!usable(vq))
		return 0;
	if (vq->next_avail == vq->seen_avail) {
		if (!look_avail(vq))
			return -1;
		if (vq->next_avail == vq->seen_avail)
			return 0;
	}
	chain->vq = vq;
	chain->head = avail_entry(vq, vq->next_avail);
	chain->readable = chain->writable = 0;
	chain->read_bytes = chain->write_bytes = 0;
	fault = walk(vq, chain, &detail);
	if (fault) {
		x100_vdev_fault(vq->dev, fault, detail);
		return -1;
	}
	vq->next_avail++;
	vq->dev->chains++;
	return 1;
}

bool x100_vq_more(struct x100_vq *vq)
{
	if (!usable(vq))
		return false;
	return vq->next_avail != vq->seen_avail || avail_idx(vq) != vq->next_avail;
}

void x100_vq_unpop(struct x100_vq *vq, unsigned int chains)
{
	if (!usable(vq))
		return;
	assert(chains <= (uint16_t)(vq->next_avail - vq->used_idx));
	vq->next_avail = (uint16_t)(vq->next_avail - chains);
	vq->dev->chains -= chains;
}

/* ------------------------------------------------------------------ giving back */

void x100_vq_push(struct x100_vq *vq, const struct x100_chain *chain, uint32_t written)
{
	uint32_t elem[2] = { chain->head, written };
	uint32_t offset = USED_ELEM + 8u * mask(vq, vq->used_idx);

	if (!usable(vq))
		return;
	assert(chain->vq == vq && written <= chain->write_bytes);
	assert(vq->used_idx != vq->next_avail);
	if (vq->used) {
		shared_store32(vq->used + offset, elem[0]);
		shared_store32(vq->used + offset + 4, elem[1]);
	} else {
		x100_memory_write(vq->dev->page->card, vq->used_address + offset, elem,
				  sizeof(elem));
	}
	vq->used_idx++;
}

/* The card wants to know that its used index went from @before to @now. */
static bool wants_interrupt(const struct x100_vq *vq, uint16_t before, uint16_t now)
{
	if (!vq->event_idx)
		return !(avail_flags(vq) & AVAIL_NO_INTERRUPT);
	return (uint16_t)(now - used_event(vq) - 1) < (uint16_t)(now - before);
}

/* Publish what was pushed. True when the card wants to know. */
static bool publish(struct x100_vq *vq)
{
	uint16_t before = vq->published, taken = vq->next_avail;

	if (!usable(vq) || before == vq->used_idx)
		return false;
	vq->published = vq->used_idx;
	used_put16(vq, USED_IDX, vq->published);
	memcpy(vq->ring + trailer_offset(vq), &taken, sizeof(taken));
	settle(vq);
	return wants_interrupt(vq, before, vq->published);
}

void x100_vq_flush(struct x100_vq *vq)
{
	if (publish(vq))
		vdev_notify(vq->dev);
}

void x100_vdev_flush(struct x100_vdev *dev)
{
	bool wanted = false;

	for (unsigned int i = 0; i < dev->params.queues; i++)
		wanted |= publish(&dev->vq[i]);
	if (wanted)
		vdev_notify(dev);
}

void x100_vq_notify_off(struct x100_vq *vq)
{
	/* With EVENT_IDX the card kicks only when it passes the index it was told last. */
	if (!usable(vq) || vq->event_idx || vq->quiet)
		return;
	vq->quiet = true;
	used_put16(vq, USED_FLAGS, USED_NO_NOTIFY);
}

bool x100_vq_notify_on(struct x100_vq *vq)
{
	if (!usable(vq))
		return false;
	if (vq->event_idx)
		used_put16(vq, avail_event_offset(vq), vq->next_avail);
	else if (vq->quiet)
		used_put16(vq, USED_FLAGS, 0);
	vq->quiet = false;
	settle(vq);
	return x100_vq_more(vq);
}

/* ------------------------------------------------------------------ chains */

struct x100_chain *x100_chain_new(struct x100_vq *vq)
{
	struct x100_chain *chain =
		calloc(1, sizeof(*chain) + (size_t)vq->num * sizeof(struct x100_seg));

	if (chain)
		chain->vq = vq;
	return chain;
}

void x100_chain_free(struct x100_chain *chain)
{
	free(chain);
}

/* What is left of a walk over the parts of one kind. */
struct span {
	const struct x100_chain *chain;
	unsigned int at, end;
	uint64_t skip; /* in the part at @at */
};

static struct span span_of(const struct x100_chain *chain, bool writable, uint64_t offset)
{
	struct span s = { .chain = chain, .skip = offset };

	s.at = writable ? chain->readable : 0;
	s.end = writable ? chain->readable + chain->writable : chain->readable;
	while (s.at < s.end && s.skip >= chain->seg[s.at].size)
		s.skip -= chain->seg[s.at++].size;
	return s;
}

/* The next run of at most @most bytes; size 0 at the end. */
static struct x100_seg span_next(struct span *s, uint64_t most)
{
	struct x100_seg part = { 0, 0 };

	if (s->at == s->end || !most)
		return part;
	part.card = s->chain->seg[s->at].card + s->skip;
	part.size = s->chain->seg[s->at].size - (uint32_t)s->skip;
	if (part.size > most) {
		part.size = (uint32_t)most;
		s->skip += most;
	} else {
		s->skip = 0;
		s->at++;
	}
	return part;
}

size_t x100_chain_read(const struct x100_chain *chain, uint64_t offset, void *to, size_t size)
{
	struct span s = span_of(chain, false, offset);
	size_t done = 0;

	while (done < size) {
		struct x100_seg part = span_next(&s, size - done);

		if (!part.size || x100_memory_read(chain->vq->dev->page->card, part.card,
						   (uint8_t *)to + done, part.size))
			break;
		done += part.size;
	}
	return done;
}

size_t x100_chain_write(const struct x100_chain *chain, uint64_t offset, const void *from,
			size_t size)
{
	struct span s = span_of(chain, true, offset);
	size_t done = 0;

	while (done < size) {
		struct x100_seg part = span_next(&s, size - done);

		if (!part.size || x100_memory_write(chain->vq->dev->page->card, part.card,
						    (const uint8_t *)from + done, part.size))
			break;
		done += part.size;
	}
	return done;
}

int x100_chain_iov(const struct x100_chain *chain, bool writable, uint64_t offset, uint64_t size,
		   struct iovec *iov, unsigned int max)
{
	struct span s = span_of(chain, writable, offset);
	unsigned int count = 0;

	while (size) {
		struct x100_seg part = span_next(&s, size);
		void *at = card_mapped(chain->vq->dev->page->card, part.card, part.size);

		if (!part.size || !at || count == max)
			return -1;
		iov[count++] = (struct iovec){ .iov_base = at, .iov_len = part.size };
		size -= part.size;
	}
	return (int)count;
}
