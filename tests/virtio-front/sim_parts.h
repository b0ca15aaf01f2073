/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the machine call in each other. */
#ifndef SIM_PARTS_H
#define SIM_PARTS_H

#include "sim.h"

void sim_sched_begin(void);
void sim_sched_end(void);
void sim_drivers_begin(void);
void sim_drivers_end(void);
void sim_note_rung(unsigned int n);
void sim_memory_begin(void);
void sim_memory_end(void);

#endif
