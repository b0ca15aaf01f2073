// SPDX-License-Identifier: BSD-3-Clause
/*
 * The console back-end (virtio console device, one port). The card's output is taken at once, since old
 * drivers wait for that with interrupts off (x100-abi.md 2.10), goes into the scrollback, and from there
 * to every viewer at its own pace. Queue 0 is what the card receives, queue 1 what it sends.
 */
#include "console.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/virtio_console.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console_pty.h"
#include "console_ring.h"

/* Chains in a row before others get their turn. */
#define CONSOLE_BATCH 128
/* More in one chain is not a console's: drivers use a page. */
#define CONSOLE_CHAIN_MAX (1u << 20)
/* Keys that wait for the card. */
#define CONSOLE_KEYS       (16u << 10)
#define CONSOLE_SCROLLBACK (256u << 10)

struct console {
	struct x100_backend backend; /* first: this is one */
	struct x100_loop *loop;
	void (*log)(void *arg, int level, const char *text);
	void *log_arg;
	struct console_ring ring;
	struct console_pty *pty;

	bool live;
	uint32_t features;
	struct x100_vq *in, *out; /* as the card sees it */
	struct x100_chain *in_chain, *out_chain;
	struct x100_task more; /* output left for the next turn */

	struct x100_viewer *viewers;

	uint8_t keys[CONSOLE_KEYS]; /* a ring */
	size_t keys_at, keys_used;
	bool full; /* somebody was told that there is no room */
	void (*room)(void *arg);
	void *room_arg;

	uint16_t columns, rows;
	uint64_t bytes_out, bytes_in;
};

static struct console *get(const struct x100_backend *backend)
{
	return (struct console *)(uintptr_t)backend;
}

/* ------------------------------------------------------------------ viewers */

/* Tell a viewer all that it has not seen and takes. */
static void tell(struct console *c, struct x100_viewer *v)
{
	const uint8_t *bytes;
	size_t part, taken;

	while (!v->waiting && v->seen != c->ring.written) {
		uint64_t oldest = console_ring_oldest(&c->ring);

		if (v->seen < oldest) {
			char note[64];
			int n = snprintf(note, sizeof(note),
					 "\r\n[%" PRIu64 " bytes of output are left out]\r\n",
					 oldest - v->seen);

			v->waiting = !v->output(v->arg, note, (size_t)n);
			if (!v->waiting)
				v->seen = oldest;
			continue;
		}
		part = console_ring_at(&c->ring, v->seen, &bytes);
		taken = v->output(v->arg, bytes, part);
		v->seen += taken;
		v->waiting = !taken;
	}
}

static void tell_all(struct console *c)
{
	for (struct x100_viewer *v = c->viewers; v; v = v->next)
		tell(c, v);
}

/* The first who may, if nobody writes; all hear of it. */
static void choose_writer(struct console *c)
{
	struct x100_viewer *first = NULL;

	for (struct x100_viewer *v = c->viewers; v; v = v->next) {
		if (v->is_writer)
			return;
		if (v->may_write && !first)
			first = v;
	}
	if (first)
		first->is_writer = true;
	for (struct x100_viewer *v = c->viewers; v; v = v->next)
		if (v->writer)
			v->writer(v->arg, first && v != first);
}

void x100_console_attach(struct x100_backend *console, struct x100_viewer *viewer, bool may_write,
			 size_t scrollback)
{
	struct console *c = get(console);
	struct x100_viewer **at = &c->viewers;
	uint64_t oldest = console_ring_oldest(&c->ring);

	viewer->may_write = may_write;
	viewer->is_writer = false;
	viewer->waiting = false;
	viewer->seen = c->ring.written - oldest > scrollback ? c->ring.written - scrollback :
							       oldest;
	viewer->next = NULL;
	/* In the order they came. */
	while (*at)
		at = &(*at)->next;
	*at = viewer;
	choose_writer(c);
	tell(c, viewer);
}

void x100_console_detach(struct x100_backend *console, struct x100_viewer *viewer)
{
	struct console *c = get(console);
	struct x100_viewer **at = &c->viewers;

	while (*at && *at != viewer)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = viewer->next;
	if (!viewer->is_writer)
		return;
	viewer->is_writer = false;
	choose_writer(c);
}

