// SPDX-License-Identifier: BSD-3-Clause
/*
 * Memory of the stub kernel. Small objects come from malloc(), so that ASan watches them. Pages lie in the
 * fake card's memory, where the host reaches them. The host's memory is a window of our own address
 * space for each ioremap(); its pages can be made to trap, which shows every load and store, whatever
 * code makes it: the access is let through, one instruction is stepped, and the trap is set again.
 */
#include "sim_parts.h"

#include <fake.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <x100/memmap.h>
#include <x100/range.h>
#include <x100/regs.h>
#include <x100/smpt.h>

#define POOL       0x18000000ull /* card address of the first page that is given away */
#define POOL_PAGES 4096u
#define VIEWS      64
#define WINDOWS    16
#define WATCHES    16
#define EVENTS_MAX 65536u

struct object {
	void *at;
	struct object *next;
};

/* An ioremap() of host memory. */
struct view {
	u8 *va;
	u64 phys, size; /* whole pages */
};

/* Memory that the host gave. */
struct window {
	u64 iova, size, offset;
	int fd;
	u8 *host; /* our mapping, which never traps */
};

struct watch {
	u64 phys, size;
	void (*before)(u64 phys); /* NULL: stores */
};

/* A page whose trap is off for one instruction. */
struct step {
	const struct view *view;
	u64 page;   /* offset in the view */
	u64 stored; /* offset of a store, or ~0 */
};

static struct {
	struct object *objects;
	u8 taken[POOL_PAGES]; /* 0 free, 1 first page of an allocation, 2 further ones */
	struct view view[VIEWS];
	struct window window[WINDOWS];
	struct watch watch[WATCHES];
	unsigned int watches, fail_in;
	struct step step[4];
	unsigned int steps;
} m;

struct sim_event *sim_events;
unsigned int sim_event_count;
void (*sim_on_mmio)(u32 bar4_offset, u32 value);
void *x100_mmio = fake.mmio;

static void note(enum sim_event_kind kind, u64 at, u64 value)
{
	if (sim_event_count < EVENTS_MAX)
		sim_events[sim_event_count++] = (struct sim_event){ kind, at, value };
}

void sim_forget_events(void)
{
	sim_event_count = 0;
}

void sim_note_rung(unsigned int n)
{
	note(SIM_RUNG, n, 0);
}

unsigned int sim_fail_allocation(unsigned int n)
{
	unsigned int left = m.fail_in;

	m.fail_in = n;
	return left;
}

static bool fails(void)
{
	return m.fail_in && !--m.fail_in;
}

/* ------------------------------------------------------------------ small objects */

void *kmalloc(size_t size, gfp_t gfp)
{
	struct object *o;
	void *p;

	if (!(gfp & GFP_ATOMIC))
		might_sleep();
	if (fails())
		return NULL;
	o = malloc(sizeof(*o));
	p = malloc(size ? size : 1);
	if (!o || !p)
		abort();
	memset(p, gfp & __GFP_ZERO ? 0 : 0xA5, size);
	o->at = p;
	o->next = m.objects;
	m.objects = o;
	return p;
}

void kfree(const void *p)
{
	struct object **at = &m.objects, *o;

	if (!p)
		return;
	while (*at && (*at)->at != p)
		at = &(*at)->next;
	o = *at;
	if (!o)
		sim_bug("kfree() of what kmalloc() did not give");
	*at = o->next;
	free(o->at);
	free(o);
}

unsigned int sim_objects(void)
{
	unsigned int n = 0;

	for (const struct object *o = m.objects; o; o = o->next)
		n++;
	for (unsigned int i = 0; i < POOL_PAGES; i++)
		n += m.taken[i] == 1;
	for (unsigned int i = 0; i < VIEWS; i++)
		n += m.view[i].va != NULL;
	return n;
}

/* ------------------------------------------------------------------ pages */

static bool pages_free(unsigned int first, unsigned int count)
{
	for (unsigned int i = first; i < first + count; i++)
		if (m.taken[i])
			return false;
	return true;
}

