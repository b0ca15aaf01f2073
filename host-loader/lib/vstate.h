/* SPDX-License-Identifier: BSD-3-Clause */
/* What was noted about a page whose program ended, while devices are still being added to it again. */
#ifndef X100_VSTATE_H
#define X100_VSTATE_H

#include "vpage.h"

struct vstate;

void vstate_free(struct vstate *state);
/*
 * Give @dev the slot and the rings that a device like it had and lay it out there. False when there
 * was none: it is a new one.
 */
bool vstate_adopt(struct x100_vdev *dev);

#endif
