// SPDX-License-Identifier: BSD-3-Clause
/*
 * One device on the page: its descriptor, the handshakes with its card side (x100-abi.md 2.3, 2.10,
 * 2.11), and what happens when that breaks the rules. Nothing here waits: acknowledgements are looked
 * for at doorbells and, while one is awaited, by a timer.
 */
#include "vpage.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vstate.h"

#define RATE_WINDOW X100_NS_PER_SEC
/* Between two looks for an acknowledgement; old cards do not ring when they set it. */
#define STEP_FIRST X100_NS_PER_MS
#define STEP_LAST  (50 * X100_NS_PER_MS)

/* What the daemons of Linux 4.19 and of generation A offered (x100-abi.md 2.5). */
static uint32_t legacy_features(const struct x100_vpage *page, uint8_t type)
{
	switch (type) {
	case 1:
		return page->params.generation == X100_GEN_A ? 0x000007C1 : 0x000003C1;
	case 2:
		return 0x00000004;
	default:
		return 0;
	}
}

static struct vpage_slot *slot_of(const struct x100_vdev *dev)
{
	return &dev->page->slot[dev->slot];
}

static uint8_t *vq_at(const struct x100_vdev *dev, unsigned int queue)
{
	return dev->desc + x100_vdev_vq_offset(queue);
}

static uint8_t *features_at(const struct x100_vdev *dev, bool accepted)
{
	uint32_t at = x100_vdev_vq_offset(dev->params.queues);

	return dev->desc + at + (accepted ? X100_VDEV_FEATURES : 0);
}

static uint8_t *config_at(const struct x100_vdev *dev)
{
	return features_at(dev, true) + X100_VDEV_FEATURES;
}

#define CTRL(dev, member) SHARED_AT((dev)->ctrl, struct x100_vdev_ctrl, member)
#define DESC(dev, member) SHARED_AT((dev)->desc, struct x100_vdev_desc, member)

/* ------------------------------------------------------------------ laying out */

void vdev_lay_body(struct x100_vdev *dev)
{
	struct x100_vpage *page = dev->page;
	const struct x100_vdev_params *p = &dev->params;
	struct x100_vdev_desc d = {
		.num_vq = (uint8_t)p->queues,
		.feature_len = X100_VDEV_FEATURES,
		.config_len = p->config_size,
	};

	dev->desc = page->at + slot_of(dev)->offset;
	dev->ctrl = dev->desc + x100_vdev_ctrl_offset(&d);
	/* Lengths are the slot's already when it is used again; a scan may be passing it. */
	shared_store8(DESC(dev, num_vq), d.num_vq);
	shared_store8(DESC(dev, feature_len), d.feature_len);
	shared_store8(DESC(dev, config_len), d.config_len);
	shared_store8(DESC(dev, status), 0);
	for (unsigned int q = 0; q < p->queues; q++) {
		uint8_t *at = vq_at(dev, q);

		vring_lay(&dev->vq[q]);
		shared_store64(SHARED_AT(at, struct x100_vqconfig, address),
			       vpage_memory_address(page, &dev->vq[q].memory));
		shared_store64(SHARED_AT(at, struct x100_vqconfig, used_address), 0);
		shared_store16(SHARED_AT(at, struct x100_vqconfig, num), dev->vq[q].num);
	}
	shared_store32(features_at(dev, false), dev->offered);
	shared_store32(features_at(dev, true), 0);
	memcpy(config_at(dev), dev->config, p->config_size);
	memset(dev->dirty, false, sizeof(dev->dirty));
	shared_store8(CTRL(dev, config_change), 0);
	shared_store8(CTRL(dev, vdev_reset), 0);
	shared_store8(CTRL(dev, guest_ack), 0);
	shared_store8(CTRL(dev, host_ack), 0);
	shared_store8(CTRL(dev, used_address_updated), 0);
	shared_store8(CTRL(dev, h2c_vdev_db), (uint8_t)-1);
	shared_store8(CTRL(dev, card_features), 0);
	shared_store8(CTRL(dev, c2h_vdev_db), dev->c2h_db);
}

void vdev_lay(struct x100_vdev *dev)
{
	vdev_forget(dev);
	vdev_lay_body(dev);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	shared_store8(DESC(dev, type), dev->params.type);
}

