/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of a console stream, which follow the answer to {"op": "console"} in both directions: type,
 * 0, and the length of the payload as 16 bits, little endian.
 */
#ifndef X100_FRAME_H
#define X100_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD 4u
#define FRAME_MAX  4096u /* bytes of payload */

enum frame_type {
	FRAME_DATA,    /* keys to the card, output from it */
	FRAME_SIZE,    /* to x100d: columns, rows; 16 bits each */
	FRAME_WRITER,  /* from x100d: 1 = this viewer writes, 0 = it only looks */
	FRAME_GOODBYE, /* from x100d: a sentence; nothing follows */
};

static inline void frame_head(uint8_t head[FRAME_HEAD], enum frame_type type, size_t size)
{
	head[0] = (uint8_t)type;
	head[1] = 0;
	head[2] = (uint8_t)size;
	head[3] = (uint8_t)(size >> 8);
}

static inline size_t frame_size(const uint8_t head[FRAME_HEAD])
{
	return (size_t)head[2] | (size_t)head[3] << 8;
}

#endif
