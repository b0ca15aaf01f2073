// SPDX-License-Identifier: BSD-3-Clause
/* The fake card of the unit tests. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/memmap.h>
#include <x100/pci.h>
#include <x100/post.h>
#include <x100/regs.h>

struct fake fake;

#define MMIO_POST  X100_DBOX_POST
#define MMIO_SPAD2 (X100_MMIO_SBOX + X100_SBOX_SCRATCH(2))

uint32_t fake_sbox(uint32_t offset)
{
	return fake.mmio[(X100_MMIO_SBOX + offset) / 4];
}

void fake_set_sbox(uint32_t offset, uint32_t value)
{
	fake.mmio[(X100_MMIO_SBOX + offset) / 4] = value;
}

void fake_set_post(uint32_t post)
{
	fake.mmio[MMIO_POST / 4] = post;
}

/* ------------------------------------------------------------------ time */

/* Let everything happen that is due, in order. */
static void run_events(void)
{
	for (;;) {
		struct fake_event *next = NULL, e;

		for (int i = 0; i < FAKE_EVENTS; i++)
			if (fake.event[i].at && fake.event[i].at <= fake.now &&
			    (!next || fake.event[i].at < next->at))
				next = &fake.event[i];
		if (!next)
			return;
		e = *next;
		next->at = 0;
		if (e.set_post)
			fake_set_post(e.post);
		if (e.set_spad2)
			fake.mmio[MMIO_SPAD2 / 4] = e.spad2;
		if (e.call)
			e.call();
	}
}

static uint64_t clock_monotonic(void *arg)
{
	(void)arg;
	return fake.now;
}

static uint64_t clock_realtime(void *arg)
{
	(void)arg;
	return 1700000000ull * X100_NS_PER_SEC + fake.now;
}

static void clock_sleep(void *arg, uint64_t ns)
{
	(void)arg;
	assert_true(ns >= X100_NS_PER_MS / 1000); /* no busy waiting over a socket */
	fake.now += ns;
	fake.slept += ns;
	/* Nothing may wait longer than the longest deadline of all. */
	assert_true(fake.slept < 600 * X100_NS_PER_SEC);
	run_events();
}

const struct x100_clock fake_clock = {
	.monotonic = clock_monotonic,
	.realtime = clock_realtime,
	.sleep = clock_sleep,
};

static struct fake_event *new_event(uint64_t ms)
{
	for (int i = 0; i < FAKE_EVENTS; i++) {
		if (fake.event[i].at)
			continue;
		memset(&fake.event[i], 0, sizeof(fake.event[i]));
		fake.event[i].at = fake.now + ms * X100_NS_PER_MS;
		return &fake.event[i];
	}
	fail_msg("too many events");
	return NULL;
}

void fake_post_in(uint64_t ms, uint32_t post)
{
	struct fake_event *e = new_event(ms);

	e->post = post;
	e->set_post = true;
}

void fake_ready_in(uint64_t ms)
{
	struct fake_event *e = new_event(ms);

	e->post = X100_POST_READY;
	e->set_post = true;
	e->spad2 = x100_spad2_make(FAKE_BOOT, FAKE_APIC, true);
	e->set_spad2 = true;
}

void fake_call_in(uint64_t ms, void (*call)(void))
{
	new_event(ms)->call = call;
}

void fake_forget_events(void)
{
	memset(fake.event, 0, sizeof(fake.event));
}

/* ------------------------------------------------------------------ behaviour */

static void leave_bus(void)
{
	fake.off_bus = true;
}

static void join_bus(void)
{
	fake.off_bus = false;
	fake_set_post(X100_POST_CODE);
}

void fake_good_reset(void)
{
	fake_forget_events();
	fake_call_in(200, leave_bus);
	fake_call_in(210, join_bus);
	fake_post_in(300, X100_POST_TRAIN);
	fake_post_in(7700, X100_POST_MEM_DONE);
	fake_post_in(8000, X100_POST_AP_WAKE);
	fake_ready_in(9300);
}

static void next_run(void)
{
	struct x100_record *r = fake_record();

	r->current_run ^= 1;
	memset(&r->run[r->current_run], 0, sizeof(r->run[0]));
	r->run[r->current_run].seq = r->run[!r->current_run].seq + 1;
	fake_record_seal();
}

void fake_fast_reset(void)
{
	fake_forget_events();
	fake_call_in(1, next_run);
	fake_ready_in(1);
}

static void count_push(void)
{
	struct x100_record *r = fake_record();

	r->run[r->current_run].pushes++;
	fake.mmio[MMIO_SPAD2 / 4] &= ~X100_SPAD2_READY;
}