void x100_console_ready(struct x100_backend *console, struct x100_viewer *viewer)
{
	viewer->waiting = false;
	tell(get(console), viewer);
}

/* The size of the writer's window goes into the config space. */
static void tell_size(struct console *c)
{
	struct virtio_console_config config = { .cols = c->columns, .rows = c->rows };

	/* An old driver that did not take the feature is not to be disturbed. */
	if (c->live && !(c->features & 1u << VIRTIO_CONSOLE_F_SIZE))
		return;
	x100_vdev_config_write(c->backend.dev, 0, &config,
			       sizeof(config.cols) + sizeof(config.rows), NULL, NULL);
}

void x100_console_size(struct x100_backend *console, struct x100_viewer *viewer, uint16_t columns,
		       uint16_t rows)
{
	struct console *c = get(console);

	if (!viewer->is_writer || (c->columns == columns && c->rows == rows))
		return;
	c->columns = columns;
	c->rows = rows;
	tell_size(c);
}

/* ------------------------------------------------------------------ output */

static void take_output(struct console *c)
{
	struct x100_chain *chain = c->out_chain;
	unsigned int budget = CONSOLE_BATCH;
	uint8_t bytes[4096];
	size_t n;

	x100_vq_notify_off(c->out);
	while (budget) {
		int ret = x100_vq_pop(c->out, chain);

		if (ret < 0)
			return;
		if (!ret) {
			if (!x100_vq_notify_on(c->out))
				break;
			x100_vq_notify_off(c->out);
			continue;
		}
		for (uint64_t at = 0; at < chain->read_bytes; at += n) {
			n = x100_chain_read(chain, at, bytes, sizeof(bytes));
			if (!n)
				break;
			console_ring_add(&c->ring, bytes, n);
			c->bytes_out += n;
		}
		x100_vq_push(c->out, chain, 0);
		budget--;
	}
	if (!budget)
		x100_task_queue(c->loop, &c->more);
	x100_vq_flush(c->out);
}

/* ------------------------------------------------------------------ input */

size_t x100_console_room(const struct x100_backend *console)
{
	struct console *c = get(console);
	size_t room = CONSOLE_KEYS - c->keys_used;

	if (!room)
		c->full = true;
	return room;
}

void x100_console_on_room(struct x100_backend *console, void (*room)(void *arg), void *arg)
{
	struct console *c = get(console);

	c->room = room;
	c->room_arg = arg;
}

static void tell_room(struct console *c)
{
	if (!c->full || c->keys_used == CONSOLE_KEYS)
		return;
	c->full = false;
	if (c->room)
		c->room(c->room_arg);
	if (c->pty)
		console_pty_room(c->pty);
}

/* Move keys into the card's buffers. */
static void give_input(struct console *c)
{
	struct x100_chain *chain = c->in_chain;
	bool pushed = false;

	while (c->live && c->keys_used) {
		size_t written = 0;
		int ret = x100_vq_pop(c->in, chain);

		if (ret < 0)
			return;
		if (!ret) {
			/* The next buffer rings. */
			if (!x100_vq_notify_on(c->in))
				break;
			x100_vq_notify_off(c->in);
			continue;
		}
		while (c->keys_used && written < chain->write_bytes) {
			size_t part = CONSOLE_KEYS - c->keys_at;

			if (part > c->keys_used)
				part = c->keys_used;
			if (part > chain->write_bytes - written)
				part = chain->write_bytes - written;
			/* Short only when the card is gone. */
			x100_chain_write(chain, written, c->keys + c->keys_at, part);
			c->keys_at = (c->keys_at + part) % CONSOLE_KEYS;
			c->keys_used -= part;
			written += part;
		}
		x100_vq_push(c->in, chain, (uint32_t)written);
		c->bytes_in += written;
		pushed = true;
	}
	if (pushed)
		x100_vq_flush(c->in);
	tell_room(c);
}

