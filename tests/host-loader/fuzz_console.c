// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzzed: the console, with output and buffers of a hostile card, viewers that come, go and take what they
 * like, and resets; and its scrollback file with any bytes in it. Faked: page and rings (fake_vq.h).
 */
#include "fake_vq.h"
#include "fuzz_input.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console_ring.h"

#define VIEWERS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/x100-fuzz-XXXXXX", file[64];
static struct x100_backend *backend;

static struct eye {
	struct x100_viewer v;
	bool attached;
	size_t room;
	uint64_t got;
} eye[VIEWERS];

static size_t look(void *arg, const void *bytes, size_t size)
{
	static volatile uint8_t last;
	struct eye *e = arg;

	if (size > e->room)
		size = e->room;
	/* All of it is memory that may be read. */
	for (size_t i = 0; i < size; i++)
		last = ((const uint8_t *)bytes)[i];
	(void)last;
	e->room -= size;
	e->got += size;
	return size;
}

static void writer(void *arg, bool taken)
{
	const struct eye *e = arg;

	if (!e->attached || (taken && e->v.is_writer))
		abort();
}

static void check_writers(void)
{
	unsigned int writers = 0, may = 0;

	for (unsigned int i = 0; i < VIEWERS; i++) {
		writers += eye[i].attached && eye[i].v.is_writer;
		may += eye[i].attached && eye[i].v.may_write;
	}
	if (writers != (may ? 1 : 0))
		abort();
}

static void viewer(void)
{
	struct eye *e = &eye[byte() % VIEWERS];
	uint8_t what = byte(), keys[600];

	if (!e->attached) {
		*e = (struct eye){ .attached = true, .room = word() };
		e->v = (struct x100_viewer){ .output = look, .writer = writer, .arg = e };
		x100_console_attach(backend, &e->v, what & 1, word());
		return;
	}
	switch (what & 3) {
	case 0:
		e->attached = false;
		x100_console_detach(backend, &e->v);
		break;
	case 1:
		e->room = word();
		x100_console_ready(backend, &e->v);
		break;
	case 2:
		memset(keys, 'k', sizeof(keys));
		if (x100_console_input(backend, &e->v, keys, what * 2) > what * 2u)
			abort();
		break;
	default:
		x100_console_size(backend, &e->v, word(), word());
		break;
	}
}

static void offer(unsigned int queue)
{
	struct x100_seg seg[6];
	uint8_t shape = byte();
	uint16_t first = shape & 3, second = shape >> 2 & 1;

	for (unsigned int i = 0; i < first + second; i++)
		seg[i] = (struct x100_seg){ word(), 1u + (shape & 0x80 ? word() : byte()) };
	if (first + second == 0 || fake_vq.queue[queue].offers == FAKE_VQ_CHAINS)
		return;
	if (queue)
		fake_vq_offer(1, word(), seg, first, second);
	else
		fake_vq_offer(0, word(), seg, second, first);
}

/* A file that says anything is opened, used, and sound afterwards. */
static void check_ring(const uint8_t *data, size_t size)
{
	struct console_ring ring;
	struct x100_why why;
	const uint8_t *bytes;
	uint64_t at;
	size_t part;
	bool damaged;
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		abort();
	/* The length a ring of 4 KiB has, or the input's. */
	if (write(fd, data, size) != (ssize_t)size ||
	    (size && data[0] & 1 && ftruncate(fd, CONSOLE_RING_MIN + 64)))
		abort();
	close(fd);
	for (int i = 0; i < 2; i++) {
		if (console_ring_open(&ring, file, CONSOLE_RING_MIN << i, &damaged, &why) ||
		    (i && damaged))
			abort();
		console_ring_add(&ring, data, size);
		at = console_ring_oldest(&ring);
		for (; (part = console_ring_at(&ring, at, &bytes)); at += part)
			if (memchr(bytes, 0, part) && part > ring.size)
				abort();
		if (at != ring.written)
			abort();
		console_ring_close(&ring);
	}
}

static void clean_up(void)
{
	x100_console_class.close(backend);
	unlink(file);
	snprintf(file, sizeof(file), "%s/mic0-console.scrollback", dir);
	unlink(file);
	rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct x100_why why;

	if (!backend) {
		fake_vq_setup();
		if (!mkdtemp(dir))
			abort();
		fake_vq.env.state_dir = dir;
		snprintf(file, sizeof(file), "%s/ring", dir);
		if (x100_console_class.open(&fake_vq.env, "console", "scrollback=8K", &why,
					    &backend))
			abort();
		atexit(clean_up);
	}
	if (size && data[0] & 2)
		check_ring(data, size);
	input = data;
	left = size;
	fake_vq_start(word() & fake_vq.params.features);
	while (left) {
		switch (byte() & 15) {
		case 0:
		case 1:
			fake_vq_kick();
			break;
		case 2:
			x100_loop_turn(fake_vq.env.loop, 0);
			break;
		case 3:
			fake_vq_stop();
			break;
		case 4:
			fake_vq.gone = !fake_vq.gone;
			break;
		case 5:
			fake_vq.pop_faults = true;
			fake_vq_kick();
			viewer();
			fake_vq.pop_faults = false;
			break;
		case 6:
		case 7:
		case 8:
			offer(0);
			break;
		case 9:
		case 10:
		case 11:
			offer(1);
			break;
		default:
			viewer();
			break;
		}
		check_writers();
		if (!fake_vq.live)
			fake_vq_start(word() & fake_vq.params.features);
	}
	fake_vq_kick();
	fake_vq_stop();
	fake_vq.gone = false;
	for (unsigned int i = 0; i < VIEWERS; i++)
		if (eye[i].attached)
			x100_console_detach(backend, &eye[i].v);
	memset(eye, 0, sizeof(eye));
	return 0;
}
