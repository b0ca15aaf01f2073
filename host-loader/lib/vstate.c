// SPDX-License-Identifier: BSD-3-Clause
/*
 * Going on with a card that runs after the program that served it ended. The card's side of the page
 * and the rings was lost with that program; a page and rings are made anew at the same addresses from
 * what was noted, and the card is asked to store its part again (X100_CHANGE_RESUME, devpage.h).
 */
#include "vstate.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <x100/boot.h>
#include <x100/regs.h>

#include "status.h"

#define VERSION 1

#define CONSOLE          3
#define CONSOLE_TRANSMIT 1u

struct vstate_dev {
	char name[32];
	uint8_t type, queues, config_size, c2h_db, card_features, status;
	int8_t h2c_db;
	uint16_t entries;
	int slot;
	uint32_t accepted;
	uint8_t config[X100_VDEV_MAX_DESC];
	struct vpage_memory ring[X100_VDEV_MAX_QUEUES];
	uint64_t used_address[X100_VDEV_MAX_QUEUES];
	bool adopted;
};

struct vstate {
	uint64_t address[ARENAS]; /* card addresses the arenas have to come out at */
	unsigned int devs;
	struct vstate_dev dev[VPAGE_SLOTS];
};

void vstate_free(struct vstate *state)
{
	free(state);
}

/* ------------------------------------------------------------------ noting */

static void put(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

static void put_num(struct json_object *o, const char *key, uint64_t value)
{
	put(o, key, json_object_new_int64((int64_t)value));
}

static struct json_object *note_arena(const struct vpage_arena *a)
{
	struct json_object *o = json_object_new_object();
	char used[ARENA_PAGES + 1] = "";

	for (unsigned int i = 0; i < ARENA_PAGES; i++)
		used[i] = a->used[i] ? '1' : '0';
	put_num(o, "iova", a->dma.iova);
	put_num(o, "address", a->address);
	put(o, "used", json_object_new_string(used));
	return o;
}

static struct json_object *note_slot(const struct vpage_slot *s)
{
	struct json_object *o = json_object_new_object();

	put_num(o, "queues", s->num_vq);
	put_num(o, "config_size", s->config_len);
	put_num(o, "use", s->use);
	return o;
}

static struct json_object *note_dev(const struct x100_vdev *dev)
{
	struct json_object *o = json_object_new_object(), *rings = json_object_new_array();
	char config[2 * X100_VDEV_MAX_DESC + 1] = "";

	for (unsigned int i = 0; i < dev->params.config_size; i++)
		snprintf(config + 2 * i, 3, "%02x", dev->config[i]);
	put(o, "name", json_object_new_string(dev->name));
	put_num(o, "type", dev->params.type);
	put_num(o, "queues", dev->params.queues);
	put_num(o, "entries", dev->params.entries);
	put_num(o, "config_size", dev->params.config_size);
	put(o, "config", json_object_new_string(config));
	put_num(o, "slot", (uint64_t)dev->slot);
	put_num(o, "c2h_db", dev->c2h_db);
	put(o, "h2c_db", json_object_new_int(dev->h2c_db));
	put_num(o, "status", dev->status);
	put_num(o, "card_features", dev->card_features);
	put_num(o, "accepted", dev->accepted);
	for (unsigned int q = 0; q < dev->params.queues; q++) {
		struct json_object *r = json_object_new_object();

		put_num(r, "arena", dev->vq[q].memory.arena);
		put_num(r, "page", dev->vq[q].memory.page);
		put_num(r, "used", dev->vq[q].used_address);
		json_object_array_add(rings, r);
	}
	put(o, "rings", rings);
	return o;
}

char *x100_vpage_state(const struct x100_vpage *page)
{
	struct json_object *root = json_object_new_object(), *arenas = json_object_new_array(),
			   *slots = json_object_new_array(), *devs = json_object_new_array();
	char *text;

	put_num(root, "version", VERSION);
	put_num(root, "generation", page->params.generation);
	put(root, "booted", json_object_new_boolean(page->booted));
	put_num(root, "run", page->run);
	put_num(root, "pushes", page->pushes);
	put(root, "config_db", json_object_new_int(page->config_db));
	put_num(root, "bell_next", page->bell_next);
	for (unsigned int i = 0; i < ARENAS && page->arena[i].dma.memory; i++)
		json_object_array_add(arenas, note_arena(&page->arena[i]));
	for (unsigned int i = 0; i < page->slots; i++)
		json_object_array_add(slots, note_slot(&page->slot[i]));
	for (const struct x100_vdev *dev = page->devs; dev; dev = dev->next)
		json_object_array_add(devs, note_dev(dev));
	put(root, "arenas", arenas);
	put(root, "slots", slots);
	put(root, "devices", devs);
	text = strdup(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
	json_object_put(root);
	return text;
}

/* ------------------------------------------------------------------ reading it back */

/* A number within [least, most]; clears @ok otherwise. */
static int64_t get_num(struct json_object *o, const char *key, int64_t least, int64_t most,
		       bool *ok)
{
	struct json_object *value;
	int64_t n;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_int)) {
		*ok = false;
		return least;
	}
	n = json_object_get_int64(value);
	if (n < least || n > most) {
		*ok = false;
		return least;
	}
	return n;
}