void fake_good_boot(void)
{
	fake_forget_events();
	fake_call_in(1, count_push);
	fake_post_in(1, X100_POST_GO);
	fake_post_in(2, X100_POST_AUTH);
	fake_post_in(3, X100_POST_LOAD);
	fake_post_in(4, X100_POST_DONE);
	fake_post_in(500, X100_POST_K_PLATFORM);
	fake_post_in(900, X100_POST_K_SMP);
	fake_post_in(3000, X100_POST_K_UP);
}

static void written(uint64_t offset, uint32_t value)
{
	fake.mmio[offset / 4] = value;
	for (unsigned int i = 0; i < 8; i++) {
		if (offset == X100_MMIO_SBOX + X100_SBOX_RDMASR(i))
			fake.rung[X100_ICRS + i]++;
		if (offset == X100_MMIO_SBOX + X100_SBOX_APICICR_LO(i) && (value & X100_ICR_SEND))
			fake.rung[i]++;
	}
	if (offset == X100_MMIO_SBOX + X100_SBOX_RGCR && (value & X100_RGCR_RESET)) {
		fake.resets++;
		fake.mmio[offset / 4] = value & ~X100_RGCR_RESET;
		if (fake.on_reset)
			fake.on_reset();
	}
	if (offset == X100_MMIO_SBOX + X100_SBOX_APICICR_LO(X100_BOOT_ICR) &&
	    (value & X100_ICR_SEND)) {
		fake.goes++;
		fake.mmio[offset / 4] = value & ~X100_ICR_SEND;
		if (fake.on_go)
			fake.on_go();
	}
}

/* ------------------------------------------------------------------ transport */

static int gone(void)
{
	snprintf(fake.why->text, sizeof(fake.why->text), "the fake is gone");
	return X100_ERR_GONE;
}

/* Note an access; false when the transport is gone by now. */
static bool access_ok(enum fake_kind kind, unsigned int region, uint64_t offset, uint64_t value)
{
	if (fake.gone_after && fake.accesses >= fake.gone_after)
		return false;
	if (fake.accesses < FAKE_LOG_MAX)
		fake.log[fake.accesses] = (struct fake_access){ kind, region, offset, value };
	fake.accesses++;
	if (fake.ones_after && fake.accesses > fake.ones_after)
		fake.off_bus = true;
	return true;
}

static int op_open(const char *where, struct x100_why *why, void **dev)
{
	fake.why = why;
	*dev = &fake;
	if (!strcmp(where, "busy")) {
		*dev = NULL;
		snprintf(why->text, sizeof(why->text), "another program is connected");
		return X100_ERR_BUSY;
	}
	return X100_OK;
}

static void op_close(void *dev)
{
	(void)dev;
	assert_int_equal(fake.maps, 0);
	assert_int_equal(fake.dma_maps, 0);
}

static int op_region(void *dev, unsigned int region, struct x100_region *info)
{
	(void)dev;
	memset(info, 0, sizeof(*info));
	switch (region) {
	case X100_REGION_APERTURE:
		info->size = fake.aperture;
		if (fake.mappable)
			info->mappable[0].size = FAKE_MEMORY;
		return X100_OK;
	case X100_REGION_MMIO:
		info->size = sizeof(fake.mmio);
		return X100_OK;
	case X100_REGION_CONFIG:
		info->size = 4096;
		return X100_OK;
	default:
		return X100_ERR_NOT_X100;
	}
}

static int op_read32(void *dev, unsigned int region, uint64_t offset, uint32_t *value)
{
	(void)dev;
	assert_int_equal(offset % 4, 0);
	if (!access_ok(FAKE_READ, region, offset, 0))
		return gone();
	if (region == X100_REGION_CONFIG) {
		*value = fake.config[offset / 4];
	} else {
		assert_true(offset < sizeof(fake.mmio));
		*value = fake.mmio[offset / 4];
		/* The time counter follows the clock. */
		if (offset == X100_MMIO_SBOX + X100_SBOX_ETC_LO)
			*value = (uint32_t)((fake.now / X100_ETC_NS) << X100_ETC_SHIFT);
		if (offset == X100_MMIO_SBOX + X100_SBOX_ETC_HI)
			*value = (uint32_t)(((fake.now / X100_ETC_NS) << X100_ETC_SHIFT) >> 32);
		if (fake.off_bus)
			*value = ~0u;
	}
	if (fake.accesses <= FAKE_LOG_MAX)
		fake.log[fake.accesses - 1].value = *value;
	return X100_OK;
}

