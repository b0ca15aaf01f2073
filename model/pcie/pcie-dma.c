// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table of DMA mappings: see pcie-dma.h.
 */
#include "qemu/osdep.h"
#include <setjmp.h>
#include <sys/mman.h>
#include "qemu/atomic.h"
#include "pcie-dma.h"

/* Index of the first mapping that ends above @bus. */
static size_t dma_index(const X100DmaTable *t, uint64_t bus)
{
	size_t lo = 0, hi = t->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->maps[mid].bus + (t->maps[mid].size - 1) < bus)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Maps the file for us and, where that can be, for the card's CPUs. Returns 0 or a positive errno. */
static int dma_mmap(X100DmaTable *t, X100DmaMap *map, int fd, uint64_t offset)
{
	int prot = (map->flags & X100_DMA_READ ? PROT_READ : 0) |
		   (map->flags & X100_DMA_WRITE ? PROT_READ | PROT_WRITE : 0);
	bool direct = t->direct && map->flags == (X100_DMA_READ | X100_DMA_WRITE) &&
		      x100_direct_suits(fd);
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return errno;
	if (offset > INT64_MAX || map->size > INT64_MAX - offset)
		return EINVAL;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < offset + map->size)
		return EINVAL;
	if (direct)
		map->host = x100_direct_show(t->direct, map->bus, map->size, fd, offset);
	map->direct = map->host;
	if (map->direct)
		return 0;
	p = mmap(NULL, map->size, prot, MAP_SHARED | MAP_NORESERVE, fd, offset);
	if (p == MAP_FAILED)
		return errno;
	map->host = p;
	return 0;
}

int x100_dma_map(X100DmaTable *t, uint64_t bus, uint64_t size, uint32_t flags, int fd,
		 uint64_t offset)
{
	X100DmaMap map = { .bus = bus, .size = size, .flags = flags };
	size_t at = dma_index(t, bus);
	int err;

	if (!size || bus + (size - 1) < bus || flags & ~(X100_DMA_READ | X100_DMA_WRITE) || !flags)
		return EINVAL;
	if (at < t->nr && t->maps[at].bus <= bus + (size - 1))
		return EEXIST;
	if (t->nr == X100_DMA_MAPS_MAX)
		return ENOSPC;
	if (fd >= 0) {
		err = dma_mmap(t, &map, fd, offset);
		if (err)
			return err;
	}
	t->maps = g_renew(X100DmaMap, t->maps, t->nr + 1);
	memmove(t->maps + at + 1, t->maps + at, (t->nr - at) * sizeof(map));
	t->maps[at] = map;
	t->nr++;
	return 0;
}

static void dma_drop(X100DmaTable *t, X100DmaMap *map)
{
	if (map->direct)
		x100_direct_hide(t->direct, map->host);
	else if (map->host)
		munmap(map->host, map->size);
}

int x100_dma_unmap(X100DmaTable *t, uint64_t bus, uint64_t size)
{
	size_t at = dma_index(t, bus);

	if (at == t->nr || t->maps[at].bus != bus || t->maps[at].size != size)
		return ENOENT;
	dma_drop(t, &t->maps[at]);
	t->nr--;
	memmove(t->maps + at, t->maps + at + 1, (t->nr - at) * sizeof(*t->maps));
	return 0;
}

void x100_dma_unmap_all(X100DmaTable *t)
{
	for (size_t i = 0; i < t->nr; i++)
		dma_drop(t, &t->maps[i]);
	g_free(t->maps);
	t->maps = NULL;
	t->nr = 0;
}

const X100DmaMap *x100_dma_find(const X100DmaTable *t, uint64_t bus)
{
	size_t at = dma_index(t, bus);

	return at < t->nr && t->maps[at].bus <= bus ? &t->maps[at] : NULL;
}

/*
 * A client can shorten its file after it was mapped; touching what is gone raises SIGBUS in the
 * thread that touched it. The copy is the only place that does, and it is left by siglongjmp.
 */
static __thread sigjmp_buf *copy_escape;
static struct sigaction next_sigbus;

static void on_sigbus(int sig, siginfo_t *info, void *uc)
{
	if (copy_escape)
		siglongjmp(*copy_escape, 1);
	if (next_sigbus.sa_flags & SA_SIGINFO)
		next_sigbus.sa_sigaction(sig, info, uc);
	else
		abort();
}

static void guard_install(void)
{
	static __thread bool unblocked;
	static gsize once;
	sigset_t set;

	/* QEMU's threads start with SIGBUS blocked; a fault would then kill the process. */
	if (!unblocked) {
		sigemptyset(&set);
		sigaddset(&set, SIGBUS);
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		unblocked = true;
	}
	if (g_once_init_enter(&once)) {
		/* SA_NODEFER: siglongjmp does not restore the mask, so SIGBUS must not be in it. */
		struct sigaction sa = { .sa_sigaction = on_sigbus,
					.sa_flags = SA_SIGINFO | SA_NODEFER };

		sigemptyset(&sa.sa_mask);
		sigaction(SIGBUS, &sa, &next_sigbus);
		g_once_init_leave(&once, 1);
	}
}

static void copy(uint8_t *host, void *buf, size_t len, bool is_write)
{
	bool aligned = !((uintptr_t)host & (len - 1));

	if (aligned && len == 8) {
		uint64_t v;

		if (is_write) {
			memcpy(&v, buf, sizeof(v));
			qatomic_set((uint64_t *)host, v);
		} else {
			v = qatomic_read((uint64_t *)host);
			memcpy(buf, &v, sizeof(v));
		}
	} else if (aligned && len == 4) {
		uint32_t v;

		if (is_write) {
			memcpy(&v, buf, sizeof(v));
			qatomic_set((uint32_t *)host, v);
		} else {
			v = qatomic_read((uint32_t *)host);
			memcpy(buf, &v, sizeof(v));
		}
	} else if (aligned && len == 2) {
		uint16_t v;

		if (is_write) {
			memcpy(&v, buf, sizeof(v));
			qatomic_set((uint16_t *)host, v);
		} else {
			v = qatomic_read((uint16_t *)host);
			memcpy(buf, &v, sizeof(v));
		}
	} else if (is_write) {
		memcpy(host, buf, len);
	} else {
		memcpy(buf, host, len);
	}
}

bool x100_dma_copy(uint8_t *host, void *buf, size_t len, bool is_write)
{
	sigjmp_buf escape;
	bool ok;

	guard_install();
	ok = !sigsetjmp(escape, 0);
	if (ok) {
		copy_escape = &escape;
		smp_mb();
		copy(host, buf, len, is_write);
	}
	copy_escape = NULL;
	return ok;
}
