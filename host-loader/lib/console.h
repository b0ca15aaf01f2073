/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the console back-end offer each other. */
#ifndef X100_CONSOLE_H
#define X100_CONSOLE_H

#include "backend.h"

/* Keys from somebody who need not be the writer. Returns the bytes taken. */
size_t console_keys(struct x100_backend *console, const void *bytes, size_t size);

#endif