void vdev_forget(struct x100_vdev *dev)
{
	dev->status = 0;
	dev->h2c_db = -1;
	dev->bell.offset = 0;
	dev->card_features = 0;
	dev->accepted = 0;
	dev->probed = false;
	dev->fault = X100_FAULT_NONE;
	dev->fault_detail = 0;
	dev->held = false;
	x100_timer_cancel(dev->page->loop, &dev->hold);
	for (unsigned int q = 0; q < dev->params.queues; q++)
		vring_forget(&dev->vq[q]);
}

/* ------------------------------------------------------------------ faults */

void vdev_stop(struct x100_vdev *dev)
{
	if (!dev->live)
		return;
	dev->live = false;
	if (dev->params.ops->stop)
		dev->params.ops->stop(dev->params.arg, dev);
}

void x100_vdev_fault(struct x100_vdev *dev, enum x100_fault fault, uint64_t detail)
{
	if (dev->fault)
		return;
	dev->fault = fault;
	dev->fault_detail = detail;
	vpage_log(dev->page, X100_LOG_WARNING, dev,
		  "stopped, the card broke the rules: %s (0x%llx)", x100_fault_words(fault),
		  (unsigned long long)detail);
	vdev_stop(dev);
}

static void hold_expired(void *arg)
{
	struct x100_vdev *dev = arg;

	dev->held = false;
	dev->rate = 0;
	vdev_look(dev);
}

/* Count a reset or a status change. False when that was one too many. */
static bool rate_ok(struct x100_vdev *dev)
{
	uint64_t now = x100_loop_now(dev->page->loop);

	if (now - dev->rate_since > RATE_WINDOW) {
		dev->rate_since = now;
		dev->rate = 0;
	}
	if (++dev->rate <= VDEV_RATE)
		return true;
	x100_vdev_fault(dev, X100_FAULT_RATE, dev->rate);
	dev->held = true;
	x100_timer_set(dev->page->loop, &dev->hold, RATE_WINDOW);
	return false;
}

/* ------------------------------------------------------------------ what the card stored */

void vdev_notify(struct x100_vdev *dev)
{
	if (dev->h2c_db < 0)
		return;
	dev->notifies++;
	vpage_ring(dev->page, &dev->bell);
}

/* h2c_vdev_db and card_features. False when that was a fault. */
static bool take_doorbell(struct x100_vdev *dev)
{
	int8_t db = (int8_t)shared_load8(CTRL(dev, h2c_vdev_db));

	dev->card_features = shared_load8(CTRL(dev, card_features));
	if (db < -1 || db > 15) {
		x100_vdev_fault(dev, X100_FAULT_DOORBELL, (uint8_t)db);
		return false;
	}
	dev->h2c_db = db;
	dev->bell.offset = 0;
	if (db >= 0 && card_doorbell_prepare(dev->page->card, (unsigned int)db, &dev->bell))
		vpage_log(dev->page, X100_LOG_ERR, dev, "doorbell %d: %s", db,
			  dev->page->card->why.text);
	return true;
}

/* Where the card moved the used rings. False when that was a fault. */
static bool take_used(struct x100_vdev *dev)
{
	uint64_t address[X100_VDEV_MAX_QUEUES];

	for (unsigned int q = 0; q < dev->params.queues; q++) {
		address[q] =
			shared_load64(SHARED_AT(vq_at(dev, q), struct x100_vqconfig, used_address));
		/* A driver need not use every queue. */
		if (address[q] && !vring_used_fits(&dev->vq[q], address[q])) {
			x100_vdev_fault(dev, X100_FAULT_USED_ADDRESS, address[q]);
			return false;
		}
	}
	/* Queues in use stay where they are until a reset. */
	if (!dev->live)
		for (unsigned int q = 0; q < dev->params.queues; q++)
			dev->vq[q].used_address = address[q];
	return true;
}

static bool take_features(struct x100_vdev *dev)
{
	uint32_t accepted = shared_load32(features_at(dev, true));

	if (accepted & ~dev->offered) {
		x100_vdev_fault(dev, X100_FAULT_FEATURES, accepted);
		return false;
	}
	dev->accepted = accepted;
	return true;
}

static bool trailers_intact(struct x100_vdev *dev)
{
	for (unsigned int q = 0; q < dev->params.queues; q++) {
		if (vring_trailer_intact(&dev->vq[q]))
			continue;
		x100_vdev_fault(dev, X100_FAULT_HOST_RING, q);
		return false;
	}
	return true;
}

