/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The real host code, libx100 with its device page, devices and rings, in the same process as the card's
 * drivers. Faked are the transport (registers, interrupts and memory are those of sim.h) and the
 * back-ends, which answer every chain as driver.h wants it.
 */
#ifndef HOST_H
#define HOST_H

#include <fake.h>
#include <libx100-virtio.h>

#include <loop.h>

#include <vpage.h>

#include "driver.h"

struct host_dev {
	struct x100_vdev *dev;
	struct x100_vdev_params params;
	char name[32];
	u8 config[64];
	bool live;
	u32 features;
	unsigned int starts, stops, kicks;
	unsigned int served[DRV_QUEUES];
	bool hold;            /* takes nothing */
	bool polls;           /* keeps notifications off */
	unsigned int at_once; /* chains per kick; 0 = all. A kick of its own goes on with the rest */
	struct x100_task more;
	struct x100_loop *loop;
};

struct host {
	struct x100_card *card;
	struct x100_loop *loop;
	struct x100_vpage *page;
	struct x100_vpage_params params;
	struct host_dev dev[8];
	unsigned int devs;
	bool gone;               /* the transport is broken */
	unsigned int complaints; /* log lines of level warning and worse */
};

extern struct host host;

/* sim_begin(), drv_begin(), and a page without devices; the card is not booted. */
void host_begin(enum x100_generation generation, bool legacy_features);
void host_end(void);
/* Put the page into the card's hands; also boot it and let it settle. */
void host_power_on(void);
void host_boot(void);

/* @entries 0: 128. */
struct host_dev *host_add(u8 type, unsigned int queues, u16 entries, u32 features, u8 config_size);
/* X100_OK or X100_ERR_NO_ANSWER, after it is done. */
int host_remove(struct host_dev *dev);
struct x100_vdev_info host_info(const struct host_dev *dev);

/*
 * The host program is killed: nothing is closed properly, its memory is gone from the card's sight.
 * Returns what it had stored as its state; the caller frees it.
 */
char *host_kill(void);
/* A new one starts with that state and the devices of before. Returns an enum x100_error. */
int host_resume(const char *state);

#endif
