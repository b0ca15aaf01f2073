/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device page without a card: back-ends put their device on it, tests offer chains and see what comes back.
 * Takes the place of lib/vpage.c, vdev.c and vring.c: one device at a time, chains always sound, card
 * memory a buffer that is mapped or not. A test program is linked with it by including it.
 */
#ifndef FAKE_VQ_H
#define FAKE_VQ_H

#include <libx100-virtio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend.h"

#define FAKE_VQ_MEMORY (8u << 20)
#define FAKE_VQ_CHAINS 4096

struct fake_queue {
	struct x100_chain *offered[FAKE_VQ_CHAINS];
	unsigned int offers, taken;
	struct fake_used {
		uint16_t head;
		uint32_t written;
	} used[FAKE_VQ_CHAINS];
	unsigned int pushed, published; /* of used */
	unsigned int flushes;           /* that published something */
	bool quiet;                     /* notifications are off */
};

struct fake_vq {
	uint8_t *memory; /* the card's: FAKE_VQ_MEMORY bytes at card address 0 */
	bool mapped;     /* x100_chain_iov() works */
	bool gone;       /* copies fail */
	/* The device. */
	bool added, live;
	struct x100_vdev_params params;
	uint8_t config[256];
	unsigned int config_writes;
	enum x100_fault fault;
	uint64_t fault_detail;
	struct fake_queue queue[X100_VDEV_MAX_QUEUES];
	/* What x100_vq_pop() does at the next chain: break the rules. */
	bool pop_faults;
	bool endless; /* once all were taken, the card offers the same chains again */
	/* What was logged through env. */
	unsigned int lines;
	char line[256]; /* the last one */
	struct x100_backend_env env;
};

extern struct fake_vq fake_vq;

/* Fresh memory, a loop, an environment. */
void fake_vq_setup(void);
void fake_vq_teardown(void);

/* As the page does it when the driver is ready, is reset, or kicks. */
void fake_vq_start(uint32_t features);
void fake_vq_stop(void);
void fake_vq_kick(void);

/* Offer a chain; the card kicks only if it has to. @seg: first the readable, then the writable ones. */
void fake_vq_offer(unsigned int queue, uint16_t head, const struct x100_seg *seg, uint16_t readable,
		   uint16_t writable);

/* A member of a back-end's status; the caller puts it. */
json_object *fake_vq_status(const struct x100_backend *backend, const char *key);

/* Turn the loop until @count chains came back on @queue. False after 20 s, or when the device stopped. */
bool fake_vq_wait(unsigned int queue, unsigned int count);

/* ------------------------------------------------------------------ how */

struct x100_vpage {
	int unused;
};

struct x100_vdev {
	int unused;
};

struct x100_vq {
	int unused;
};

struct fake_vq fake_vq;

static struct x100_vpage the_page;
static struct x100_vdev the_dev;
static struct x100_vq the_vq[X100_VDEV_MAX_QUEUES];