static void next_change(struct x100_vdev *dev);

static void go_live(struct x100_vdev *dev)
{
	dev->live = true;
	vpage_log(dev->page, X100_LOG_INFO, dev, "driver ready, features 0x%08x", dev->accepted);
	vpage_changed(dev->page);
	if (dev->params.ops->start)
		dev->params.ops->start(dev->params.arg, dev, dev->accepted);
	if (dev->live && dev->change == CHANGE_NONE)
		next_change(dev);
}

static void driver_ok(struct x100_vdev *dev)
{
	bool event_idx;

	/* The used rings once more: a host that is new since then was not told of them. */
	if (!take_features(dev) || !take_doorbell(dev) || !take_used(dev) || !trailers_intact(dev))
		return;
	event_idx = dev->accepted & VIRTIO_F_EVENT_IDX;
	for (unsigned int q = 0; q < dev->params.queues; q++)
		vring_start(&dev->vq[q], dev->vq[q].used_address, event_idx, 0);
	go_live(dev);
}

static void driver_failed(struct x100_vdev *dev, uint8_t before)
{
	const char *other = dev->page->params.generation == X100_GEN_C2 ? "C" : "C2";

	vdev_stop(dev);
	if ((before & VIRTIO_DRIVER) && !(before & VIRTIO_DRIVER_OK) &&
	    dev->page->params.generation != X100_GEN_A)
		vpage_log(dev->page, X100_LOG_WARNING, dev,
			  "the card's driver gave up while it set up the queues: a card OS that "
			  "looks for the ring trailer in the other place needs generation %s",
			  other);
	else
		vpage_log(dev->page, X100_LOG_WARNING, dev, "the card's driver gave up");
	vpage_changed(dev->page);
}

static void look_status(struct x100_vdev *dev)
{
	uint8_t before = dev->status, status = shared_load8(DESC(dev, status));

	if (status == before || !rate_ok(dev))
		return;
	dev->status = status;
	if (status & VIRTIO_FAILED) {
		if (!(before & VIRTIO_FAILED))
			driver_failed(dev, before);
	} else if (status & VIRTIO_DRIVER_OK) {
		if (!dev->live && !dev->fault)
			driver_ok(dev);
	} else if (dev->live) {
		vdev_stop(dev);
	}
}

/* x100-abi.md 2.10 step 10. */
static void look_reset(struct x100_vdev *dev)
{
	if (shared_load8(CTRL(dev, vdev_reset)) != 1 || !rate_ok(dev))
		return;
	vdev_stop(dev);
	dev->resets++;
	dev->status = 0;
	dev->accepted = 0;
	dev->fault = X100_FAULT_NONE;
	dev->fault_detail = 0;
	dev->probed = true;
	for (unsigned int q = 0; q < dev->params.queues; q++)
		vring_forget(&dev->vq[q]);
	take_doorbell(dev);
	shared_store8(DESC(dev, status), 0);
	/* Used rings that were refused before the reset are not to be looked at again. */
	if (shared_load8(CTRL(dev, used_address_updated)))
		shared_store8(CTRL(dev, used_address_updated), 0);
	shared_store8(CTRL(dev, vdev_reset), 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	shared_store8(CTRL(dev, host_ack), 1);
	vpage_expect_driver(dev->page);
	vpage_changed(dev->page);
}

static void look_change(struct x100_vdev *dev);

void vdev_look(struct x100_vdev *dev)
{
	if (dev->held)
		return;
	/* Everything the card stores before it answers this is not there yet. */
	if (dev->change == CHANGE_RESUME) {
		look_change(dev);
		return;
	}
	if (shared_load8(CTRL(dev, used_address_updated)) == 1 && !dev->fault && take_used(dev)) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		shared_store8(CTRL(dev, used_address_updated), 0);
		vpage_changed(dev->page);
	}
	look_reset(dev);
	if (!dev->held)
		look_status(dev);
	if (dev->live && dev->params.ops->kick)
		dev->params.ops->kick(dev->params.arg, dev);
	look_change(dev);
}