static int op_write32(void *dev, unsigned int region, uint64_t offset, uint32_t value)
{
	(void)dev;
	assert_int_equal(offset % 4, 0);
	if (!access_ok(FAKE_WRITE, region, offset, value))
		return gone();
	if (region == X100_REGION_CONFIG)
		fake.config[offset / 4] = value;
	else if (!fake.off_bus)
		written(offset, value);
	return X100_OK;
}

static int op_post32(void *dev, unsigned int region, uint64_t offset, uint32_t value)
{
	(void)dev;
	assert_int_equal(offset % 4, 0);
	assert_int_equal(region, X100_REGION_MMIO);
	if (!access_ok(FAKE_POST, region, offset, value))
		return gone();
	if (!fake.off_bus)
		written(offset, value);
	return X100_OK;
}

static int op_hangup_fd(void *dev)
{
	(void)dev;
	return 77;
}

static int op_read(void *dev, unsigned int region, uint64_t offset, void *to, size_t size)
{
	(void)dev;
	assert_int_equal(region, X100_REGION_APERTURE);
	if (!access_ok(FAKE_MEM_READ, region, offset, size))
		return gone();
	memset(to, 0xFF, size);
	if (!fake.off_bus && offset + size <= FAKE_MEMORY)
		memcpy(to, fake.memory + offset, size);
	return X100_OK;
}

static int op_write(void *dev, unsigned int region, uint64_t offset, const void *from, size_t size)
{
	(void)dev;
	assert_int_equal(region, X100_REGION_APERTURE);
	if (!access_ok(FAKE_MEM_WRITE, region, offset, size))
		return gone();
	if (!fake.off_bus && offset + size <= FAKE_MEMORY)
		memcpy(fake.memory + offset, from, size);
	return X100_OK;
}

static int op_map(void *dev, unsigned int region, uint64_t offset, uint64_t size, void **at)
{
	(void)dev;
	assert_int_equal(region, X100_REGION_APERTURE);
	assert_true(offset + size <= FAKE_MEMORY);
	fake.maps++;
	*at = fake.memory + offset;
	return X100_OK;
}

static void op_unmap(void *dev, void *at, uint64_t size)
{
	(void)dev;
	(void)at;
	(void)size;
	fake.maps--;
}

static int op_dma_map(void *dev, const struct x100_dma *dma)
{
	(void)dev;
	if (fake.refuse_dma)
		return fake.refuse_dma;
	if (!access_ok(FAKE_WRITE, 99, dma->iova, dma->size))
		return gone();
	fake.last_dma = *dma;
	for (int i = 0; i < FAKE_DMAS; i++) {
		if (fake.dma[i].size)
			continue;
		fake.dma[i] = *dma;
		break;
	}
	fake.dma_maps++;
	if (fake.on_dma_map)
		fake.on_dma_map();
	return X100_OK;
}

static int op_dma_unmap(void *dev, const struct x100_dma *dma)
{
	(void)dev;
	for (int i = 0; i < FAKE_DMAS; i++)
		if (fake.dma[i].size && fake.dma[i].iova == dma->iova)
			fake.dma[i].size = 0;
	fake.dma_maps--;
	return X100_OK;
}

static int op_set_irqs(void *dev, const int *fds, unsigned int count)
{
	(void)dev;
	assert_true(count <= 16);
	if (!access_ok(FAKE_WRITE, 98, 0, count))
		return gone();
	memcpy(fake.irq_fd, fds, count * sizeof(int));
	fake.irqs = count;
	return X100_OK;
}

static void op_describe(void *dev, char *text, size_t size)
{
	(void)dev;
	snprintf(text, size, "fake");
}

const struct x100_transport_ops fake_ops = {
	.scheme = "fake",
	.open = op_open,
	.close = op_close,
	.region = op_region,
	.read32 = op_read32,
	.write32 = op_write32,
	.post32 = op_post32,
	.read = op_read,
	.write = op_write,
	.map = op_map,
	.unmap = op_unmap,
	.dma_map = op_dma_map,
	.dma_unmap = op_dma_unmap,
	.set_irqs = op_set_irqs,
	.hangup_fd = op_hangup_fd,
	.describe = op_describe,
	.memory_backed = false,
};