static const char *get_text(struct json_object *o, const char *key, size_t most, bool *ok)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_string)) {
		*ok = false;
		return "";
	}
	text = json_object_get_string(value);
	if (strlen(text) <= most)
		return text;
	*ok = false;
	return "";
}

/* An array of at most @most members, or NULL. */
static struct json_object *get_array(struct json_object *o, const char *key, size_t most, bool *ok)
{
	struct json_object *value;

	if (json_object_object_get_ex(o, key, &value) &&
	    json_object_is_type(value, json_type_array) && json_object_array_length(value) <= most)
		return value;
	*ok = false;
	return NULL;
}

static void read_dev(struct vstate_dev *d, struct json_object *o, const struct x100_vpage *page,
		     bool *ok)
{
	struct json_object *rings;
	const char *config;

	snprintf(d->name, sizeof(d->name), "%s", get_text(o, "name", sizeof(d->name) - 1, ok));
	d->type = (uint8_t)get_num(o, "type", 1, INT8_MAX, ok);
	d->queues = (uint8_t)get_num(o, "queues", 1, X100_VDEV_MAX_QUEUES, ok);
	d->entries = (uint16_t)get_num(o, "entries", 1, X100_VRING_MAX, ok);
	d->config_size = (uint8_t)get_num(o, "config_size", 0, X100_VDEV_MAX_DESC - 1, ok);
	d->slot = (int)get_num(o, "slot", 0, (int64_t)page->slots - 1, ok);
	d->c2h_db = (uint8_t)get_num(o, "c2h_db", 0, X100_HOST_DOORBELLS - 1, ok);
	d->h2c_db = (int8_t)get_num(o, "h2c_db", -1, 15, ok);
	d->status = (uint8_t)get_num(o, "status", 0, UINT8_MAX, ok);
	d->card_features = (uint8_t)get_num(o, "card_features", 0, UINT8_MAX, ok);
	d->accepted = (uint32_t)get_num(o, "accepted", 0, UINT32_MAX, ok);
	config = get_text(o, "config", 2 * X100_VDEV_MAX_DESC, ok);
	rings = get_array(o, "rings", X100_VDEV_MAX_QUEUES, ok);
	if (!*ok || json_object_array_length(rings) != d->queues ||
	    (d->entries & (d->entries - 1)) || strlen(config) != 2u * d->config_size ||
	    page->slot[d->slot].use != SLOT_USED || page->slot[d->slot].num_vq != d->queues ||
	    page->slot[d->slot].config_len != d->config_size) {
		*ok = false;
		return;
	}
	for (unsigned int i = 0; i < d->config_size; i++) {
		unsigned int byte = 0;

		if (sscanf(config + 2 * i, "%2x", &byte) != 1)
			*ok = false;
		d->config[i] = (uint8_t)byte;
	}
	for (unsigned int q = 0; q < d->queues; q++) {
		struct json_object *r = json_object_array_get_idx(rings, q);
		struct vpage_memory *m = &d->ring[q];

		m->pages = x100_vring_alloc(d->entries) / ARENA_PAGE;
		m->arena = (unsigned int)get_num(r, "arena", 0, ARENAS - 1, ok);
		m->page = (unsigned int)get_num(r, "page", 0, ARENA_PAGES - m->pages, ok);
		d->used_address[q] = (uint64_t)get_num(r, "used", 0, INT64_MAX, ok);
		if (*ok && (!page->arena[m->arena].dma.memory ||
			    memchr(&page->arena[m->arena].used[m->page], 0, m->pages)))
			*ok = false;
	}
}

