/* SPDX-License-Identifier: BSD-3-Clause */
/* Types, annotations, barriers, messages and bugs of the kernel, as far as the card's drivers use them. */
#ifndef STUB_BASE_H
#define STUB_BASE_H

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef long long s64;
typedef uint8_t u8, __u8;
typedef uint16_t u16, __u16, __le16, __be16;
typedef uint32_t u32, __u32, __le32, __be32;
typedef unsigned long long u64, __u64, __le64, __be64;
typedef u64 dma_addr_t, phys_addr_t, resource_size_t;
typedef unsigned int gfp_t;
typedef s64 ktime_t;
typedef unsigned short umode_t;

#ifndef EPROBE_DEFER
#define EPROBE_DEFER 517
#endif

/* Annotations that mean nothing here. */
#define __iomem
#define __force
#define __bitwise
#define __init
#define __exit
#define __maybe_unused __attribute__((unused))
#define __printf(a, b) __attribute__((format(printf, a, b)))
#define __noreturn     __attribute__((noreturn))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define noinline        __attribute__((noinline))
#define fallthrough     __attribute__((fallthrough))
#define __acquire(x)    ((void)(x))
#define __release(x)    ((void)(x))
#define EXPORT_SYMBOL_GPL(x)
#define MODULE_LICENSE(x)
#define MODULE_DEVICE_TABLE(a, b)
#define MODULE_PARM_DESC(a, b)
#define unlikely(x) __builtin_expect(!!(x), 0)
/* IS_ENABLED(CONFIG_X) looks for one of these. */
#define IS_ENABLED(option)             IS_ENABLED_##option
#define IS_ENABLED_CONFIG_PREEMPT_NONE 1

#define barrier()        __asm__ __volatile__("" ::: "memory")
#define mb()             __sync_synchronize()
#define dma_rmb()        barrier()
#define dma_wmb()        barrier()
#define virt_mb()        mb()
#define virt_rmb()       barrier()
#define virt_wmb()       barrier()
#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define data_race(x)     (x)

#define smp_store_mb(x, v)                                                                         \
	do {                                                                                       \
		WRITE_ONCE(x, v);                                                                  \
		mb();                                                                              \
	} while (0)
#define virt_store_mb(x, v) smp_store_mb(x, v)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define BIT_ULL(n)                      (1ull << (n))
#define DIV_ROUND_UP(n, d)              (((n) + (d)-1) / (d))
#define round_up(x, y)                  ((((x)-1) | ((__typeof__(x))(y)-1)) + 1)
#define min(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) a_ = (a);                                                            \
		__typeof__(b) b_ = (b);                                                            \
		a_ < b_ ? a_ : b_;                                                                 \
	})
#define max(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) a_ = (a);                                                            \
		__typeof__(b) b_ = (b);                                                            \
		a_ > b_ ? a_ : b_;                                                                 \
	})
#define min_t(type, a, b) min((type)(a), (type)(b))

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

#ifndef static_assert
#define static_assert _Static_assert
#endif
/* The kernel's own build proves these; here they are looked at when they are passed. */
#define BUILD_BUG_ON(cond) BUG_ON(cond)

/* Everything is little-endian here as on the card. */
#define cpu_to_le16(x) ((__le16)(x))
#define cpu_to_le32(x) ((__le32)(x))
#define cpu_to_le64(x) ((__le64)(x))
#define le16_to_cpu(x) ((u16)(x))
#define le32_to_cpu(x) ((u32)(x))
#define le64_to_cpu(x) ((u64)(x))
#define cpu_to_be16(x) __builtin_bswap16(x)
#define cpu_to_be32(x) __builtin_bswap32(x)
#define cpu_to_be64(x) __builtin_bswap64(x)
#define be16_to_cpu(x) __builtin_bswap16(x)
#define be32_to_cpu(x) __builtin_bswap32(x)
#define be64_to_cpu(x) __builtin_bswap64(x)

