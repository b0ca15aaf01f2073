// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzzes the host side of the device page, the rings and all handshakes: the input is what a hostile
 * card does to the page, the rings and its own memory between steps of the host, and what the host's
 * program does meanwhile. Faked: transport, time, and back-ends that give every chain back.
 */
#include <libx100-virtio.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/memmap.h>
#include <x100/post.h>
#include <x100/regs.h>

#include "card.h"
#include "vpage.h"

#define MEMORY  (1u << 20)
#define DEVICES 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

struct backend {
	struct x100_vdev *dev;
	bool live;
	struct x100_chain *chain, *held;
	bool holding;
};

static struct {
	const uint8_t *at, *end;
	uint64_t now;
	uint32_t mmio[0x20000 / 4];
	uint8_t *memory;
	int irq_fd[16];
	struct x100_card *card;
	struct x100_loop *loop;
	struct x100_vpage *page;
	struct backend be[DEVICES];
	uint8_t mode; /* of the back-ends */
	uint16_t used_heap;
	int changing; /* config changes not told of yet */
} f;

/* ------------------------------------------------------------------ input */

static uint8_t byte(void)
{
	return f.at < f.end ? *f.at++ : 0;
}

static uint16_t word(void)
{
	uint16_t low = byte();

	return (uint16_t)(low | byte() << 8);
}

static void bytes(uint8_t *to, size_t room)
{
	size_t n = byte() & 31;

	for (size_t i = 0; i < n; i++) {
		uint8_t b = byte();

		if (i < room)
			to[i] = b;
	}
}

/* ------------------------------------------------------------------ transport and time */

static int op_open(const char *where, struct x100_why *why, void **dev)
{
	(void)where;
	(void)why;
	*dev = &f;
	return X100_OK;
}

static void op_close(void *dev)
{
	(void)dev;
}

static int op_region(void *dev, unsigned int region, struct x100_region *info)
{
	(void)dev;
	memset(info, 0, sizeof(*info));
	info->size = region == X100_REGION_APERTURE ? MEMORY : sizeof(f.mmio);
	if (region == X100_REGION_APERTURE)
		info->mappable[0].size = MEMORY;
	return X100_OK;
}

static int op_read32(void *dev, unsigned int region, uint64_t offset, uint32_t *value)
{
	(void)dev;
	*value = region == X100_REGION_CONFIG ? 0x22508086 : f.mmio[offset / 4];
	return X100_OK;
}

static int op_write32(void *dev, unsigned int region, uint64_t offset, uint32_t value)
{
	(void)dev;
	CHECK(region == X100_REGION_CONFIG || offset < sizeof(f.mmio));
	if (region == X100_REGION_MMIO)
		f.mmio[offset / 4] = value;
	return X100_OK;
}

static int op_map(void *dev, unsigned int region, uint64_t offset, uint64_t size, void **at)
{
	(void)dev;
	(void)region;
	(void)size;
	*at = f.memory + offset;
	return X100_OK;
}

static void op_unmap(void *dev, void *at, uint64_t size)
{
	(void)dev;
	(void)at;
	(void)size;
}

static int op_dma(void *dev, const struct x100_dma *dma)
{
	(void)dev;
	(void)dma;
	return X100_OK;
}

static int op_set_irqs(void *dev, const int *fds, unsigned int count)
{
	(void)dev;
	memcpy(f.irq_fd, fds, count * sizeof(int));
	return X100_OK;
}

static const struct x100_transport_ops ops = {
	.scheme = "fuzz",
	.open = op_open,
	.close = op_close,
	.region = op_region,
	.read32 = op_read32,
	.write32 = op_write32,
	.map = op_map,
	.unmap = op_unmap,
	.dma_map = op_dma,
	.dma_unmap = op_dma,
	.set_irqs = op_set_irqs,
};

static uint64_t now(void *arg)
{
	(void)arg;
	return f.now;
}

static void fuzz_sleep(void *arg, uint64_t ns)
{
	(void)arg;
	f.now += ns;
}

static const struct x100_clock fuzz_clock = { .monotonic = now,
					      .realtime = now,
					      .sleep = fuzz_sleep };

/* ------------------------------------------------------------------ back-ends */

static void start(void *arg, struct x100_vdev *dev, uint32_t features)
{
	struct backend *b = arg;
	struct x100_vdev_info info;

	x100_vdev_info(dev, &info);
	CHECK(!b->live && !(features & ~info.offered));
	b->live = true;
	b->holding = false;
}

