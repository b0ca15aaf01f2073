// SPDX-License-Identifier: GPL-2.0-only
/*
 * Client memory as RAM: see pcie-direct.h.
 *
 * QEMU's memory API has one block of RAM, a reserved range of addresses of this process. Each range
 * that is shown is mapped into a slice of it. So no block comes and goes with the client's mappings,
 * and what a CPU that has not yet noticed a change still points to is always an address of the block.
 *
 * Taking a range back has two steps. x100_direct_hide() maps ones over the slice, in one system call
 * which replaces the file's pages for all threads: from then on a CPU with an old TLB entry reads
 * ones and writes into private pages. The slice is used again only after an RCU grace period. A CPU
 * runs guest code within one RCU critical section, and looks for work that is queued for it before
 * it enters the next; the flush of its TLB was queued when the range left the memory map, before the
 * grace period began. Nobody waits, so nobody can deadlock.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/memfd.h"
#include "qemu/queue.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "exec/exec-all.h"
#include "exec/ram_addr.h"
#include "sysemu/tcg.h"
#include "pcie-direct.h"

#define ARENA     (16 * GiB) /* of addresses; costs 1.5 MiB of QEMU's page bits */
#define ONES_SIZE (1 * MiB)

typedef struct Slice {
	struct rcu_head rcu;
	X100Direct *d;
	MemoryRegion view; /* in the host bus; gone once the range is hidden */
	uint64_t at, size; /* in the arena */
	uint64_t bus;
	bool shown;
	QTAILQ_ENTRY(Slice) link;
} Slice;

struct X100Direct {
	MemoryRegion view, arena;
	uint8_t *base;
	int ones; /* file of ONES_SIZE bytes 0xFF */
	unsigned int count;
	QTAILQ_HEAD(, Slice) slices; /* by place in the arena, those not yet free too */
};

static int ones_file(void)
{
	g_autofree uint8_t *ones = g_malloc(ONES_SIZE);
	int fd = qemu_memfd_create("x100-ones", ONES_SIZE, false, 0, 0, &error_fatal);

	memset(ones, 0xFF, ONES_SIZE);
	if (pwrite(fd, ones, ONES_SIZE, 0) != ONES_SIZE) {
		error_report("x100: cannot fill a memory file: %s", strerror(errno));
		exit(EXIT_FAILURE);
	}
	return fd;
}

X100Direct *x100_direct_new(void)
{
	X100Direct *d = g_new0(X100Direct, 1);

	d->base = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (d->base == MAP_FAILED) {
		error_report("x100: cannot reserve addresses for host memory: %s", strerror(errno));
		exit(EXIT_FAILURE);
	}
	d->ones = ones_file();
	QTAILQ_INIT(&d->slices);
	memory_region_init_ram_ptr(&d->arena, NULL, "x100-host-memory", ARENA, d->base);
	memory_region_init(&d->view, NULL, "x100-host-bus", UINT64_MAX);
	return d;
}

MemoryRegion *x100_direct_view(X100Direct *d)
{
	return &d->view;
}

bool x100_direct_suits(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;

	/* Files of huge pages can be sealed, too, but fail when the host has none left. */
	return seals >= 0 && seals & F_SEAL_SHRINK && !fstatfs(fd, &fs) && fs.f_type == TMPFS_MAGIC;
}

/* First gap of the arena that is large enough. Returns the slice behind it, NULL for the end. */
static Slice *find_gap(X100Direct *d, uint64_t size, uint64_t *at)
{
	Slice *s;

	*at = 0;
	QTAILQ_FOREACH(s, &d->slices, link) {
		if (s->at - *at >= size)
			break;
		*at = s->at + s->size;
	}
	return s;
}

uint8_t *x100_direct_show(X100Direct *d, uint64_t bus, uint64_t size, int fd, uint64_t offset)
{
	Slice *s, *behind;
	uint64_t at;
	void *p;

	if ((bus | size | offset) & (TARGET_PAGE_SIZE - 1) || d->count == X100_DIRECT_MAX)
		return NULL;
	behind = find_gap(d, size, &at);
	if (!behind && size > ARENA - at)
		return NULL;
	p = mmap(d->base + at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED,
		 fd, offset);
	if (p == MAP_FAILED)
		return NULL;
	s = g_new0(Slice, 1);
	s->d = d;
	s->at = at;
	s->size = size;
	s->bus = bus;
	s->shown = true;
	if (behind)
		QTAILQ_INSERT_BEFORE(behind, s, link);
	else
		QTAILQ_INSERT_TAIL(&d->slices, s, link);
	d->count++;
	memory_region_init_alias(&s->view, NULL, "x100-host-range", &d->arena, at, size);
	memory_region_add_subregion(&d->view, bus, &s->view);
	return p;
}

/* No CPU points to the slice any more. */
static void slice_free(Slice *s)
{
	X100Direct *d = s->d;
	ram_addr_t ram = memory_region_get_ram_addr(&d->arena) + s->at;

	/* Code that a CPU ran there must not be found when the slice shows something else. */
	if (tcg_enabled() && !cpu_physical_memory_all_dirty(ram, s->size, DIRTY_MEMORY_CODE))
		tb_invalidate_phys_range(ram, ram + s->size);
	if (mmap(d->base + s->at, s->size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		error_report("x100: host memory stays reserved: %s", strerror(errno));
	QTAILQ_REMOVE(&d->slices, s, link);
	g_free(s);
}

void x100_direct_hide(X100Direct *d, uint8_t *host)
{
	uint64_t at = host - d->base;
	Slice *s;

	QTAILQ_FOREACH(s, &d->slices, link) {
		if (s->at == at)
			break;
	}
	assert(s && s->shown);
	s->shown = false;
	d->count--;
	memory_region_del_subregion(&d->view, &s->view);
	object_unparent(OBJECT(&s->view));
	for (uint64_t done = 0; done < s->size; done += ONES_SIZE) {
		void *p = mmap(host + done, MIN(ONES_SIZE, s->size - done), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, d->ones, 0);

		/* The client was promised that its memory is its own again. */
		if (p == MAP_FAILED) {
			error_report("x100: cannot take host memory from the card: %s",
				     strerror(errno));
			abort();
		}
	}
	call_rcu(s, slice_free, rcu);
}

bool x100_direct_any(const X100Direct *d, uint64_t bus, uint64_t size)
{
	const Slice *s;

	QTAILQ_FOREACH(s, &d->slices, link) {
		if (s->shown && s->bus <= bus + (size - 1) && bus <= s->bus + (s->size - 1))
			return true;
	}
	return false;
}

unsigned int x100_direct_count(const X100Direct *d)
{
	return d->count;
}