size_t console_keys(struct x100_backend *console, const void *bytes, size_t size)
{
	struct console *c = get(console);
	const uint8_t *from = bytes;
	size_t taken = 0;

	while (taken < size && c->keys_used < CONSOLE_KEYS) {
		size_t at = (c->keys_at + c->keys_used) % CONSOLE_KEYS;
		size_t part = at < c->keys_at ? c->keys_at - at : CONSOLE_KEYS - at;

		if (part > size - taken)
			part = size - taken;
		memcpy(c->keys + at, from + taken, part);
		c->keys_used += part;
		taken += part;
	}
	if (taken < size)
		c->full = true;
	if (c->live) {
		x100_vq_notify_off(c->in);
		give_input(c);
	}
	return taken;
}

size_t x100_console_input(struct x100_backend *console, struct x100_viewer *viewer,
			  const void *bytes, size_t size)
{
	/* Nobody else's keys reach the card: they vanish here, so that their sender goes on. */
	if (!viewer->is_writer)
		return size;
	return console_keys(console, bytes, size);
}

/* ------------------------------------------------------------------ device */

static void work(void *arg)
{
	struct console *c = arg;

	if (c->live)
		take_output(c);
	tell_all(c);
	if (c->live && c->keys_used)
		give_input(c);
}

static void kick(void *arg, struct x100_vdev *dev)
{
	(void)dev;
	work(arg);
}

static void free_chains(struct console *c)
{
	x100_chain_free(c->in_chain);
	x100_chain_free(c->out_chain);
	c->in_chain = c->out_chain = NULL;
}

static void start(void *arg, struct x100_vdev *dev, uint32_t features)
{
	struct console *c = arg;

	/* Those of an earlier start; stop() may have been called while they were in use. */
	free_chains(c);
	c->features = features;
	c->in = x100_vdev_queue(dev, 0);
	c->out = x100_vdev_queue(dev, 1);
	c->in_chain = x100_chain_new(c->in);
	c->out_chain = x100_chain_new(c->out);
	if (!c->in_chain || !c->out_chain) {
		c->log(c->log_arg, X100_LOG_ERR, "console: no memory: it stays dead");
		return;
	}
	c->live = true;
	x100_vq_notify_off(c->in);
	x100_task_queue(c->loop, &c->more);
	/* Linux looks at the size when it changes, and only then. */
	if (c->columns)
		tell_size(c);
}

/* Keys that the card did not get are for nobody else. */
static void stop(void *arg, struct x100_vdev *dev)
{
	struct console *c = arg;

	(void)dev;
	if (!c->live)
		return;
	c->live = false;
	x100_task_cancel(c->loop, &c->more);
	c->keys_used = 0;
	tell_room(c);
}

static const struct x100_backend_ops device_ops = {
	.start = start,
	.stop = stop,
	.kick = kick,
};

/* ------------------------------------------------------------------ class */

static int parse(const struct x100_spec *spec, uint32_t *scrollback, struct x100_why *why)
{
	static const char *const keys[] = { "scrollback", NULL };
	const char *first = spec->count ? spec->word[0] : "pty";
	uint64_t number = CONSOLE_SCROLLBACK;
	int error;

	/* There is one kind of console, whose name may be left out in front of its option. */
	if (strcmp(first, "pty") && strncmp(first, "scrollback=", 11))
		return x100_fail(why, X100_ERR_ARGUMENT, "%s: a console is pty", first);
	error = x100_spec_only(spec, keys, why);
	if (!error)
		error = x100_spec_number(spec, "scrollback", CONSOLE_RING_MIN, CONSOLE_RING_MAX,
					 &number, why);
	*scrollback = (uint32_t)number;
	return error;
}

static int check(const struct x100_spec *spec, struct x100_why *why)
{
	uint32_t scrollback;

	return parse(spec, &scrollback, why);
}

static void warn(const struct console *c, const char *what)
{
	char text[X100_WHY_SIZE + 64];

	snprintf(text, sizeof(text), "%s: %s", c->backend.name, what);
	c->log(c->log_arg, X100_LOG_WARNING, text);
}

