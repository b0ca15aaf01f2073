/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's memory functions are those of the C library. */
#include <string.h>
