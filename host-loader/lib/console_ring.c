// SPDX-License-Identifier: BSD-3-Clause
/* Scrollback in a mapped file. */
#include "console_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_MAGIC   0x52533158u /* "X1SR" */
#define RING_VERSION 1u
/* More than any console says. */
#define WRITTEN_MAX (1ull << 56)

struct console_ring_file {
	uint32_t magic;
	uint32_t version;
	uint32_t size;
	uint32_t check; /* ~(magic ^ version ^ size) */
	uint64_t written;
	uint64_t reserved[5];
	uint8_t bytes[];
};

_Static_assert(sizeof(struct console_ring_file) == 64, "the head of the file");

static uint32_t check_word(const struct console_ring_file *f)
{
	return ~(f->magic ^ f->version ^ f->size);
}

/* A whole ring of @length bytes of file. */
static bool sound(const struct console_ring_file *f, uint64_t length)
{
	return length >= sizeof(*f) && f->magic == RING_MAGIC && f->version == RING_VERSION &&
	       f->check == check_word(f) && f->size >= CONSOLE_RING_MIN &&
	       f->size <= CONSOLE_RING_MAX && length == sizeof(*f) + f->size &&
	       f->written <= WRITTEN_MAX;
}

static void set_up(struct console_ring *ring, struct console_ring_file *file, uint32_t size)
{
	ring->file = file;
	ring->mapped = sizeof(*file) + size;
	ring->size = size;
	ring->written = file->written;
}

static void format(struct console_ring_file *f, uint32_t size)
{
	f->magic = RING_MAGIC;
	f->version = RING_VERSION;
	f->size = size;
	f->check = check_word(f);
}

/* The old text of another size, to be copied into the new ring; NULL if there is none to be had. */
static struct console_ring_file *read_old(int fd, uint64_t length)
{
	struct console_ring_file *old;

	if (length < sizeof(*old) || length > sizeof(*old) + CONSOLE_RING_MAX)
		return NULL;
	old = malloc(length);
	if (old && (pread(fd, old, length, 0) != (ssize_t)length || !sound(old, length))) {
		free(old);
		old = NULL;
	}
	return old;
}

static void copy_old(struct console_ring *ring, struct console_ring_file *old)
{
	struct console_ring from;
	const uint8_t *bytes;
	size_t part;

	set_up(&from, old, old->size);
	for (uint64_t at = console_ring_oldest(&from); (part = console_ring_at(&from, at, &bytes));
	     at += part)
		console_ring_add(ring, bytes, part);
}

static int map(struct console_ring *ring, int fd, uint32_t size)
{
	void *file = mmap(NULL, sizeof(*ring->file) + size, PROT_READ | PROT_WRITE,
			  fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (file == MAP_FAILED)
		return -errno;
	set_up(ring, file, size);
	return 0;
}

int console_ring_open(struct console_ring *ring, const char *path, uint32_t size, bool *damaged,
		      struct x100_why *why)
{
	uint64_t length = sizeof(struct console_ring_file) + size;
	struct console_ring_file *old = NULL;
	struct stat st;
	int fd, ret;

	memset(ring, 0, sizeof(*ring));
	*damaged = false;
	if (!path) {
		ret = map(ring, -1, size);
		if (!ret)
			format(ring->file, size);
		return ret ? x100_fail(why, X100_ERR_MEMORY, "no memory for scrollback") : X100_OK;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return x100_fail(why, X100_ERR_FILE, "%s: %s", path, strerror(errno));
	ret = fstat(fd, &st) ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
	if (!ret && st.st_size) {
		old = read_old(fd, (uint64_t)st.st_size);
		*damaged = !old;
	}
	/*
	 * A file of the right size is kept as it is. All of another one is allocated: a full disk
	 * shows now and not as a signal later.
	 */
	if (!ret && (!old || old->size != size)) {
		ret = ftruncate(fd, 0) || ftruncate(fd, (off_t)length) ? errno : 0;
		if (!ret)
			ret = posix_fallocate(fd, 0, (off_t)length);
	}
	if (!ret)
		ret = -map(ring, fd, size);
	if (!ret && (!old || old->size != size)) {
		format(ring->file, size);
		if (old)
			copy_old(ring, old);
	}
	close(fd);
	free(old);
	return ret ? x100_fail(why, X100_ERR_FILE, "%s: %s", path, strerror(ret)) : X100_OK;
}

void console_ring_close(struct console_ring *ring)
{
	if (ring->file)
		munmap(ring->file, ring->mapped);
	ring->file = NULL;
}

void console_ring_add(struct console_ring *ring, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;

	while (size) {
		size_t at = ring->written % ring->size, part = ring->size - at;

		if (part > size)
			part = size;
		memcpy(ring->file->bytes + at, from, part);
		ring->written += part;
		from += part;
		size -= part;
	}
	/* Behind the bytes: killed in between, they are not counted yet. */
	__atomic_store_n(&ring->file->written, ring->written, __ATOMIC_RELEASE);
}

uint64_t console_ring_oldest(const struct console_ring *ring)
{
	return ring->written > ring->size ? ring->written - ring->size : 0;
}

size_t console_ring_at(const struct console_ring *ring, uint64_t from, const uint8_t **bytes)
{
	size_t at = from % ring->size, part = ring->size - at;

	*bytes = ring->file->bytes + at;
	return part < ring->written - from ? part : (size_t)(ring->written - from);
}