static void stop(void *arg, struct x100_vdev *dev)
{
	struct backend *b = arg;

	(void)dev;
	CHECK(b->live);
	b->live = false;
	b->holding = false;
}

/* A chain is what it is said to be. */
static void check_chain(const struct x100_chain *c)
{
	uint64_t sum[2] = { 0, 0 };

	CHECK(c->head < c->vq->num);
	CHECK(c->readable + c->writable >= 1 && c->readable + c->writable <= c->vq->num);
	for (unsigned int i = 0; i < (unsigned int)c->readable + c->writable; i++) {
		CHECK(c->seg[i].size && c->seg[i].card < MEMORY);
		CHECK(c->seg[i].size <= MEMORY - c->seg[i].card);
		sum[i >= c->readable] += c->seg[i].size;
	}
	CHECK(sum[0] == c->read_bytes && sum[1] == c->write_bytes);
	CHECK(sum[0] <= 64u << 20 && sum[1] <= 64u << 20);
}

static void serve(struct x100_vq *vq, struct backend *b)
{
	uint8_t buffer[256];
	struct iovec iov[4];
	int ret;

	do {
		x100_vq_notify_off(vq);
		while ((ret = x100_vq_pop(vq, b->chain)) > 0) {
			check_chain(b->chain);
			x100_chain_read(b->chain, f.mode, buffer, sizeof(buffer));
			x100_chain_write(b->chain, f.mode, buffer, sizeof(buffer));
			x100_chain_iov(b->chain, true, 0, b->chain->write_bytes, iov, 4);
			if (f.mode & 1) {
				x100_vq_unpop(vq, 1);
				break;
			}
			if ((f.mode & 2) && !b->holding) {
				struct x100_chain *held = b->held;

				b->held = b->chain;
				b->chain = held;
				b->holding = true;
				continue;
			}
			x100_vq_push(vq, b->chain, (uint32_t)b->chain->write_bytes);
		}
		if (ret < 0) {
			CHECK(!b->live);
			return;
		}
		x100_vq_flush(vq);
		CHECK((uint16_t)(vq->seen_avail - vq->used_idx) <= vq->num);
		CHECK((uint16_t)(vq->next_avail - vq->used_idx) <= vq->num);
	} while (x100_vq_notify_on(vq) && !(f.mode & 1) && b->live);
}

static void kick(void *arg, struct x100_vdev *dev)
{
	struct backend *b = arg;

	CHECK(b->live);
	for (unsigned int q = 0; q < dev->params.queues && b->live; q++)
		serve(x100_vdev_queue(dev, q), b);
	if (b->live && b->holding && !(f.mode & 4)) {
		b->holding = false;
		x100_vq_push(b->held->vq, b->held, 0);
		x100_vq_flush(b->held->vq);
	}
}

static const struct x100_backend_ops backend_ops = { .start = start, .stop = stop, .kick = kick };

static void removed(void *arg, int error)
{
	struct backend *b = arg;

	(void)error;
	CHECK(!b->live);
	x100_chain_free(b->chain);
	x100_chain_free(b->held);
	memset(b, 0, sizeof(*b));
}

static void changed(void *arg, int error)
{
	CHECK(arg == &f);
	CHECK(!error || error == X100_ERR_NO_ANSWER || error == X100_ERR_NOT_READY);
	f.changing--;
}

static void add(unsigned int i)
{
	static const char *const names[DEVICES] = { "a", "b", "c", "d" };
	static const uint8_t types[DEVICES] = { 3, 1, 2, 4 };
	static const uint8_t config[36];
	const struct x100_vdev_params params = {
		.type = types[i],
		.queues = i == 2 ? 4 : 2 - i / 3,
		.entries = 8,
		.features = 0xFFFF,
		.config = config,
		.config_size = (uint8_t)(12 * (i % 4)),
		.name = names[i],
		.ops = &backend_ops,
		.arg = &f.be[i],
	};

	if (f.be[i].dev || x100_vpage_add(f.page, &params, &f.be[i].dev))
		return;
	f.be[i].chain = x100_chain_new(x100_vdev_queue(f.be[i].dev, 0));
	f.be[i].held = x100_chain_new(x100_vdev_queue(f.be[i].dev, 0));
}