static int read_arenas(struct x100_vpage *page, struct json_object *root, bool *ok)
{
	struct json_object *arenas = get_array(root, "arenas", ARENAS, ok);
	size_t count = arenas ? json_object_array_length(arenas) : 0;

	if (!count)
		*ok = false;
	for (unsigned int i = 0; *ok && i < count; i++) {
		struct json_object *o = json_object_array_get_idx(arenas, i);
		uint64_t iova = (uint64_t)get_num(o, "iova", 1, INT64_MAX - ARENA_SIZE, ok);
		const char *used = get_text(o, "used", ARENA_PAGES, ok);
		int ret;

		page->state->address[i] = (uint64_t)get_num(o, "address", 1, INT64_MAX, ok);
		if (!*ok || strlen(used) != ARENA_PAGES || iova % ARENA_PAGE) {
			*ok = false;
			break;
		}
		ret = vpage_arena_add(page, i, iova);
		if (ret)
			return ret;
		page->arena[i].address = page->state->address[i];
		for (unsigned int k = 0; k < ARENA_PAGES; k++)
			page->arena[i].used[k] = used[k] == '1';
	}
	if (*ok && !page->arena[0].used[0])
		*ok = false;
	return X100_OK;
}

static void read_slots(struct x100_vpage *page, struct json_object *root, bool *ok)
{
	struct json_object *slots = get_array(root, "slots", VPAGE_SLOTS, ok);

	for (size_t i = 0; *ok && i < json_object_array_length(slots); i++) {
		struct json_object *o = json_object_array_get_idx(slots, i);
		uint8_t queues = (uint8_t)get_num(o, "queues", 1, X100_VDEV_MAX_QUEUES, ok);
		uint8_t size = (uint8_t)get_num(o, "config_size", 0, X100_VDEV_MAX_DESC - 1, ok);
		enum vpage_slot_use use =
			(enum vpage_slot_use)get_num(o, "use", SLOT_DELETED, SLOT_LOST, ok);

		if (*ok && vpage_slot_append(page, queues, size, use) < 0)
			*ok = false;
	}
}

/* Fill @page from @root. */
static int read_state(struct x100_vpage *page, struct json_object *root)
{
	struct vstate *state = page->state;
	struct json_object *devs, *booted;
	bool ok = true;
	int ret;

	get_num(root, "version", VERSION, VERSION, &ok);
	get_num(root, "generation", page->params.generation, page->params.generation, &ok);
	page->run = (uint32_t)get_num(root, "run", 0, UINT32_MAX, &ok);
	page->pushes = (uint32_t)get_num(root, "pushes", 0, UINT32_MAX, &ok);
	page->config_db = (int8_t)get_num(root, "config_db", -1, 15, &ok);
	page->config_seen = page->config_db;
	page->bell_next = (unsigned int)get_num(root, "bell_next", 0, UINT32_MAX, &ok);
	if (!json_object_object_get_ex(root, "booted", &booted) || !json_object_get_boolean(booted))
		ok = false;
	ret = ok ? read_arenas(page, root, &ok) : X100_OK;
	if (ret)
		return ret;
	if (ok)
		read_slots(page, root, &ok);
	devs = ok ? get_array(root, "devices", page->slots, &ok) : NULL;
	for (size_t i = 0; ok && i < json_object_array_length(devs); i++)
		read_dev(&state->dev[state->devs++], json_object_array_get_idx(devs, i), page, &ok);
	if (!ok)
		return card_fail(page->card, X100_ERR_STATE,
				 "what was noted is of another version or setting, or damaged");
	return X100_OK;
}

/* The card still is in the boot that was noted. */
static int check_card(struct x100_vpage *page)
{
	struct x100_card *card = page->card;
	struct x100_record record;
	struct card_look look;
	uint32_t low, high, sdbic1;
	enum x100_state state;
	int ret;

	ret = card_look(card, &look);
	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_SDBIC(X100_SHUTDOWN_DOORBELL), &sdbic1);
	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_LO), &low);
	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_HI), &high);
	if (ret)
		return ret;
	state = card_state(&look, sdbic1);
	if (state != X100_STATE_BOOTING && state != X100_STATE_RUNNING)
		return card_fail(card, X100_ERR_STATE, "the card runs no OS, it is %s",
				 x100_state_words(state));
	if (((uint64_t)high << 32 | low) != page->state->address[0])
		return card_fail(card, X100_ERR_STATE,
				 "the card has its device page at 0x%08x%08x, not at 0x%llx", high,
				 low, (unsigned long long)page->state->address[0]);
	if (page->run && !x100_record_read(card, &record) &&
	    (x100_record_current(&record)->seq != page->run ||
	     x100_record_current(&record)->pushes != page->pushes))
		return card_fail(card, X100_ERR_STATE, "the card was booted again meanwhile");
	for (unsigned int i = 0; i < page->state->devs; i++) {
		const struct vstate_dev *d = &page->state->dev[i];

		if (d->h2c_db >= 0 && !(d->card_features & X100_CARD_RESUME))
			return card_fail(card, X100_ERR_RESUME, "it uses %s and does not know how",
					 d->name);
	}
	return X100_OK;
}

