/* SPDX-License-Identifier: BSD-3-Clause */
/* What a look at the card means. */
#ifndef X100_LIB_STATUS_H
#define X100_LIB_STATUS_H

#include "card.h"

/* State from POST and SCRATCH2, and from SDBIC1 (0 = nothing said) once an OS was entered. */
enum x100_state card_state(const struct card_look *look, uint32_t sdbic1);

/* A code of the bootstrap between boot signal and kernel entry. */
bool status_in_bootstrap(uint32_t post);

/* Bytes of card memory that a SCRATCH0 word speaks of; 0 when it says nothing. */
uint64_t status_memory_size(uint32_t spad0);

#endif
