/* SPDX-License-Identifier: BSD-3-Clause */
/* All of the stub kernel: what every <linux/...> and <asm/...> header of a card driver turns into here. */
#ifndef STUB_STUB_H
#define STUB_STUB_H

#include "base.h"
#include "device.h"
#include "memory.h"
#include "sched.h"

#endif