void vdev_take_driver(struct x100_vdev *dev)
{
	uint8_t status = shared_load8(DESC(dev, status));
	bool event_idx;

	if (!take_doorbell(dev) || !take_features(dev))
		return;
	dev->status = status;
	dev->probed = true;
	if (!(status & VIRTIO_DRIVER_OK) || (status & VIRTIO_FAILED) || !take_used(dev))
		return;
	event_idx = dev->accepted & VIRTIO_F_EVENT_IDX;
	for (unsigned int q = 0; q < dev->params.queues; q++) {
		struct x100_vq *vq = &dev->vq[q];
		uint16_t index = 0;

		/* What is in the used ring is done; the card offered everything else again. */
		if (vq->used_address &&
		    x100_memory_read(dev->page->card, vq->used_address + 2, &index, sizeof(index)))
			return;
		vring_start(vq, vq->used_address, event_idx, index);
	}
	go_live(dev);
	if (dev->live) {
		vdev_notify(dev);
		if (dev->params.ops->kick)
			dev->params.ops->kick(dev->params.arg, dev);
	}
}

/* ------------------------------------------------------------------ changes by the host */

static void finish_waiters(struct vdev_waiter **list, int error)
{
	struct vdev_waiter *w = *list;

	*list = NULL;
	while (w) {
		struct vdev_waiter *next = w->next;

		w->done(w->arg, error);
		free(w);
		w = next;
	}
}

/* @lost: the card may still know it, so its slot and its rings stay out of use. */
static void finish_removal(struct x100_vdev *dev, int error, bool lost)
{
	struct x100_vpage *page = dev->page;

	vdev_stop(dev);
	x100_timer_cancel(page->loop, &dev->change_timer);
	x100_timer_cancel(page->loop, &dev->hold);
	dev->change = CHANGE_NONE;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	shared_store8(DESC(dev, type), (uint8_t)X100_VDEV_DELETED);
	slot_of(dev)->use = lost ? SLOT_LOST : SLOT_DELETED;
	if (!lost)
		vdev_free_rings(dev);
	vpage_unlink(page, dev);
	vpage_changed(page);
	finish_waiters(&dev->sent, X100_ERR_NO_ANSWER);
	finish_waiters(&dev->waiting, X100_ERR_NO_ANSWER);
	if (dev->removed)
		dev->removed(dev->removed_arg, error);
}

/* Put what changed onto the page. */
static void store_config(struct x100_vdev *dev)
{
	for (unsigned int i = 0; i < dev->params.config_size; i++) {
		if (dev->dirty[i])
			shared_store8(config_at(dev) + i, dev->config[i]);
		dev->dirty[i] = false;
	}
}

static void start_config(struct x100_vdev *dev)
{
	struct vdev_waiter **end = &dev->sent;

	dev->config_wanted = false;
	store_config(dev);
	while (*end)
		end = &(*end)->next;
	*end = dev->waiting;
	dev->waiting = NULL;
}

static uint64_t removal_deadline(const struct x100_vdev *dev)
{
	return dev->page->params.generation == X100_GEN_A ? VDEV_REMOVE_DEADLINE_A :
							    VDEV_REMOVE_DEADLINE;
}

void vdev_await_change(struct x100_vdev *dev, enum vdev_change change, uint64_t deadline)
{
	uint64_t now = x100_loop_now(dev->page->loop);

	dev->change = change;
	dev->change_deadline = now + deadline;
	dev->change_ring = now + X100_NS_PER_SEC;
	dev->change_step = STEP_FIRST;
	x100_timer_set(dev->page->loop, &dev->change_timer, dev->change_step);
}

static void start_change(struct x100_vdev *dev, enum vdev_change change, uint64_t deadline)
{
	if (change == CHANGE_CONFIG)
		start_config(dev);
	if (change == CHANGE_REMOVE)
		dev->remove_wanted = false;
	shared_store8(CTRL(dev, guest_ack), 0);
	shared_store8(CTRL(dev, config_change), (uint8_t)change);
	vpage_ring_config(dev->page);
	vdev_await_change(dev, change, deadline);
}

/* The next thing that waited for the control byte. */
static void next_change(struct x100_vdev *dev)
{
	if (dev->config_wanted && !dev->live) {
		/* The driver went meanwhile. */
		store_config(dev);
		finish_waiters(&dev->waiting, X100_ERR_NOT_READY);
	}
	if (dev->dead || dev->change != CHANGE_NONE)
		return;
	if (dev->remove_wanted)
		start_change(dev, CHANGE_REMOVE, removal_deadline(dev));
	else if (dev->config_wanted && dev->live)
		start_change(dev, CHANGE_CONFIG, VDEV_CONFIG_DEADLINE);
}