static bool removing(unsigned int i)
{
	struct x100_vdev_info info;

	if (!f.be[i].dev)
		return true;
	x100_vdev_info(f.be[i].dev, &info);
	return info.state == X100_VDEV_REMOVING;
}

/* ------------------------------------------------------------------ steps */

static void turns(unsigned int ms)
{
	uint64_t end = f.now + ms * X100_NS_PER_MS;

	do
		x100_loop_turn(f.loop, (int)((end - f.now + X100_NS_PER_MS - 1) / X100_NS_PER_MS));
	while (f.now < end);
}

static void ring(unsigned int n)
{
	uint64_t one = 1;

	CHECK(write(f.irq_fd[4 + n % 4], &one, sizeof(one)) == sizeof(one));
	x100_loop_turn(f.loop, 0);
}

/* Ring for a device; false when that was the end of it. */
static bool ring_for(const struct backend *b)
{
	ring(b->dev->c2h_db);
	return b->dev;
}

/* A step of a driver that keeps to the rules, so that the input need not find them all out. */
static void drive(struct backend *b, uint8_t step)
{
	struct x100_vdev *dev = b->dev;
	uint8_t *ctrl = dev->ctrl, *desc = dev->desc;
	uint8_t *features = desc + x100_vdev_vq_offset(dev->params.queues);

	switch (step % 6) {
	case 0: /* the whole probe */
		ctrl[14] = 8 + dev->c2h_db;
		ctrl[15] = X100_CARD_RESUME;
		ctrl[9] = 1;
		if (!ring_for(b))
			return;
		desc[4] = 3;
		if (!ring_for(b))
			return;
		memcpy(features + 4, features, 4);
		/* fall through */
	case 1:
		for (unsigned int q = 0; q < dev->params.queues; q++) {
			uint64_t at = 0x80000u + 0x1000u * (f.used_heap++ & 0x3F);

			memset(dev->vq[q].ring, 0, x100_vring_used(dev->vq[q].num));
			memset(f.memory + at, 0, 4096);
			memcpy(desc + x100_vdev_vq_offset(q) + 8, &at, 8);
		}
		ctrl[12] = 1;
		if (!ring_for(b))
			return;
		/* fall through */
	case 2:
		desc[4] = 7;
		break;
	case 3:
		ctrl[9] = 1;
		break;
	case 4:
		ctrl[10] = 1;
		break;
	default:
		desc[0] = 0xFF;
		ctrl[10] = 1;
		break;
	}
	ring_for(b);
}

/* More resets than a driver makes. */
static void storm(const struct backend *b)
{
	for (unsigned int i = 0; i <= VDEV_RATE && b->dev; i++) {
		b->dev->ctrl[9] = 1;
		ring_for(b);
	}
}

/* Offer a chain of one to four parts that may be sound. */
static void offer(struct x100_vq *vq)
{
	uint8_t shape = byte(), *avail = vq->ring + x100_vring_avail(vq->num);
	uint16_t head = byte() % vq->num, at = head, idx;

	for (unsigned int i = 0; i <= (shape & 3u); i++) {
		uint64_t address = (uint64_t)word() << 4;
		uint32_t size = 1u + word() % 512;
		bool more = i < (shape & 3u);
		uint16_t flags = (uint16_t)((more ? 1 : 0) | (i > (shape >> 2 & 3u) ? 2 : 0));
		uint16_t next = (uint16_t)((at + 1) % vq->num);

		memcpy(vq->ring + 16 * at, &address, 8);
		memcpy(vq->ring + 16 * at + 8, &size, 4);
		memcpy(vq->ring + 16 * at + 12, &flags, 2);
		memcpy(vq->ring + 16 * at + 14, &next, 2);
		at = next;
	}
	memcpy(&idx, avail + 2, 2);
	memcpy(avail + 4 + 2 * (idx % vq->num), &head, 2);
	idx++;
	memcpy(avail + 2, &idx, 2);
}

static void boot(void)
{
	CHECK(!card_devpage_prepare(f.card));
	f.mmio[X100_DBOX_POST / 4] = X100_POST_K_UP;
}

