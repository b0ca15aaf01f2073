/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Integer types and the compile-time assertion for headers that the bootstrap, the card kernel,
 * the host, the model and the tests share.
 */
#ifndef X100_TYPES_H
#define X100_TYPES_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

/* Layouts below are little-endian on the wire; every user of these headers is little-endian. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "x100 headers describe little-endian memory and need a little-endian machine"
#endif

#define X100_ASSERT_OFFSET(type, member, offset)                                                   \
	_Static_assert(offsetof(type, member) == (offset), #type "." #member)
#define X100_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)

#endif