/* A card side that did not come back is left alone; the device begins anew elsewhere. */
static void resumed(struct x100_vdev *dev, int error)
{
	if (!error) {
		vdev_take_driver(dev);
		return;
	}
	shared_store8(DESC(dev, type), (uint8_t)X100_VDEV_DELETED);
	slot_of(dev)->use = SLOT_LOST;
	vdev_forget(dev);
	if (vdev_place(dev)) {
		vpage_log(dev->page, X100_LOG_ERR, dev, "%s", dev->page->card->why.text);
		return;
	}
	vpage_changed(dev->page);
	vdev_lay(dev);
	vpage_ring_config(dev->page);
}

static void finish_change(struct x100_vdev *dev, int error)
{
	enum vdev_change change = dev->change;

	x100_timer_cancel(dev->page->loop, &dev->change_timer);
	dev->change = CHANGE_NONE;
	shared_store8(CTRL(dev, config_change), 0);
	shared_store8(CTRL(dev, guest_ack), 0);
	if (error)
		vpage_log(dev->page, X100_LOG_WARNING, dev, "the card did not answer %s in time",
			  change == CHANGE_REMOVE ? "the removal" :
			  change == CHANGE_CONFIG ? "a change of the configuration" :
						    "the restart of this program");
	switch (change) {
	case CHANGE_REMOVE:
		finish_removal(dev, error, error != X100_OK);
		return;
	case CHANGE_RESUME:
		resumed(dev, error);
		break;
	default:
		finish_waiters(&dev->sent, error);
		break;
	}
	if (!dev->dead && dev->change == CHANGE_NONE)
		next_change(dev);
}

static void look_change(struct x100_vdev *dev)
{
	if (dev->dead || dev->change == CHANGE_NONE || shared_load8(CTRL(dev, guest_ack)) != 1)
		return;
	/* Old cards delete the slot after they acknowledge (9.3 no. 10). */
	if (dev->change == CHANGE_REMOVE &&
	    (int8_t)shared_load8(DESC(dev, type)) != X100_VDEV_DELETED)
		return;
	finish_change(dev, X100_OK);
}

static void change_expired(void *arg)
{
	struct x100_vdev *dev = arg;
	uint64_t now;

	vpage_look_config_db(dev->page);
	vdev_look(dev);
	if (dev->dead || dev->change == CHANGE_NONE || dev->change_timer.at)
		return;
	now = x100_loop_now(dev->page->loop);
	if (now >= dev->change_deadline) {
		finish_change(dev, X100_ERR_NO_ANSWER);
		return;
	}
	/* The first doorbell may have met a card that was just starting to listen again. */
	if (dev->change == CHANGE_RESUME && now >= dev->change_ring) {
		dev->change_ring = now + X100_NS_PER_SEC;
		vpage_ring_config(dev->page);
	}
	if (dev->change_step < STEP_LAST)
		dev->change_step *= 2;
	if (dev->change_step > dev->change_deadline - now)
		dev->change_step = dev->change_deadline - now;
	x100_timer_set(dev->page->loop, &dev->change_timer, dev->change_step);
}

void vdev_abandon(struct x100_vdev *dev, int config_error, int remove_error)
{
	bool removing = vdev_removing(dev);

	x100_timer_cancel(dev->page->loop, &dev->change_timer);
	x100_timer_cancel(dev->page->loop, &dev->hold);
	dev->change = CHANGE_NONE;
	dev->config_wanted = dev->remove_wanted = false;
	finish_waiters(&dev->sent, config_error);
	finish_waiters(&dev->waiting, config_error);
	if (!removing)
		return;
	/* Nobody looks at the slot before the page is made anew, or ever. */
	vpage_unlink(dev->page, dev);
	if (dev->removed)
		dev->removed(dev->removed_arg, remove_error);
}

