// SPDX-License-Identifier: BSD-3-Clause
/*
 * The device page: its memory and slots, the doorbells both ways, and what happens to it when the card
 * is reset and booted (x100-abi.md 2.1 to 2.4, 2.9, section 7).
 *
 * Where it deviates from the old host on purpose: a deleted slot is used again only by a descriptor
 * with the same lengths, and a lost one never (9.3 no. 11, 12); the whole page is cleared at every boot
 * (no. 13); the config doorbell is rung when it appears (no. 9).
 */
#include "vpage.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/memmap.h>
#include <x100/regs.h>

#include "status.h"
#include "vstate.h"

/* An old card's doorbell may overtake the store it tells of (2.9). */
#define AGAIN_AFTER X100_NS_PER_MS
/* A card publishes h2c_config_db without ringing. */
#define COMING_EVERY (250 * X100_NS_PER_MS)
#define COMING_FOR   (300 * X100_NS_PER_SEC)

void vpage_log(struct x100_vpage *page, int level, const struct x100_vdev *dev, const char *format,
	       ...)
{
	char text[X100_WHY_SIZE];
	va_list args;

	if (!page->params.log)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	page->params.log(page->params.arg, level, dev, text);
}

void vpage_changed(struct x100_vpage *page)
{
	if (page->changed && !page->resuming)
		page->changed(page->changed_arg);
}

void x100_vpage_on_state(struct x100_vpage *page, void (*changed)(void *arg), void *arg)
{
	page->changed = changed;
	page->changed_arg = arg;
}

/* ------------------------------------------------------------------ memory */

int vpage_arena_add(struct x100_vpage *page, unsigned int index, uint64_t iova)
{
	struct vpage_arena *a = &page->arena[index];

	memset(a, 0, sizeof(*a));
	return card_dma_create(page->card, ARENA_SIZE, iova, &a->dma);
}

int vpage_arena_attach(struct x100_vpage *page, unsigned int index)
{
	struct vpage_arena *a = &page->arena[index];
	int ret = card_dma_attach(page->card, &a->dma, &a->address);

	a->attached = !ret;
	return ret;
}

static void arena_drop(struct x100_vpage *page, struct vpage_arena *a)
{
	if (a->attached)
		x100_dma_free(page->card, &a->dma, a->address);
	else if (a->dma.memory)
		card_dma_destroy(&a->dma);
	memset(a, 0, sizeof(*a));
}

static bool take_from(struct vpage_arena *a, unsigned int pages, struct vpage_memory *memory)
{
	unsigned int run = 0;

	for (unsigned int i = 0; i < ARENA_PAGES; i++) {
		run = a->used[i] ? 0 : run + 1;
		if (run < pages)
			continue;
		memory->page = i + 1 - pages;
		memory->pages = pages;
		memset(&a->used[memory->page], 1, pages);
		return true;
	}
	return false;
}

int vpage_memory_take(struct x100_vpage *page, uint32_t size, struct vpage_memory *memory)
{
	unsigned int pages = (size + ARENA_PAGE - 1) / ARENA_PAGE;

	assert(pages && pages <= ARENA_PAGES);
	for (memory->arena = 0; memory->arena < ARENAS; memory->arena++) {
		struct vpage_arena *a = &page->arena[memory->arena];

		if (!a->dma.memory) {
			int ret = vpage_arena_add(page, memory->arena, page->card->next_iova);

			if (!ret)
				ret = vpage_arena_attach(page, memory->arena);
			if (ret) {
				arena_drop(page, a);
				memory->pages = 0;
				return ret;
			}
		}
		if (take_from(a, pages, memory)) {
			memset(vpage_memory_at(page, memory), 0, (size_t)pages * ARENA_PAGE);
			return X100_OK;
		}
	}
	memory->pages = 0;
	return card_fail(page->card, X100_ERR_MEMORY, "no room for another ring");
}

void vpage_memory_give(struct x100_vpage *page, struct vpage_memory *memory)
{
	if (memory->pages)
		memset(&page->arena[memory->arena].used[memory->page], 0, memory->pages);
	memory->pages = 0;
}