int x100_vpage_resume(struct x100_card *card, struct x100_loop *loop,
		      const struct x100_vpage_params *params, const char *state,
		      struct x100_vpage **result)
{
	struct json_object *root;
	struct x100_vpage *page;
	int ret;

	assert(!card->vpage);
	*result = NULL;
	root = json_tokener_parse(state);
	if (!json_object_is_type(root, json_type_object)) {
		json_object_put(root);
		return card_fail(card, X100_ERR_STATE, "what was noted is no JSON object");
	}
	ret = vpage_create(card, loop, params, &page);
	if (ret) {
		json_object_put(root);
		return ret;
	}
	page->resuming = true;
	page->state = calloc(1, sizeof(*page->state));
	if (page->state)
		ret = read_state(page, root);
	else
		ret = card_fail(card, X100_ERR_MEMORY, "no memory for what was noted");
	json_object_put(root);
	if (!ret)
		ret = check_card(page);
	if (!ret)
		ret = vpage_learn_memory(page);
	if (!ret && page->config_db >= 0)
		ret = card_doorbell_prepare(card, (unsigned int)page->config_db,
					    &page->config_bell);
	if (!ret) {
		page->at = page->arena[0].dma.memory;
		page->address = page->arena[0].address;
		vpage_lay_bootparam(page);
		shared_store8(vpage_config_db_at(page), (uint8_t)page->config_db);
		ret = vpage_watch(page);
	}
	if (ret) {
		x100_vpage_free(page);
		return ret;
	}
	*result = page;
	return X100_OK;
}

/* ------------------------------------------------------------------ devices */

static bool fits(const struct vstate_dev *d, const struct x100_vdev *dev)
{
	return !d->adopted && !strcmp(d->name, dev->name) && d->type == dev->params.type &&
	       d->queues == dev->params.queues && d->entries == dev->params.entries &&
	       d->config_size == dev->params.config_size && !(d->accepted & ~dev->offered);
}

/* Put @dev where @d was, with all that is known of what the card had stored there. */
static void adopt(struct x100_vdev *dev, struct vstate_dev *d)
{
	struct x100_vpage *page = dev->page;
	uint8_t *desc;

	d->adopted = true;
	dev->slot = d->slot;
	dev->c2h_db = d->c2h_db;
	for (unsigned int q = 0; q < d->queues; q++) {
		dev->vq[q].memory = d->ring[q];
		dev->vq[q].ring = vpage_memory_at(page, &d->ring[q]);
		dev->vq[q].used_address = d->used_address[q];
	}
	dev->status = d->status;
	dev->accepted = d->accepted;
	dev->card_features = d->card_features;
	dev->h2c_db = d->h2c_db;
	dev->probed = d->h2c_db >= 0;
	dev->config_wanted = dev->probed && memcmp(dev->config, d->config, d->config_size);
	vdev_lay_body(dev);
	desc = dev->desc;
	shared_store8(SHARED_AT(desc, struct x100_vdev_desc, status), d->status);
	for (unsigned int q = 0; q < d->queues; q++)
		shared_store64(SHARED_AT(desc + x100_vdev_vq_offset(q), struct x100_vqconfig,
					 used_address),
			       d->used_address[q]);
	shared_store32(desc + x100_vdev_vq_offset(d->queues) + X100_VDEV_FEATURES, d->accepted);
	shared_store8(SHARED_AT(dev->ctrl, struct x100_vdev_ctrl, h2c_vdev_db), (uint8_t)d->h2c_db);
	shared_store8(SHARED_AT(dev->ctrl, struct x100_vdev_ctrl, card_features), d->card_features);
	shared_store8(SHARED_AT(desc, struct x100_vdev_desc, type), d->type);
}

bool vstate_adopt(struct x100_vdev *dev)
{
	struct vstate *state = dev->page->state;

	for (unsigned int i = 0; i < state->devs; i++) {
		if (!fits(&state->dev[i], dev))
			continue;
		adopt(dev, &state->dev[i]);
		return true;
	}
	return false;
}