int fake_setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.now = 1000 * X100_NS_PER_SEC;
	fake.memory = mmap(NULL, FAKE_MEMORY, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fake.memory == MAP_FAILED)
		return -1;
	fake.aperture = 8ull << 30;
	fake.mappable = true;
	fake.config[0] = 0x22508086;
	fake.config[2] = 0x0B400020;
	fake_set_post(X100_POST_READY);
	fake_set_sbox(X100_SBOX_SCRATCH(2), x100_spad2_make(FAKE_BOOT, FAKE_APIC, true));
	fake_set_sbox(X100_SBOX_SCRATCH(0), (uint32_t)(FAKE_MEMORY >> 10) << 3);
	fake_set_sbox(X100_SBOX_SCRATCH(4), 0x2800E6CF);
	fake_set_sbox(X100_SBOX_CURRENTRATIO, 0x04160416);
	fake_record()->run[0].seq = 1;
	fake_record_seal();
	fake.on_reset = fake_good_reset;
	fake.on_go = fake_good_boot;
	return 0;
}

int fake_teardown(void **state)
{
	(void)state;
	munmap(fake.memory, FAKE_MEMORY);
	return 0;
}

struct x100_card *fake_open(void)
{
	struct x100_card *card;

	assert_int_equal(x100_open_with(&fake_ops, "here", &fake_clock, &card, NULL), X100_OK);
	return card;
}

/* ------------------------------------------------------------------ boot record, images */

struct x100_record *fake_record(void)
{
	return (struct x100_record *)(fake.memory + X100_RECORD_BASE);
}

/* CRC-32 done another way than the library does it: bit by bit over the reversed polynomial. */
static uint32_t crc(const uint8_t *p, size_t n)
{
	uint32_t r = 0xFFFFFFFFu;

	for (size_t i = 0; i < n * 8; i++) {
		uint32_t bit = (p[i / 8] >> (i % 8)) & 1;

		r = (r >> 1) ^ (0xEDB88320u & -((r ^ bit) & 1));
	}
	return ~r;
}

void fake_record_seal(void)
{
	struct x100_record *r = fake_record();

	r->magic = X100_RECORD_MAGIC;
	r->version = X100_RECORD_VERSION;
	r->size = sizeof(*r);
	r->crc = crc((const uint8_t *)r, 16);
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

struct x100_blob fake_image(size_t size)
{
	uint8_t *p = malloc(size);
	uint64_t preferred = 0x1000000;

	assert_non_null(p);
	assert_true(size >= 0x1000 && size <= 0x1800000 && size % 16 == 0);
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 9));
	memset(p, 0, 0x300);
	p[X100_HDR_SETUP_SECTS] = 3;
	put32(p + X100_HDR_SYSSIZE, (uint32_t)((size - 4 * 512) / 16));
	p[X100_HDR_BOOT_FLAG] = 0x55;
	p[X100_HDR_BOOT_FLAG + 1] = 0xAA;
	put32(p + X100_HDR_MAGIC, X100_HDR_MAGIC_VALUE);
	p[X100_HDR_VERSION] = 0x0F;
	p[X100_HDR_VERSION + 1] = 0x02;
	p[X100_HDR_LOADFLAGS] = X100_HDR_LOADED_HIGH;
	put32(p + X100_HDR_INITRD_MAX, 0x7FFFFFFF);
	put32(p + X100_HDR_ALIGNMENT, 0x1000000);
	p[X100_HDR_RELOCATABLE] = 1;
	put32(p + X100_HDR_CMDLINE_SIZE, 2047);
	memcpy(p + X100_HDR_PREF_ADDRESS, &preferred, 8);
	put32(p + X100_HDR_INIT_SIZE, 0x1800000);
	put32(p + X100_HDR_PAYLOAD_OFFSET, 0x100);
	put32(p + X100_HDR_PAYLOAD_LENGTH, 0x400);
	put32(p + 4 * 512 + 0x100 + 0x400 - 4, 0x800000); /* its size unpacked */
	return (struct x100_blob){ .size = size, .memory = p, .fd = -1 };
}

void fake_blob_free(struct x100_blob *blob)
{
	free((void *)blob->memory);
	blob->memory = NULL;
}

/* ------------------------------------------------------------------ vectors */

json_object *load_vectors(const char *name)
{
	char path[512];
	json_object *root;

	snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
	root = json_object_from_file(path);
	if (!root)
		fail_msg("%s: %s", path, json_util_get_last_err());
	return root;
}

json_object *vget(json_object *o, const char *key)
{
	json_object *value = NULL;

	if (!json_object_object_get_ex(o, key, &value))
		fail_msg("the vectors have no member %s here", key);
	return value;
}

uint64_t vnum(json_object *value)
{
	if (json_object_is_type(value, json_type_string))
		return strtoull(json_object_get_string(value), NULL, 16);
	return (uint64_t)json_object_get_int64(value);
}
