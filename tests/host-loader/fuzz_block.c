// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzzed: a disk, with requests of a hostile card in chains of any shape, between kicks, resets and
 * changes of the file's size. Faked: page and rings (fake_vq.h); the file is in memory.
 */
#include "fake_vq.h"
#include "fuzz_input.h"

#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (1u << 20) /* of the disk */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Part of a chain; small ones, sectors and their neighbours most of the time. */
static struct x100_seg any_part(void)
{
	static const uint32_t sizes[] = { 1,   2,   8,    15,   16,    17,   32,   511,
					  512, 513, 1024, 4096, 65536, 4097, 1536, 0 };
	uint8_t what = byte();
	uint32_t size = sizes[what & 15];

	if (!size)
		size = 1u + word();
	return (struct x100_seg){ (what >> 4) * 70000u + byte(), size };
}

/* A request header somewhere where chains tend to begin. */
static void put_header(uint32_t at)
{
	static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 0, 1 };
	struct virtio_blk_outhdr header;
	uint8_t what = byte();

	header.type = what & 8 ? word() : types[what & 7];
	header.ioprio = 0;
	header.sector = what & 16 ? ~0ull - byte() : byte();
	memcpy(fake_vq.memory + at, &header, sizeof(header));
	if (what & 32) {
		struct virtio_blk_discard_write_zeroes range = { byte(), byte(), byte() & 3 };

		memcpy(fake_vq.memory + at + sizeof(header), &range, sizeof(range));
	}
}

static void offer(void)
{
	struct x100_seg seg[16];
	uint8_t shape = byte();
	uint16_t readable = shape & 7, writable = shape >> 3 & 7;
	unsigned int queue = shape >> 6;

	for (unsigned int i = 0; i < (unsigned int)readable + writable; i++)
		seg[i] = any_part();
	if (!readable && !writable)
		return;
	if (readable)
		put_header(seg[0].card);
	if (fake_vq.queue[queue].offers < FAKE_VQ_CHAINS)
		fake_vq_offer(queue, word(), seg, readable, writable);
}

/* Wait a little for what is under way, if something is. */
static void turn(void)
{
	bool busy = false;

	for (unsigned int i = 0; i < 4; i++)
		busy |= fake_vq.queue[i].taken != fake_vq.queue[i].published;
	x100_loop_turn(fake_vq.env.loop, busy ? 2 : 0);
}

/* The disk never grows or shrinks a file by itself. */
static void check_size(int file, off_t want)
{
	struct stat st;

	if (fstat(file, &st) || st.st_size != want)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct x100_backend *disk;
	static int file;
	struct x100_why why;
	off_t now = SIZE;
	bool noticed = true;

	if (!disk) {
		char spec[64];

		fake_vq_setup();
		file = memfd_create("disk", 0);
		snprintf(spec, sizeof(spec), "/proc/self/fd/%d,queues=4", file);
		if (file < 0 || ftruncate(file, SIZE) ||
		    x100_block_class.open(&fake_vq.env, "disk0", spec, &why, &disk))
			abort();
	}
	input = data;
	left = size;
	fake_vq_start(word() & fake_vq.params.features);
	while (left) {
		switch (byte() & 15) {
		case 0:
			fake_vq_kick();
			break;
		case 1:
			turn();
			break;
		case 2:
			fake_vq_stop();
			break;
		case 3:
			fake_vq.mapped = !fake_vq.mapped;
			break;
		case 4:
			fake_vq.gone = !fake_vq.gone;
			break;
		case 5:
			/* Nothing is under way: writes past the end make a file longer. */
			fake_vq_stop();
			now = (off_t)(byte() + 1) * 4096;
			if (ftruncate(file, now))
				abort();
			noticed = !(byte() & 1);
			if (noticed)
				x100_block_class.rescan(disk, &why);
			break;
		case 6:
			fake_vq.pop_faults = true;
			fake_vq_kick();
			fake_vq.pop_faults = false;
			break;
		default:
			offer();
			break;
		}
		if (!fake_vq.live)
			fake_vq_start(word() & fake_vq.params.features);
	}
	fake_vq_kick();
	turn();
	fake_vq_stop();
	if (noticed)
		check_size(file, now);
	fake_vq.mapped = true;
	fake_vq.gone = false;
	if (ftruncate(file, SIZE) || x100_block_class.rescan(disk, &why))
		abort();
	return 0;
}