uint8_t *vpage_memory_at(const struct x100_vpage *page, const struct vpage_memory *memory)
{
	return (uint8_t *)page->arena[memory->arena].dma.memory + memory->page * ARENA_PAGE;
}

uint64_t vpage_memory_address(const struct x100_vpage *page, const struct vpage_memory *memory)
{
	return page->arena[memory->arena].address + memory->page * ARENA_PAGE;
}

/* ------------------------------------------------------------------ slots */

static uint16_t first_slot(const struct x100_vpage *page)
{
	return page->params.generation == X100_GEN_A ? sizeof(struct x100_bootparam_a) :
						       sizeof(struct x100_bootparam);
}

int vpage_slot_append(struct x100_vpage *page, uint8_t num_vq, uint8_t config_len,
		      enum vpage_slot_use use)
{
	const struct x100_vdev_desc d = {
		.num_vq = num_vq,
		.feature_len = X100_VDEV_FEATURES,
		.config_len = config_len,
	};
	uint32_t total = x100_vdev_total(&d);

	/* Behind the last one there has to be a type 0. */
	if (page->slots == VPAGE_SLOTS || page->end + total >= X100_DEVPAGE_SIZE)
		return -1;
	page->slot[page->slots] = (struct vpage_slot){
		.offset = page->end,
		.num_vq = num_vq,
		.config_len = config_len,
		.use = use,
	};
	page->end = (uint16_t)(page->end + total);
	return (int)page->slots++;
}

int vpage_slot_take(struct x100_vpage *page, uint8_t num_vq, uint8_t config_len)
{
	for (unsigned int i = 0; i < page->slots; i++) {
		struct vpage_slot *s = &page->slot[i];

		/*
		 * Same lengths, not only the same sum: a card that skips the slot while it is
		 * filled reads them one by one.
		 */
		if (s->use == SLOT_DELETED && s->num_vq == num_vq && s->config_len == config_len) {
			s->use = SLOT_USED;
			return (int)i;
		}
	}
	return vpage_slot_append(page, num_vq, config_len, SLOT_USED);
}

/* ------------------------------------------------------------------ bootparam */

void vpage_lay_bootparam(struct x100_vpage *page)
{
	if (page->params.generation == X100_GEN_A) {
		const struct x100_bootparam_a a = {
			.magic = X100_DEVPAGE_MAGIC,
			.c2h_shutdown_db = (int8_t)page->shutdown_bell,
			.h2c_shutdown_db = -1,
			.h2c_config_db = -1,
		};

		memcpy(page->at, &a, sizeof(a));
	} else {
		const struct x100_bootparam c = {
			.magic = X100_DEVPAGE_MAGIC,
			.h2c_config_db = -1,
			.node_id = page->params.node_id ? page->params.node_id : 1,
			.h2c_scif_db = 0xFF,
			.c2h_scif_db = 0xFF,
		};

		memcpy(page->at, &c, sizeof(c));
	}
}

uint8_t *vpage_config_db_at(const struct x100_vpage *page)
{
	return page->params.generation == X100_GEN_A ?
		       SHARED_AT(page->at, struct x100_bootparam_a, h2c_config_db) :
		       SHARED_AT(page->at, struct x100_bootparam, h2c_config_db);
}

/* ------------------------------------------------------------------ card memory */

int vpage_learn_memory(struct x100_vpage *page)
{
	uint64_t said;
	uint32_t word;
	int ret = x100_sbox_read(page->card, X100_SBOX_SCRATCH(X100_SPAD_MEMORY), &word);

	if (ret)
		return ret;
	said = word == ~0u ? 0 : status_memory_size(word);
	page->memory_end = page->card->aperture;
	if (said && said < page->memory_end)
		page->memory_end = said;
	return X100_OK;
}