/* A test that asks for something impossible is wrong. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct fake_queue *queue_of(const struct x100_vq *vq)
{
	return &fake_vq.queue[vq - the_vq];
}

static void log_line(void *arg, int level, const char *text)
{
	(void)arg;
	(void)level;
	fake_vq.lines++;
	strncpy(fake_vq.line, text, sizeof(fake_vq.line) - 1);
}

void fake_vq_setup(void)
{
	memset(&fake_vq, 0, sizeof(fake_vq));
	fake_vq.memory = calloc(1, FAKE_VQ_MEMORY);
	fake_vq.mapped = true;
	fake_vq.env = (struct x100_backend_env){
		.loop = x100_loop_new(),
		.page = &the_page,
		.card_name = "mic0",
		.log = log_line,
	};
	must(fake_vq.memory && fake_vq.env.loop);
}

static void forget_chains(void)
{
	for (unsigned int i = 0; i < X100_VDEV_MAX_QUEUES; i++) {
		struct fake_queue *q = &fake_vq.queue[i];

		while (q->offers)
			free(q->offered[--q->offers]);
		memset(q, 0, sizeof(*q));
	}
}

void fake_vq_teardown(void)
{
	forget_chains();
	free(fake_vq.memory);
	x100_loop_free(fake_vq.env.loop);
	memset(&fake_vq, 0, sizeof(fake_vq));
}

void fake_vq_start(uint32_t features)
{
	must(fake_vq.added && !fake_vq.live && !(features & ~fake_vq.params.features));
	forget_chains();
	fake_vq.fault = X100_FAULT_NONE;
	fake_vq.live = true;
	if (fake_vq.params.ops->start)
		fake_vq.params.ops->start(fake_vq.params.arg, &the_dev, features);
}

void fake_vq_stop(void)
{
	if (!fake_vq.live)
		return;
	fake_vq.live = false;
	fake_vq.params.ops->stop(fake_vq.params.arg, &the_dev);
}

void fake_vq_kick(void)
{
	if (fake_vq.live)
		fake_vq.params.ops->kick(fake_vq.params.arg, &the_dev);
}

void fake_vq_offer(unsigned int queue, uint16_t head, const struct x100_seg *seg, uint16_t readable,
		   uint16_t writable)
{
	struct fake_queue *q = &fake_vq.queue[queue];
	unsigned int segs = (unsigned int)readable + writable;
	struct x100_chain *chain = calloc(1, sizeof(*chain) + segs * sizeof(*seg));

	must(chain && q->offers < FAKE_VQ_CHAINS && queue < fake_vq.params.queues && segs);
	must(segs <= (fake_vq.params.entries ? fake_vq.params.entries : X100_VRING_ENTRIES));
	chain->head = head;
	chain->readable = readable;
	chain->writable = writable;
	for (unsigned int i = 0; i < segs; i++) {
		must(seg[i].size && seg[i].card <= FAKE_VQ_MEMORY &&
		     seg[i].size <= FAKE_VQ_MEMORY - seg[i].card);
		chain->seg[i] = seg[i];
		if (i < readable)
			chain->read_bytes += seg[i].size;
		else
			chain->write_bytes += seg[i].size;
	}
	q->offered[q->offers++] = chain;
}

bool fake_vq_wait(unsigned int queue, unsigned int count)
{
	time_t end = time(NULL) + 20;

	while (fake_vq.live && fake_vq.queue[queue].published < count && time(NULL) < end)
		x100_loop_turn(fake_vq.env.loop, 100);
	return fake_vq.live && fake_vq.queue[queue].published == count;
}

json_object *fake_vq_status(const struct x100_backend *backend, const char *key)
{
	json_object *status = json_object_new_object(), *member;

	backend->class->status(backend, status);
	must(json_object_object_get_ex(status, key, &member));
	json_object_get(member);
	json_object_put(status);
	return member;
}

/* ------------------------------------------------------------------ libx100-virtio.h */

int x100_vpage_add(struct x100_vpage *page, const struct x100_vdev_params *params,
		   struct x100_vdev **dev)
{
	must(page == &the_page && !fake_vq.added && params->queues &&
	     params->queues <= X100_VDEV_MAX_QUEUES && params->config && params->name[0]);
	fake_vq.added = true;
	fake_vq.params = *params;
	memcpy(fake_vq.config, params->config, params->config_size);
	*dev = &the_dev;
	return X100_OK;
}

int x100_vdev_config_write(struct x100_vdev *dev, unsigned int offset, const void *bytes,
			   size_t size, void (*done)(void *arg, int error), void *arg)
{
	must(dev == &the_dev && offset + size <= fake_vq.params.config_size);
	memcpy(fake_vq.config + offset, bytes, size);
	fake_vq.config_writes++;
	if (done)
		done(arg, X100_OK);
	return X100_OK;
}

size_t x100_vdev_config_read(const struct x100_vdev *dev, void *bytes, size_t size)
{
	must(dev == &the_dev);
	if (size > fake_vq.params.config_size)
		size = fake_vq.params.config_size;
	memcpy(bytes, fake_vq.config, size);
	return size;
}

void x100_vdev_fault(struct x100_vdev *dev, enum x100_fault fault, uint64_t detail)
{
	must(dev == &the_dev);
	if (fake_vq.fault)
		return;
	fake_vq.fault = fault;
	fake_vq.fault_detail = detail;
	fake_vq_stop();
}

struct x100_vq *x100_vdev_queue(struct x100_vdev *dev, unsigned int index)
{
	must(dev == &the_dev && index < fake_vq.params.queues);
	return &the_vq[index];
}

struct x100_chain *x100_chain_new(struct x100_vq *vq)
{
	uint16_t entries = fake_vq.params.entries ? fake_vq.params.entries : X100_VRING_ENTRIES;
	struct x100_chain *chain = calloc(1, sizeof(*chain) + entries * sizeof(struct x100_seg));

	if (chain)
		chain->vq = vq;
	return chain;
}

