/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last bytes of a console, in a mapped file: what was added is there for the next process, however
 * this one ends.
 */
#ifndef X100_CONSOLE_RING_H
#define X100_CONSOLE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "why.h"

#define CONSOLE_RING_MIN 4096u
#define CONSOLE_RING_MAX (64u << 20)

struct console_ring_file;

struct console_ring {
	struct console_ring_file *file;
	size_t mapped;
	uint32_t size;    /* bytes it holds */
	uint64_t written; /* bytes ever added: positions count from the first one */
};

/*
 * Open or make the ring in the file @path. One of another size is made anew with as much of the old
 * text as fits; one that is damaged is made anew, empty, with *@damaged set. @path NULL: in memory only.
 *
 * Errors: FILE, MEMORY.
 */
int console_ring_open(struct console_ring *ring, const char *path, uint32_t size, bool *damaged,
		      struct x100_why *why);
void console_ring_close(struct console_ring *ring);

void console_ring_add(struct console_ring *ring, const void *bytes, size_t size);
/* Position of the oldest byte that is still there. */
uint64_t console_ring_oldest(const struct console_ring *ring);
/*
 * The bytes from position @from on, as many as lie in one piece; 0 at the end. @from is not before
 * the oldest. *@bytes is valid until the next console_ring_add().
 */
size_t console_ring_at(const struct console_ring *ring, uint64_t from, const uint8_t **bytes);

#endif