void x100_vdev_remove(struct x100_vdev *dev, void (*done)(void *arg, int error), void *arg)
{
	assert(!vdev_removing(dev) && !dev->dead);
	dev->removed = done;
	dev->removed_arg = arg;
	dev->remove_wanted = true;
	/*
	 * With no card side that can be told there is nobody to ask. One that is just starting may have
	 * found it already, though; it hears of it when it publishes its config doorbell.
	 */
	vpage_look_config_db(dev->page);
	if (!dev->page->booted || (dev->page->config_db < 0 && !dev->probed)) {
		dev->remove_wanted = false;
		finish_removal(dev, X100_OK, dev->page->booted);
		return;
	}
	if (dev->change == CHANGE_NONE)
		next_change(dev);
}

int x100_vdev_config_write(struct x100_vdev *dev, unsigned int offset, const void *bytes,
			   size_t size, void (*done)(void *arg, int error), void *arg)
{
	struct vdev_waiter **end = &dev->waiting, *w = NULL;
	bool probing = dev->probed && !dev->fault && !(dev->status & VIRTIO_FAILED);

	if (offset > dev->params.config_size || size > dev->params.config_size - offset)
		return card_fail(dev->page->card, X100_ERR_ARGUMENT,
				 "%zu bytes at %u leave the config space of %s", size, offset,
				 dev->name);
	if (done) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return card_fail(dev->page->card, X100_ERR_MEMORY, "no memory for a wait");
		*w = (struct vdev_waiter){ .done = done, .arg = arg };
	}
	memcpy(dev->config + offset, bytes, size);
	memset(dev->dirty + offset, true, size);
	if (!dev->live || vdev_removing(dev)) {
		/* A driver that is being set up may have read the old bytes already. */
		dev->config_wanted = probing;
		store_config(dev);
		free(w);
		if (done)
			done(arg, X100_ERR_NOT_READY);
		return X100_OK;
	}
	dev->config_wanted = true;
	while (*end)
		end = &(*end)->next;
	*end = w;
	if (dev->change == CHANGE_NONE)
		next_change(dev);
	return X100_OK;
}

size_t x100_vdev_config_read(const struct x100_vdev *dev, void *bytes, size_t size)
{
	if (size > dev->params.config_size)
		size = dev->params.config_size;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = shared_load8(config_at(dev) + i);
	return size;
}

/* ------------------------------------------------------------------ coming and going */

static int check_params(struct x100_vpage *page, const struct x100_vdev_params *p, uint16_t entries)
{
	struct x100_vdev_desc d = {
		.num_vq = (uint8_t)p->queues,
		.feature_len = X100_VDEV_FEATURES,
		.config_len = p->config_size,
	};

	if (!p->type || p->type > INT8_MAX || !p->queues || p->queues > X100_VDEV_MAX_QUEUES)
		return card_fail(page->card, X100_ERR_ARGUMENT,
				 "type %u with %u queues: a device has 1 to %u", p->type, p->queues,
				 X100_VDEV_MAX_QUEUES);
	if (!entries || (entries & (entries - 1)) || entries > X100_VRING_MAX)
		return card_fail(page->card, X100_ERR_ARGUMENT,
				 "%u entries: a ring has a power of two up to %u", entries,
				 X100_VRING_MAX);
	if (x100_vdev_ctrl_offset(&d) > X100_VDEV_MAX_DESC)
		return card_fail(page->card, X100_ERR_ARGUMENT,
				 "%u bytes of config space are too many", p->config_size);
	if (!p->name[0] || strlen(p->name) >= sizeof(page->devs->name))
		return card_fail(page->card, X100_ERR_ARGUMENT, "\"%s\" is no device name",
				 p->name);
	for (const struct x100_vdev *dev = page->devs; dev; dev = dev->next)
		if (!dev->dead && !strcmp(dev->name, p->name))
			return card_fail(page->card, X100_ERR_ARGUMENT,
					 "there is a device %s already", p->name);
	return X100_OK;
}

void vdev_free_rings(struct x100_vdev *dev)
{
	for (unsigned int q = 0; q < dev->params.queues; q++)
		vpage_memory_give(dev->page, &dev->vq[q].memory);
}