/* The host's program ends and another one goes on. */
static void restart(void)
{
	char *state = x100_vpage_state(f.page);
	const struct x100_vpage_params params = f.page->params;
	unsigned int there = 0;
	uint8_t take = byte();
	int ret;

	CHECK(state);
	x100_vpage_free(f.page);
	for (unsigned int i = 0; i < DEVICES; i++) {
		if (!f.be[i].dev)
			continue;
		there |= 1u << i;
		removed(&f.be[i], 0);
	}
	f.card->next_iova = 0x100000000ull;
	x100_smpt_init(&f.card->smpt);
	ret = x100_vpage_resume(f.card, f.loop, &params, state, &f.page);
	free(state);
	if (ret) {
		CHECK(!x100_vpage_new(f.card, f.loop, &params, &f.page));
		return;
	}
	for (unsigned int i = 0; i < DEVICES; i++)
		if (there & ~take & (1u << i))
			add(i);
	CHECK(!x100_vpage_resume_go(f.page));
}

static void host_step(uint8_t what)
{
	unsigned int i = what >> 4 & 3;
	uint8_t value;

	switch (what & 7) {
	case 0:
		add(i);
		break;
	case 1:
		if (!removing(i))
			x100_vdev_remove(f.be[i].dev, removed, &f.be[i]);
		break;
	case 2:
		value = byte();
		f.changing++;
		if (!f.be[i].dev ||
		    x100_vdev_config_write(f.be[i].dev, value & 15, &value, 1, changed, &f))
			f.changing--;
		break;
	case 3:
		x100_vpage_card_reset(f.page);
		break;
	case 4:
		boot();
		break;
	case 5:
		if (f.be[i].dev)
			x100_vdev_fault(f.be[i].dev, X100_FAULT_REQUEST, i);
		break;
	case 6:
		restart();
		break;
	default:
		f.mode = byte();
		if (f.mode == 0xFF && f.be[i].dev)
			storm(&f.be[i]);
		break;
	}
}

static void step(void)
{
	uint8_t op = byte(), which = byte();
	struct x100_vdev *dev = f.be[which & 3].dev;
	struct x100_vq *vq = NULL;
	uint16_t at;

	if (dev)
		vq = x100_vdev_queue(dev, (which >> 2) % dev->params.queues);
	switch (op % 10) {
	case 0:
		at = word() % X100_DEVPAGE_SIZE;
		bytes(f.page->at + at, X100_DEVPAGE_SIZE - at);
		break;
	case 1: /* the control block of a device and its first bytes */
		if (dev && (which & 0x80))
			dev->ctrl[which >> 3 & 15] = byte();
		else if (dev)
			dev->desc[which >> 3 & 15] = byte();
		break;
	case 2:
		at = word();
		if (vq)
			bytes(vq->ring + at % x100_vring_alloc(vq->num),
			      x100_vring_alloc(vq->num) - at % x100_vring_alloc(vq->num));
		break;
	case 3:
		ring(which);
		break;
	case 4:
		turns(which & 0x80 ? (which & 0x7Fu) * 200u : which);
		break;
	case 5:
		if (dev)
			drive(&f.be[which & 3], which >> 2);
		break;
	case 6:
		if (vq) {
			offer(vq);
			ring(dev->c2h_db);
		}
		break;
	case 7:
		if (vq && vq->used_address)
			bytes(f.memory + vq->used_address, x100_vring_used_size(vq->num));
		break;
	case 8:
		*vpage_config_db_at(f.page) = which;
		break;
	default:
		host_step(which);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct x100_vpage_params params = { 0 };

	if (!f.memory) {
		f.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				-1, 0);
		CHECK(f.memory != MAP_FAILED);
	}
	f.at = data;
	f.end = data + size;
	f.now = X100_NS_PER_SEC;
	memset(f.mmio, 0, sizeof(f.mmio));
	memset(f.be, 0, sizeof(f.be));
	f.mode = 0;
	f.used_heap = 0;
	f.changing = 0;
	f.loop = x100_loop_new();
	CHECK(f.loop);
	x100_loop_set_clock(f.loop, &fuzz_clock);
	CHECK(!x100_open_with(&ops, "", &fuzz_clock, &f.card, NULL));
	params.generation = (enum x100_generation)(byte() % 3);
	CHECK(!x100_vpage_new(f.card, f.loop, &params, &f.page));
	for (unsigned int i = 0; i < DEVICES; i++)
		add(i);
	boot();
	while (f.at < f.end)
		step();
	turns(20000);
	x100_vpage_free(f.page);
	CHECK(!f.changing);
	for (unsigned int i = 0; i < DEVICES; i++)
		removed(&f.be[i], 0);
	x100_close(f.card);
	x100_loop_free(f.loop);
	return 0;
}
