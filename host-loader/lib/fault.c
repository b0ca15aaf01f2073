// SPDX-License-Identifier: BSD-3-Clause
/* Words for what a card's side of a device did wrong. */
#include <libx100-virtio.h>

const char *x100_fault_words(unsigned int fault)
{
	switch (fault) {
#define X100_FAULT_CASE(name, words)                                                               \
	case X100_FAULT_##name:                                                                    \
		return words;
		X100_FAULT_LIST(X100_FAULT_CASE)
#undef X100_FAULT_CASE
	default:
		return "something this program does not know";
	}
}