int vdev_place(struct x100_vdev *dev)
{
	struct x100_vpage *page = dev->page;
	struct vpage_memory ring[X100_VDEV_MAX_QUEUES] = { 0 };
	int slot, ret = X100_OK;

	for (unsigned int q = 0; q < dev->params.queues && !ret; q++)
		ret = vpage_memory_take(page, x100_vring_alloc(dev->vq[q].num), &ring[q]);
	if (ret)
		goto give;
	slot = vpage_slot_take(page, (uint8_t)dev->params.queues, dev->params.config_size);
	if (slot < 0) {
		ret = card_fail(page->card, X100_ERR_NO_ROOM, "no slot left for %s", dev->name);
		goto give;
	}
	dev->slot = slot;
	for (unsigned int q = 0; q < dev->params.queues; q++) {
		dev->vq[q].memory = ring[q];
		dev->vq[q].ring = vpage_memory_at(page, &ring[q]);
	}
	return X100_OK;

give:
	for (unsigned int q = 0; q < dev->params.queues; q++)
		vpage_memory_give(page, &ring[q]);
	return ret;
}

struct x100_vdev *vdev_create(struct x100_vpage *page, const struct x100_vdev_params *params,
			      uint16_t entries)
{
	struct x100_vdev *dev = calloc(1, sizeof(*dev)), **end;

	if (!dev)
		return NULL;
	dev->page = page;
	dev->params = *params;
	dev->params.entries = entries;
	if (!dev->params.chain_max)
		dev->params.chain_max = 64u << 20;
	snprintf(dev->name, sizeof(dev->name), "%s", params->name);
	dev->params.name = dev->name;
	if (params->config_size)
		memcpy(dev->config, params->config, params->config_size);
	dev->params.config = dev->config;
	/* What rings can do is not the back-end's business. */
	dev->offered = params->features & ~(~0u << 28);
	if (page->params.legacy_features)
		dev->offered &= legacy_features(page, params->type);
	else
		dev->offered |= VIRTIO_F_EVENT_IDX;
	dev->slot = -1;
	dev->h2c_db = -1;
	dev->change_timer = (struct x100_timer){ .expired = change_expired, .arg = dev };
	dev->hold = (struct x100_timer){ .expired = hold_expired, .arg = dev };
	for (unsigned int q = 0; q < params->queues; q++) {
		dev->vq[q].dev = dev;
		dev->vq[q].index = q;
		dev->vq[q].num = entries;
	}
	for (end = &page->devs; *end; end = &(*end)->next)
		;
	*end = dev;
	return dev;
}

int x100_vpage_add(struct x100_vpage *page, const struct x100_vdev_params *params,
		   struct x100_vdev **result)
{
	uint16_t entries = params->entries ? params->entries : X100_VRING_ENTRIES;
	struct x100_vdev *dev;
	int ret = check_params(page, params, entries);

	*result = NULL;
	if (ret)
		return ret;
	dev = vdev_create(page, params, entries);
	if (!dev)
		return card_fail(page->card, X100_ERR_MEMORY, "no memory for a device");
	if (!page->resuming || !vstate_adopt(dev)) {
		ret = vdev_place(dev);
		if (ret) {
			vpage_unlink(page, dev);
			return ret;
		}
		dev->c2h_db = page->bells[page->bell_next++ % page->bell_count];
		/* Noted before the card can see it: a program that ends now must not lose it. */
		vpage_changed(page);
		vdev_lay(dev);
	}
	*result = dev;
	if (page->booted && !page->resuming) {
		vpage_look_config_db(page);
		vpage_ring_config(page);
	}
	return X100_OK;
}

void x100_vdev_info(const struct x100_vdev *dev, struct x100_vdev_info *info)
{
	*info = (struct x100_vdev_info){
		.name = dev->name,
		.type = dev->params.type,
		.fault = dev->fault,
		.fault_detail = dev->fault_detail,
		.offered = dev->offered,
		.accepted = dev->accepted,
		.queues = dev->params.queues,
		.kicks = dev->kicks,
		.notifies = dev->notifies,
		.chains = dev->chains,
		.resets = dev->resets,
	};
	if (vdev_removing(dev))
		info->state = X100_VDEV_REMOVING;
	else if (dev->fault)
		info->state = X100_VDEV_FAULTED;
	else if (dev->status & VIRTIO_FAILED)
		info->state = X100_VDEV_FAILED;
	else if (dev->live)
		info->state = X100_VDEV_LIVE;
	else if (dev->status)
		info->state = X100_VDEV_PROBING;
	else
		info->state = X100_VDEV_IDLE;
}

struct x100_vq *x100_vdev_queue(struct x100_vdev *dev, unsigned int index)
{
	assert(index < dev->params.queues);
	return &dev->vq[index];
}