#define put_unaligned(v, p)                                                                        \
	do {                                                                                       \
		__typeof__(*(p)) v_ = (v);                                                         \
		memcpy(p, &v_, sizeof(v_));                                                        \
	} while (0)

/* Bit maps of unsigned long. */
#define BITS_PER_LONG           64
#define BITS_TO_LONGS(n)        DIV_ROUND_UP(n, BITS_PER_LONG)
#define DECLARE_BITMAP(name, n) unsigned long name[BITS_TO_LONGS(n)]

static inline void set_bit(unsigned int n, volatile unsigned long *map)
{
	map[n / BITS_PER_LONG] |= 1ul << n % BITS_PER_LONG;
}

static inline void clear_bit(unsigned int n, volatile unsigned long *map)
{
	map[n / BITS_PER_LONG] &= ~(1ul << n % BITS_PER_LONG);
}

static inline bool test_bit(unsigned int n, const volatile unsigned long *map)
{
	return map[n / BITS_PER_LONG] >> n % BITS_PER_LONG & 1;
}

static inline bool test_and_set_bit(unsigned int n, volatile unsigned long *map)
{
	bool old = test_bit(n, map);

	set_bit(n, map);
	return old;
}

static inline bool test_and_clear_bit(unsigned int n, volatile unsigned long *map)
{
	bool old = test_bit(n, map);

	clear_bit(n, map);
	return old;
}

#define __set_bit set_bit

typedef struct {
	int counter;
} atomic_t;

/* Messages go into a log that tests look at (sim.h). */
void sim_printk(int level, const char *fmt, ...) __printf(2, 3);
/* A bug of the code under test: say so and abort. */
void sim_bug(const char *fmt, ...) __printf(1, 2) __noreturn;
bool sim_warned(const char *where, int line);

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif

#define pr_debug(fmt, ...)        sim_printk(7, pr_fmt(fmt), ##__VA_ARGS__)
#define printk_deferred(fmt, ...) sim_printk(3, fmt, ##__VA_ARGS__)
#define printk_deferred_enter()   barrier()
#define printk_deferred_exit()    barrier()
#define KERN_ERR
#define panic(fmt, ...) sim_bug("panic: " fmt, ##__VA_ARGS__)
#define BUG()           sim_bug("BUG at %s:%d", __FILE__, __LINE__)
#define BUG_ON(cond)                                                                               \
	do {                                                                                       \
		if (cond)                                                                          \
			BUG();                                                                     \
	} while (0)
#define WARN_ON(cond) ((cond) ? sim_warned(__FILE__, __LINE__) : false)
#define WARN(cond, ...)                                                                            \
	((cond) ? (sim_printk(4, __VA_ARGS__), sim_warned(__FILE__, __LINE__)) : false)
#define WARN_ON_ONCE(cond) WARN_ON(cond)

#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-4095)

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return IS_ERR_VALUE(p);
}

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)                                                                       \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list->prev = list;
}

static inline void list_add(struct list_head *item, struct list_head *head)
{
	item->next = head->next;
	item->prev = head;
	head->next->prev = item;
	head->next = item;
}

static inline void list_add_tail(struct list_head *item, struct list_head *head)
{
	list_add(item, head->prev);
}

static inline void list_del(struct list_head *item)
{
	item->next->prev = item->prev;
	item->prev->next = item->next;
	item->next = item->prev = NULL;
}

static inline void list_del_init(struct list_head *item)
{
	list_del(item);
	INIT_LIST_HEAD(item);
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

#define list_entry(ptr, type, member)        container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_next_entry(pos, member)         list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define list_for_each_entry(pos, head, member)                                                     \
	for (pos = list_first_entry(head, __typeof__(*pos), member); &pos->member != (head);       \
	     pos = list_next_entry(pos, member))
#define list_for_each_entry_safe(pos, n, head, member)                                             \
	for (pos = list_first_entry(head, __typeof__(*pos), member),                               \
	    n = list_next_entry(pos, member);                                                      \
	     &pos->member != (head); pos = n, n = list_next_entry(n, member))

#endif