/* A console without a scrollback file or pseudo-terminal is better than none. */
static int open_host_side(struct console *c, const struct x100_backend_env *env,
			  uint32_t scrollback, struct x100_why *why)
{
	char path[PATH_MAX];
	struct x100_why trouble;
	bool damaged;
	int error;

	snprintf(path, sizeof(path), "%s/%s-%s.scrollback", env->state_dir, env->card_name,
		 c->backend.name);
	error = console_ring_open(&c->ring, path, scrollback, &damaged, &trouble);
	if (error) {
		warn(c, trouble.text);
		error = console_ring_open(&c->ring, NULL, scrollback, &damaged, why);
		if (error)
			return error;
	}
	if (damaged)
		warn(c, "the scrollback was damaged and is empty now");
	/* The only console of a card is called like the card. */
	snprintf(path, sizeof(path), "%s/%s%s%s.pty", env->state_dir, env->card_name,
		 strcmp(c->backend.name, "console") ? "-" : "",
		 strcmp(c->backend.name, "console") ? c->backend.name : "");
	if (console_pty_open(&c->backend, c->loop, path, &trouble, &c->pty))
		warn(c, trouble.text);
	return X100_OK;
}

static int add_device(struct console *c, struct x100_vpage *page)
{
	static const struct virtio_console_config config = { .cols = 80, .rows = 24 };
	struct x100_vdev_params params = {
		.type = 3,
		.queues = 2,
		.features = 1u << VIRTIO_CONSOLE_F_SIZE,
		.config = &config,
		.config_size = sizeof(config),
		.chain_max = CONSOLE_CHAIN_MAX,
		.name = c->backend.name,
		.ops = &device_ops,
		.arg = c,
	};

	_Static_assert(sizeof(config) == 12, "the config space of x100-abi.md 2.4");
	return x100_vpage_add(page, &params, &c->backend.dev);
}

static void close_console(struct x100_backend *backend)
{
	struct console *c = get(backend);

	console_pty_close(c->pty);
	x100_task_cancel(c->loop, &c->more);
	console_ring_close(&c->ring);
	free_chains(c);
	free(c);
}

static int open_console(const struct x100_backend_env *env, const char *name, const char *text,
			struct x100_why *why, struct x100_backend **backend)
{
	struct console *c = NULL;
	struct x100_spec spec;
	uint32_t scrollback;
	int error = x100_spec_parse(&spec, text, why);

	*backend = NULL;
	if (error)
		return error;
	error = parse(&spec, &scrollback, why);
	x100_spec_free(&spec);
	if (error)
		return error;
	c = calloc(1, sizeof(*c));
	if (!c)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for %s", name);
	c->backend.class = &x100_console_class;
	snprintf(c->backend.name, sizeof(c->backend.name), "%s", name);
	c->loop = env->loop;
	c->log = env->log;
	c->log_arg = env->log_arg;
	c->more.run = work;
	c->more.arg = c;
	error = open_host_side(c, env, scrollback, why);
	if (!error)
		error = add_device(c, env->page);
	if (error)
		close_console(&c->backend);
	else
		*backend = &c->backend;
	return error;
}

static void status(const struct x100_backend *backend, struct json_object *o)
{
	const struct console *c = get(backend);
	bool writer = false;
	int viewers = 0;

	for (const struct x100_viewer *v = c->viewers; v; v = v->next) {
		viewers++;
		writer |= v->is_writer;
	}
	/* Not counting the pseudo-terminal, which is always there. */
	json_object_object_add(o, "viewers", json_object_new_int(viewers - (c->pty != NULL)));
	json_object_object_add(o, "writer", json_object_new_boolean(writer));
	if (c->pty)
		json_object_object_add(o, "pty", json_object_new_string(console_pty_name(c->pty)));
	json_object_object_add(o, "scrollback", json_object_new_uint64(c->ring.size));
	json_object_object_add(o, "columns", json_object_new_int(c->columns));
	json_object_object_add(o, "rows", json_object_new_int(c->rows));
	json_object_object_add(o, "bytes_out", json_object_new_uint64(c->bytes_out));
	json_object_object_add(o, "bytes_in", json_object_new_uint64(c->bytes_in));
	json_object_object_add(o, "keys_waiting", json_object_new_uint64(c->keys_used));
}

const struct x100_backend_class x100_console_class = {
	.kind = "console",
	.check = check,
	.open = open_console,
	.close = close_console,
	.status = status,
};