/* Nobody added this one again: it comes back only to be removed. */
static int adopt_orphan(struct x100_vpage *page, struct vstate_dev *d)
{
	static const struct x100_backend_ops nothing = { 0 };
	const struct x100_vdev_params params = {
		.type = d->type,
		.queues = d->queues,
		.features = d->accepted,
		.config = d->config,
		.config_size = d->config_size,
		.name = d->name,
		.ops = &nothing,
	};
	struct x100_vdev *dev = vdev_create(page, &params, d->entries);

	if (!dev)
		return card_fail(page->card, X100_ERR_MEMORY, "no memory for a device");
	adopt(dev, d);
	return X100_OK;
}

/* Slots without a device keep the card's walk over the page in step. */
static void lay_holes(struct x100_vpage *page)
{
	for (unsigned int i = 0; i < page->slots; i++) {
		const struct vpage_slot *s = &page->slot[i];
		struct x100_vdev_desc d = {
			.type = X100_VDEV_DELETED,
			.num_vq = s->num_vq,
			.feature_len = X100_VDEV_FEATURES,
			.config_len = s->config_len,
		};

		if (s->use != SLOT_USED)
			memcpy(page->at + s->offset, &d, sizeof(d));
	}
}

/*
 * A Linux console driver may be spinning for the used element of its last output, with interrupts off:
 * its CPU would never see a doorbell. An element that cannot be ends that wait; the card side knows
 * what it stands for.
 */
static void end_console_wait(struct x100_vdev *dev)
{
	struct x100_card *card = dev->page->card;
	const struct x100_vq *vq = &dev->vq[CONSOLE_TRANSMIT];
	const uint32_t elem[2] = { ~0u, 0 };
	uint16_t idx;

	if (dev->params.type != CONSOLE || dev->params.queues <= CONSOLE_TRANSMIT ||
	    !(dev->status & VIRTIO_DRIVER_OK) || !vq->used_address ||
	    !vring_used_fits(vq, vq->used_address))
		return;
	if (x100_memory_read(card, vq->used_address + 2, &idx, sizeof(idx)))
		return;
	x100_memory_write(card, vq->used_address + 4 + 8u * (idx & (vq->num - 1u)), elem,
			  sizeof(elem));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	idx++;
	x100_memory_write(card, vq->used_address + 2, &idx, sizeof(idx));
}

static int attach(struct x100_vpage *page)
{
	for (unsigned int i = 0; i < ARENAS && page->arena[i].dma.memory; i++) {
		int ret = vpage_arena_attach(page, i);

		if (ret)
			return ret;
		if (page->arena[i].address != page->state->address[i])
			return card_fail(page->card, X100_ERR_STATE,
					 "host memory came out at 0x%llx, not at 0x%llx",
					 (unsigned long long)page->arena[i].address,
					 (unsigned long long)page->state->address[i]);
	}
	return X100_OK;
}

int x100_vpage_resume_go(struct x100_vpage *page)
{
	struct x100_vdev *last = page->devs, *orphans;
	int ret = X100_OK;

	while (last && last->next)
		last = last->next;
	for (unsigned int i = 0; i < page->state->devs && !ret; i++)
		if (!page->state->dev[i].adopted)
			ret = adopt_orphan(page, &page->state->dev[i]);
	if (ret)
		return ret;
	orphans = last ? last->next : page->devs;
	lay_holes(page);
	/* From the moment that the card reaches the page it may answer. */
	for (struct x100_vdev *dev = page->devs; dev && dev != orphans; dev = dev->next) {
		if (dev->h2c_db < 0)
			continue;
		end_console_wait(dev);
		shared_store8(SHARED_AT(dev->ctrl, struct x100_vdev_ctrl, config_change),
			      X100_CHANGE_RESUME);
	}
	ret = attach(page);
	if (!ret)
		ret = card_irq_restore(page->card);
	if (ret)
		return ret;

	page->resuming = false;
	page->booted = true;
	vstate_free(page->state);
	page->state = NULL;
	for (struct x100_vdev *dev = page->devs; dev && dev != orphans; dev = dev->next)
		if (dev->h2c_db >= 0)
			vdev_await_change(dev, CHANGE_RESUME, VDEV_RESUME_DEADLINE);
	for (struct x100_vdev *dev = orphans, *next; dev; dev = next) {
		next = dev->next;
		x100_vdev_remove(dev, NULL, NULL);
	}
	vpage_ring_config(page);
	vpage_expect_driver(page);
	vpage_changed(page);
	return X100_OK;
}