bool vpage_card_memory(const struct x100_vpage *page, uint64_t address, uint64_t size)
{
	const uint64_t end = page->memory_end;
	const struct x100_range low = { 0, end < X100_GDDR_LOW_END ? end : X100_GDDR_LOW_END };
	const struct x100_range high = { X100_GDDR_HIGH_BASE, end < X100_GDDR_HIGH_BASE ?
								      0 :
								      end - X100_GDDR_HIGH_BASE };

	return x100_range_inside(low, address, size) || x100_range_inside(high, address, size);
}

/* ------------------------------------------------------------------ doorbells to the card */

void vpage_ring(struct x100_vpage *page, const struct card_doorbell *bell)
{
	if (card_doorbell_ring(page->card, bell) && !page->posting_failed) {
		page->posting_failed = true;
		vpage_log(page, X100_LOG_ERR, NULL, "the card cannot be rung: %s",
			  page->card->why.text);
	}
}

void vpage_ring_config(struct x100_vpage *page)
{
	if (page->config_db >= 0)
		vpage_ring(page, &page->config_bell);
}

void vpage_look_config_db(struct x100_vpage *page)
{
	int8_t db = (int8_t)shared_load8(vpage_config_db_at(page));

	if (!page->booted || db == page->config_seen)
		return;
	page->config_seen = db;
	page->config_db = -1;
	if (db < -1 || db > 15) {
		vpage_log(page, X100_LOG_WARNING, NULL, "the card names a config doorbell %d", db);
	} else if (db >= 0) {
		if (!card_doorbell_prepare(page->card, (unsigned int)db, &page->config_bell))
			page->config_db = db;
		x100_timer_cancel(page->loop, &page->coming);
		/* Something may have been added after its first scan and before this. */
		vpage_ring_config(page);
	}
	vpage_changed(page);
}

static void coming_expired(void *arg)
{
	struct x100_vpage *page = arg;

	vpage_look_config_db(page);
	if (page->config_db < 0 && x100_loop_now(page->loop) < page->coming_until)
		x100_timer_set(page->loop, &page->coming, COMING_EVERY);
}

void vpage_expect_driver(struct x100_vpage *page)
{
	if (page->config_db >= 0)
		return;
	page->coming_until = x100_loop_now(page->loop) + COMING_FOR;
	if (!page->coming.at)
		x100_timer_set(page->loop, &page->coming, COMING_EVERY);
}

/* ------------------------------------------------------------------ doorbells from the card */

/* The words of generation A in those of SDBIC1 (x100-abi.md 6.4). */
static uint32_t shutdown_of_a(struct x100_vpage *page)
{
	uint8_t *at = SHARED_AT(page->at, struct x100_bootparam_a, shutdown_status);
	uint8_t status = shared_load8(at);

	shared_store8(at, 0);
	return status == 1 ? X100_SHUTDOWN_CRASH : status;
}

static void look_shutdown(struct x100_vpage *page)
{
	uint32_t word;

	if (page->params.generation == X100_GEN_A) {
		word = shutdown_of_a(page);
	} else {
		if (x100_sbox_read(page->card, X100_SBOX_SDBIC(X100_SHUTDOWN_DOORBELL), &word))
			return;
		word &= ~X100_SDBIC_REQUEST;
	}
	if (!word)
		return;
	page->sdbic1 = word;
	if (page->params.shutdown)
		page->params.shutdown(page->params.arg, word);
}

/* Look at the devices that ring one of @bells (bits). */
static void look_devices(struct x100_vpage *page, unsigned int bells, bool rung)
{
	/* What stands on the page between a reset and a boot is the last OS's. */
	if (!page->booted)
		return;
	vpage_look_config_db(page);
	for (struct x100_vdev *dev = page->devs, *next; dev; dev = next) {
		if (!dev->dead && (bells & (1u << dev->c2h_db))) {
			/* Our own card side stores twice before it rings (2.9): once is enough. */
			if (rung && !(dev->card_features & X100_CARD_RESUME))
				page->again_bells |= 1u << dev->c2h_db;
			dev->kicks += rung;
			vdev_look(dev);
		}
		next = dev->next;
	}
	if (rung && page->again_bells && !page->again.at)
		x100_timer_set(page->loop, &page->again, AGAIN_AFTER);
}

