/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client memory as RAM: what the card's CPUs read and write without a callback, as fast as GDDR.
 *
 * Every function is called with the big QEMU lock held; none waits.
 */
#ifndef X100_PCIE_DIRECT_H
#define X100_PCIE_DIRECT_H

#include "exec/memory.h"

#define X100_DIRECT_MAX 64 /* ranges at a time; each makes every change of the memory map dearer */

typedef struct X100Direct X100Direct;

/* Creates an empty view. It lives as long as the process. */
X100Direct *x100_direct_new(void);

/* The host bus from address 0, with RAM where a range is shown and nothing elsewhere. */
MemoryRegion *x100_direct_view(X100Direct *d);

/*
 * True if @fd can be shown: a memory file that can never be cut short, so that no access of a CPU,
 * which nobody could catch, raises SIGBUS. Only then is its size worth a look.
 */
bool x100_direct_suits(int fd);

/*
 * Shows @fd at @offset as [@bus, @bus + @size). The caller has checked that @fd suits and is long
 * enough and that no range overlaps; @fd stays its own. Returns where the range is mapped in this
 * process, or NULL if it does not start and end on pages or there is no room: then nothing was done.
 */
uint8_t *x100_direct_show(X100Direct *d, uint64_t bus, uint64_t size, int fd, uint64_t offset);

/*
 * Takes back the range mapped at @host, a value of x100_direct_show(). From the return on no CPU
 * reaches the file any more: reads give ones, writes vanish.
 */
void x100_direct_hide(X100Direct *d, uint8_t *host);

/* True if anything is shown in [@bus, @bus + @size). */
bool x100_direct_any(const X100Direct *d, uint64_t bus, uint64_t size);

/* Ranges shown. */
unsigned int x100_direct_count(const X100Direct *d);

#endif