void *alloc_pages_exact(size_t size, gfp_t gfp)
{
	unsigned int count = (unsigned int)(PAGE_ALIGN(size) >> PAGE_SHIFT);

	if (!(gfp & GFP_ATOMIC))
		might_sleep();
	if (fails())
		return NULL;
	for (unsigned int first = 0; first + count <= POOL_PAGES; first++) {
		u8 *p = fake.memory + POOL + first * PAGE_SIZE;

		if (!pages_free(first, count))
			continue;
		memset(m.taken + first, 2, count);
		m.taken[first] = 1;
		ASAN_UNPOISON_MEMORY_REGION(p, count * PAGE_SIZE);
		memset(p, gfp & __GFP_ZERO ? 0 : 0xA5, count * PAGE_SIZE);
		return p;
	}
	return NULL;
}

void free_pages_exact(void *p, size_t size)
{
	unsigned int count = (unsigned int)(PAGE_ALIGN(size) >> PAGE_SHIFT);
	u64 offset = virt_to_phys(p) - POOL;
	unsigned int first = (unsigned int)(offset >> PAGE_SHIFT);

	if (offset % PAGE_SIZE || m.taken[first] != 1 ||
	    (first + count < POOL_PAGES && m.taken[first + count] == 2))
		sim_bug("free_pages_exact() of what was not allocated so");
	memset(m.taken + first, 0, count);
	ASAN_POISON_MEMORY_REGION(p, count * PAGE_SIZE);
}

phys_addr_t virt_to_phys(const volatile void *p)
{
	const struct x100_range pool = { (uintptr_t)fake.memory + POOL, POOL_PAGES * PAGE_SIZE };

	if (!x100_range_inside(pool, (uintptr_t)p, 1))
		sim_bug("virt_to_phys() of memory that is not in pages of the card");
	return (u64)((uintptr_t)p - (uintptr_t)fake.memory);
}

void sg_init_table(struct scatterlist *sg, unsigned int n)
{
	memset(sg, 0, n * sizeof(*sg));
	sg[n - 1].last = true;
}

void sg_set_buf(struct scatterlist *sg, const void *p, unsigned int size)
{
	sg->at = (void *)p;
	sg->offset = offset_in_page(p);
	sg->length = size;
}

/* ------------------------------------------------------------------ windows onto the host */

static struct window *window_at(u64 iova)
{
	for (unsigned int i = 0; i < WINDOWS; i++)
		if (m.window[i].size &&
		    x100_range_inside((struct x100_range){ m.window[i].iova, m.window[i].size },
				      iova, PAGE_SIZE))
			return &m.window[i];
	return NULL;
}

/* Host bus address behind a page of the system memory window. */
static u64 bus_address(u64 phys)
{
	return x100_smpt_host(fake_sbox(X100_SBOX_SMPT(x100_smpt_index(phys))), phys);
}

static const struct watch *watched(u64 page, bool loads)
{
	for (unsigned int i = 0; i < m.watches; i++)
		if (!m.watch[i].before == !loads &&
		    x100_range_overlaps((struct x100_range){ m.watch[i].phys, m.watch[i].size },
					(struct x100_range){ page, PAGE_SIZE }))
			return &m.watch[i];
	return NULL;
}

static int protection(u64 phys)
{
	if (watched(phys, true))
		return PROT_NONE;
	if (watched(phys, false) || !window_at(bus_address(phys)))
		return PROT_READ;
	return PROT_READ | PROT_WRITE;
}

static struct sigaction old_segv;
static void on_segv(int sig, siginfo_t *info, void *context);
static void on_trap(int sig, siginfo_t *info, void *context);

/* cmocka takes the signals anew for each test and fixture. */
static void catch_traps(void)
{
	const struct sigaction segv = { .sa_sigaction = on_segv,
					.sa_flags = SA_SIGINFO | SA_NODEFER };
	const struct sigaction trap = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	struct sigaction old;

	sigaction(SIGSEGV, &segv, &old);
	if (old.sa_sigaction != on_segv)
		old_segv = old;
	sigaction(SIGTRAP, &trap, NULL);
}