void x100_chain_free(struct x100_chain *chain)
{
	free(chain);
}

int x100_vq_pop(struct x100_vq *vq, struct x100_chain *chain)
{
	struct fake_queue *q = queue_of(vq);
	const struct x100_chain *from;

	must(fake_vq.live);
	if (!x100_vq_more(vq))
		return 0;
	if (fake_vq.pop_faults) {
		x100_vdev_fault(&the_dev, X100_FAULT_LOOP, 0);
		return -1;
	}
	from = q->offered[q->taken++ % q->offers];
	memcpy(chain, from,
	       sizeof(*chain) + ((size_t)from->readable + from->writable) * sizeof(from->seg[0]));
	chain->vq = vq;
	return 1;
}

bool x100_vq_more(struct x100_vq *vq)
{
	const struct fake_queue *q = queue_of(vq);

	return q->taken < q->offers || (fake_vq.endless && q->offers);
}

void x100_vq_unpop(struct x100_vq *vq, unsigned int chains)
{
	must(fake_vq.live && chains <= queue_of(vq)->taken);
	queue_of(vq)->taken -= chains;
}

void x100_vq_push(struct x100_vq *vq, const struct x100_chain *chain, uint32_t written)
{
	struct fake_queue *q = queue_of(vq);

	/* The driver would see a buffer come back that it did not give, or more than it has room for. */
	must(fake_vq.live && chain->vq == vq && q->pushed < q->taken);
	must(written <= chain->write_bytes && q->pushed < FAKE_VQ_CHAINS);
	q->used[q->pushed++] = (struct fake_used){ chain->head, written };
}

void x100_vq_flush(struct x100_vq *vq)
{
	struct fake_queue *q = queue_of(vq);

	must(fake_vq.live);
	if (q->published != q->pushed)
		q->flushes++;
	q->published = q->pushed;
}

void x100_vdev_flush(struct x100_vdev *dev)
{
	must(dev == &the_dev);
	for (unsigned int i = 0; i < fake_vq.params.queues; i++)
		x100_vq_flush(&the_vq[i]);
}

void x100_vq_notify_off(struct x100_vq *vq)
{
	must(fake_vq.live);
	queue_of(vq)->quiet = true;
}

bool x100_vq_notify_on(struct x100_vq *vq)
{
	must(fake_vq.live);
	queue_of(vq)->quiet = false;
	return x100_vq_more(vq);
}

/* A part of a chain's bytes of one kind, or size 0. */
static struct x100_seg part(const struct x100_chain *chain, bool writable, uint64_t offset,
			    uint64_t most)
{
	unsigned int i = writable ? chain->readable : 0;
	unsigned int end = chain->readable + (writable ? chain->writable : 0);
	struct x100_seg none = { 0, 0 };

	for (; i < end; offset -= chain->seg[i++].size) {
		uint32_t left = chain->seg[i].size;

		if (offset >= left)
			continue;
		left -= (uint32_t)offset;
		return (struct x100_seg){ chain->seg[i].card + offset,
					  left < most ? left : (uint32_t)most };
	}
	return none;
}

size_t x100_chain_read(const struct x100_chain *chain, uint64_t offset, void *to, size_t size)
{
	size_t done = 0;
	struct x100_seg s;

	while (!fake_vq.gone && done < size &&
	       (s = part(chain, false, offset + done, size - done)).size) {
		memcpy((uint8_t *)to + done, fake_vq.memory + s.card, s.size);
		done += s.size;
	}
	return done;
}

size_t x100_chain_write(const struct x100_chain *chain, uint64_t offset, const void *from,
			size_t size)
{
	size_t done = 0;
	struct x100_seg s;

	while (!fake_vq.gone && done < size &&
	       (s = part(chain, true, offset + done, size - done)).size) {
		memcpy(fake_vq.memory + s.card, (const uint8_t *)from + done, s.size);
		done += s.size;
	}
	return done;
}

int x100_chain_iov(const struct x100_chain *chain, bool writable, uint64_t offset, uint64_t size,
		   struct iovec *iov, unsigned int max)
{
	unsigned int count = 0;
	uint64_t done = 0;

	if (!fake_vq.mapped)
		return -1;
	while (done < size) {
		struct x100_seg s = part(chain, writable, offset + done, size - done);

		if (!s.size || count == max)
			return -1;
		iov[count++] = (struct iovec){ fake_vq.memory + s.card, s.size };
		done += s.size;
	}
	return (int)count;
}

#endif