static void again_expired(void *arg)
{
	struct x100_vpage *page = arg;
	unsigned int bells = page->again_bells;

	page->again_bells = 0;
	look_devices(page, bells, false);
}

static void bell_ready(void *arg, uint32_t events)
{
	struct vpage_bell *bell = arg;
	struct x100_vpage *page = bell->page;
	uint64_t count;

	(void)events;
	if (read(bell->watch.fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return;
	/* B0 and later want the enables again after each interrupt (7.3); ones set, zeros do nothing. */
	card_post(page->card, X100_SBOX_SICE0, X100_SRC_USED);
	if (page->resuming)
		return;
	look_devices(page, 1u << bell->number, true);
	if (bell->number == page->shutdown_bell)
		look_shutdown(page);
}

int vpage_watch(struct x100_vpage *page)
{
	int ret = x100_irq_setup(page->card);

	for (unsigned int n = 0; n < X100_HOST_DOORBELLS && !ret; n++) {
		struct vpage_bell *b = &page->bell[n];

		b->page = page;
		b->number = n;
		b->watch.fd = page->card->irq_fd[card_doorbell_vector(n)];
		b->watch.ready = bell_ready;
		b->watch.arg = b;
		ret = x100_loop_add(page->loop, &b->watch, EPOLLIN);
		if (ret)
			ret = card_fail(page->card, X100_ERR_SYSTEM, "epoll: %s", strerror(-ret));
	}
	return ret;
}

void vpage_set_bells(struct x100_vpage *page, const uint8_t *bells, unsigned int count,
		     uint8_t shutdown)
{
	memcpy(page->bells, bells, count);
	page->bell_count = count;
	page->bell_next = 0;
	page->shutdown_bell = shutdown;
	vpage_lay_bootparam(page);
}

/* ------------------------------------------------------------------ life of a page */

static void bury(void *arg)
{
	struct x100_vpage *page = arg;

	while (page->dead) {
		struct x100_vdev *dev = page->dead;

		page->dead = dev->next_dead;
		free(dev);
	}
}

void vpage_unlink(struct x100_vpage *page, struct x100_vdev *dev)
{
	for (struct x100_vdev **at = &page->devs; *at; at = &(*at)->next) {
		if (*at != dev)
			continue;
		*at = dev->next;
		break;
	}
	dev->dead = true;
	dev->next_dead = page->dead;
	page->dead = dev;
	x100_task_queue(page->loop, &page->bury);
}

int vpage_create(struct x100_card *card, struct x100_loop *loop,
		 const struct x100_vpage_params *params, struct x100_vpage **result)
{
	/* Doorbell 1 tells of the end of the card OS; devices share the others. */
	static const uint8_t bells[] = { 0, 2, 3 };
	struct x100_vpage *page = calloc(1, sizeof(*page));

	*result = NULL;
	if (!page)
		return card_fail(card, X100_ERR_MEMORY, "no memory for a device page");
	page->card = card;
	page->loop = loop;
	page->params = *params;
	page->config_seen = page->config_db = -1;
	memcpy(page->bells, bells, sizeof(bells));
	page->bell_count = sizeof(bells);
	page->shutdown_bell = X100_SHUTDOWN_DOORBELL;
	page->end = first_slot(page);
	page->memory_end = card->aperture;
	page->again = (struct x100_timer){ .expired = again_expired, .arg = page };
	page->coming = (struct x100_timer){ .expired = coming_expired, .arg = page };
	page->bury = (struct x100_task){ .run = bury, .arg = page };
	card->vpage = page;
	*result = page;
	return X100_OK;
}

int x100_vpage_new(struct x100_card *card, struct x100_loop *loop,
		   const struct x100_vpage_params *params, struct x100_vpage **result)
{
	struct vpage_memory first = { 0 };
	struct x100_vpage *page;
	int ret;

	assert(!card->vpage);
	ret = vpage_create(card, loop, params, &page);
	*result = page;
	if (ret)
		return ret;
	ret = vpage_memory_take(page, X100_DEVPAGE_SIZE, &first);
	if (!ret) {
		page->at = vpage_memory_at(page, &first);
		page->address = vpage_memory_address(page, &first);
		vpage_lay_bootparam(page);
		ret = vpage_learn_memory(page);
	}
	if (!ret)
		ret = vpage_watch(page);
	if (ret) {
		x100_vpage_free(page);
		*result = NULL;
	}
	return ret;
}

void x100_vpage_free(struct x100_vpage *page)
{
	if (!page)
		return;
	for (unsigned int n = 0; n < X100_HOST_DOORBELLS; n++)
		x100_loop_remove(page->loop, &page->bell[n].watch);
	page->changed = NULL;
	for (struct x100_vdev *dev = page->devs, *next; dev; dev = next) {
		next = dev->next;
		if (dev->dead)
			continue;
		vdev_stop(dev);
		vdev_abandon(dev, X100_ERR_NO_ANSWER, X100_ERR_NO_ANSWER);
	}
	while (page->devs)
		vpage_unlink(page, page->devs);
	x100_timer_cancel(page->loop, &page->again);
	x100_timer_cancel(page->loop, &page->coming);
	x100_task_cancel(page->loop, &page->bury);
	bury(page);
	for (unsigned int i = 0; i < ARENAS; i++)
		arena_drop(page, &page->arena[i]);
	vstate_free(page->state);
	page->card->vpage = NULL;
	free(page);
}

void x100_vpage_card_reset(struct x100_vpage *page)
{
	if (!page)
		return;
	x100_timer_cancel(page->loop, &page->again);
	x100_timer_cancel(page->loop, &page->coming);
	page->again_bells = 0;
	page->config_seen = page->config_db = -1;
	page->booted = false;
	page->posting_failed = false;
	for (struct x100_vdev *dev = page->devs, *next; dev; dev = next) {
		next = dev->next;
		if (dev->dead)
			continue;
		vdev_stop(dev);
		vdev_forget(dev);
		vdev_abandon(dev, X100_ERR_NOT_READY, X100_OK);
	}
	vpage_changed(page);
}

/* Only what devices on the list have is in use now. */
static void free_lost(struct x100_vpage *page)
{
	for (unsigned int i = 0; i < ARENAS; i++)
		memset(page->arena[i].used, 0, sizeof(page->arena[i].used));
	page->arena[0].used[0] = 1;
	for (const struct x100_vdev *dev = page->devs; dev; dev = dev->next)
		for (unsigned int q = 0; q < dev->params.queues; q++) {
			const struct vpage_memory *m = &dev->vq[q].memory;

			memset(&page->arena[m->arena].used[m->page], 1, m->pages);
		}
}

int vpage_boot(struct x100_vpage *page)
{
	struct x100_record record;
	int ret;

	x100_vpage_card_reset(page);
	ret = vpage_learn_memory(page);
	if (ret)
		return ret;
	page->sdbic1 = 0;
	page->run = page->pushes = 0;
	if (!x100_record_read(page->card, &record)) {
		page->run = x100_record_current(&record)->seq;
		page->pushes = x100_record_current(&record)->pushes + 1;
	}
	memset(page->at, 0, X100_DEVPAGE_SIZE);
	page->slots = 0;
	page->end = first_slot(page);
	vpage_lay_bootparam(page);
	free_lost(page);
	for (struct x100_vdev *dev = page->devs; dev; dev = dev->next) {
		const struct x100_vdev_params *p = &dev->params;

		/* They fitted before, with holes between them. */
		dev->slot = vpage_slot_take(page, (uint8_t)p->queues, p->config_size);
		assert(dev->slot >= 0);
		vdev_lay(dev);
	}
	page->booted = true;
	vpage_changed(page);
	vpage_expect_driver(page);
	return X100_OK;
}

struct x100_vdev *x100_vpage_dev(const struct x100_vpage *page, unsigned int index)
{
	struct x100_vdev *dev = page->devs;

	while (dev && index--)
		dev = dev->next;
	return dev;
}