/* Show what is behind a page of a view now: the host's memory or ones. */
static void show_page(const struct view *v, u64 page)
{
	const struct window *w = window_at(bus_address(v->phys + page));
	void *at;

	if (w) {
		u64 offset = w->offset + bus_address(v->phys + page) - w->iova;

		at = mmap(v->va + page, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			  w->fd, (off_t)offset);
	} else {
		at = mmap(v->va + page, PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (at != MAP_FAILED)
			memset(at, 0xFF, PAGE_SIZE);
	}
	if (at == MAP_FAILED || mprotect(at, PAGE_SIZE, protection(v->phys + page)))
		abort();
}

static void show(void)
{
	catch_traps();
	for (unsigned int i = 0; i < VIEWS; i++)
		for (u64 page = 0; m.view[i].va && page < m.view[i].size; page += PAGE_SIZE)
			show_page(&m.view[i], page);
}

void sim_host_map(u64 iova, u64 size, int fd, u64 offset)
{
	for (unsigned int i = 0; i < WINDOWS; i++) {
		struct window *w = &m.window[i];

		if (w->size)
			continue;
		*w = (struct window){ .iova = iova, .size = size, .offset = offset, .fd = fd };
		w->host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
		if (w->host == MAP_FAILED)
			abort();
		show();
		return;
	}
	sim_bug("too many windows onto host memory");
}

void sim_host_unmap(u64 iova, u64 size)
{
	struct window *w = window_at(iova);

	if (!w || w->iova != iova || w->size != size)
		sim_bug("host memory is taken away that was not given");
	munmap(w->host, w->size);
	w->size = 0;
	show();
}

void sim_host_forget(void)
{
	for (unsigned int i = 0; i < WINDOWS; i++) {
		if (m.window[i].size)
			munmap(m.window[i].host, m.window[i].size);
		m.window[i].size = 0;
	}
	show();
}

u8 *sim_host_at(u64 phys)
{
	const struct window *w = window_at(bus_address(phys) & PAGE_MASK);

	return w ? w->host + (bus_address(phys) - w->iova) : NULL;
}

void *ioremap(phys_addr_t phys, size_t size)
{
	const struct x100_range window = { X100_SYSMEM_BASE, X100_SYSMEM_SIZE };
	struct view *v = NULL;

	might_sleep();
	if (!size || !x100_range_inside(window, phys, size))
		sim_bug("the card maps %#zx bytes at %#llx, which is not the host's memory", size,
			phys);
	if (fails())
		return NULL;
	for (unsigned int i = 0; i < VIEWS && !v; i++)
		if (!m.view[i].va)
			v = &m.view[i];
	if (!v)
		return NULL;
	catch_traps();
	v->phys = phys & PAGE_MASK;
	v->size = PAGE_ALIGN(offset_in_page(phys) + size);
	v->va = mmap(NULL, v->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v->va == MAP_FAILED)
		abort();
	for (u64 page = 0; page < v->size; page += PAGE_SIZE)
		show_page(v, page);
	return v->va + offset_in_page(phys);
}

static struct view *view_of(const volatile void *p)
{
	for (unsigned int i = 0; i < VIEWS; i++)
		if (m.view[i].va && (const u8 *)p >= m.view[i].va &&
		    (const u8 *)p < m.view[i].va + m.view[i].size)
			return &m.view[i];
	return NULL;
}

void iounmap(volatile void *p)
{
	struct view *v = view_of(p);

	might_sleep();
	if (!v || (u8 *)((uintptr_t)p & PAGE_MASK) != v->va)
		sim_bug("iounmap() of what is not mapped");
	/* Kept as a hole for the rest of the run, so that a late access is seen. */
	if (mprotect(v->va, v->size, PROT_NONE) || madvise(v->va, v->size, MADV_DONTNEED))
		abort();
	munmap(v->va, v->size);
	v->va = NULL;
}

/* ------------------------------------------------------------------ traps */

static void on_segv(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	bool write = uc->uc_mcontext.gregs[REG_ERR] & 2;
	struct view *v = view_of(info->si_addr);
	const struct watch *load;
	struct step *step;
	u64 offset;

	if (!v || m.steps == ARRAY_SIZE(m.step)) {
		/* Not ours: let it happen again under whoever reports crashes. */
		fprintf(stderr, "no memory at %p\n", info->si_addr);
		__sanitizer_print_stack_trace();
		sigaction(SIGSEGV, &old_segv, NULL);
		return;
	}
	(void)sig;
	offset = (u64)((u8 *)info->si_addr - v->va);
	step = &m.step[m.steps++];
	step->view = v;
	step->page = offset & PAGE_MASK;
	step->stored = write ? offset : ~0ull;
	load = watched(v->phys + step->page, true);
	if (load && !write)
		load->before(v->phys + offset);
	mprotect(v->va + step->page, PAGE_SIZE, PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= 0x100; /* TF */
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
	for (unsigned int i = 0; i < m.steps; i++) {
		const struct step *step = &m.step[i];
		const struct view *v = step->view;
		u64 page = v->phys + step->page;
		bool gone = !window_at(bus_address(page));

		if (step->stored != ~0ull && watched(page, false)) {
			u64 value = 0, left = v->size - step->stored;

			memcpy(&value, v->va + step->stored, left < 8 ? left : 8);
			note(SIM_STORE, v->phys + step->stored, value);
		}
		if (gone)
			memset(v->va + step->page, 0xFF, PAGE_SIZE);
		mprotect(v->va + step->page, PAGE_SIZE, protection(page));
	}
	m.steps = 0;
}

static void add_watch(u64 phys, u64 size, void (*before)(u64 phys))
{
	if (m.watches == WATCHES)
		sim_bug("too many watches");
	m.watch[m.watches++] = (struct watch){ phys, size, before };
	show();
}

void sim_watch_stores(u64 phys, u64 size)
{
	add_watch(phys, size, NULL);
}

void sim_watch_loads(u64 phys, u64 size, void (*before)(u64 phys))
{
	add_watch(phys, size, before);
}

void sim_watch_none(void)
{
	m.watches = 0;
	show();
}

/* ------------------------------------------------------------------ accesses */

#define DEFINE_IO(bits, letter)                                                                    \
	u##bits read##letter(const volatile void *p)                                               \
	{                                                                                          \
		return *(const volatile u##bits *)p;                                               \
	}                                                                                          \
	void write##letter(u##bits v, volatile void *p)                                            \
	{                                                                                          \
		*(volatile u##bits *)p = v;                                                        \
	}

DEFINE_IO(8, b)
DEFINE_IO(16, w)
DEFINE_IO(64, q)

u32 readl(const volatile void *p)
{
	return *(const volatile u32 *)p;
}

void writel(u32 v, volatile void *p)
{
	const struct x100_range mmio = { (uintptr_t)fake.mmio, sizeof(fake.mmio) };
	u32 offset = (u32)((uintptr_t)p - (uintptr_t)fake.mmio);

	*(volatile u32 *)p = v;
	if (!x100_range_inside(mmio, (uintptr_t)p, 4))
		return;
	for (unsigned int n = 0; n < ARRAY_SIZE(sim_rings); n++) {
		if (offset != X100_MMIO_SBOX + X100_SBOX_SDBIC(n) || !(v & X100_SDBIC_REQUEST))
			continue;
		sim_rings[n]++;
		note(SIM_DOORBELL, n, v);
	}
	if (sim_on_mmio)
		sim_on_mmio(offset, v);
}

/* Registers are not memory. */
void memcpy_fromio(void *to, const volatile void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((u8 *)to)[i] = readb((const volatile u8 *)from + i);
}

void memcpy_toio(volatile void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		writeb(((const u8 *)from)[i], (volatile u8 *)to + i);
}

void memset_io(volatile void *to, int value, size_t size)
{
	volatile u8 *p = to;
	u64 word = (u8)value * 0x0101010101010101ull;

	for (; size && (uintptr_t)p % 8; size--)
		writeb((u8)value, p++);
	for (; size >= 8; size -= 8, p += 8)
		writeq(word, p);
	for (; size; size--)
		writeb((u8)value, p++);
}

/* ------------------------------------------------------------------ life */

void sim_memory_begin(void)
{
	if (!sim_events) {
		sim_events = calloc(EVENTS_MAX, sizeof(*sim_events));
		if (!sim_events)
			abort();
	}
	memset(&m, 0, sizeof(m));
	sim_event_count = 0;
	ASAN_POISON_MEMORY_REGION(fake.memory + POOL, POOL_PAGES * PAGE_SIZE);
}

void sim_memory_end(void)
{
	while (m.objects)
		kfree(m.objects->at);
	for (unsigned int i = 0; i < VIEWS; i++)
		if (m.view[i].va)
			munmap(m.view[i].va, m.view[i].size);
	for (unsigned int i = 0; i < WINDOWS; i++)
		if (m.window[i].size)
			munmap(m.window[i].host, m.window[i].size);
	ASAN_UNPOISON_MEMORY_REGION(fake.memory + POOL, POOL_PAGES * PAGE_SIZE);
	sim_on_mmio = NULL;
}
