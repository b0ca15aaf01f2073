/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's integer types, for its files built as user-space programs. */
#ifndef STUB_LINUX_TYPES_H
#define STUB_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#endif
