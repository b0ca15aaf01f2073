/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time, locks, waits, work and interrupts of the kernel. One thing runs at a time and is left only where
 * it waits; time stands still while anything can run (sched.c).
 */
#ifndef STUB_SCHED_H
#define STUB_SCHED_H

#include "base.h"

#define HZ           100
#define MSEC_PER_SEC 1000ul

extern u64 sim_now; /* ns */

unsigned long sim_jiffies(void);

static inline ktime_t ktime_get(void)
{
	return (ktime_t)sim_now;
}

#define ktime_sub(a, b)      ((a) - (b))
#define ktime_to_ms(t)       ((t) / 1000000)
#define ktime_ms_delta(a, b) (((a) - (b)) / 1000000)

void usleep_range(unsigned long least, unsigned long most);
void might_sleep(void);
/* Only the other end of the link goes on: for the card's CPU nothing changes. */
void cpu_relax(void);

/* Run @op until @cond on its result, looking every @sleep_us; -ETIMEDOUT. */

/* A lock taken in an interrupt and with interrupts on is a deadlock waiting to happen. */
typedef struct spinlock {
	bool held, in_irq, irqs_on;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

#define spin_lock_init(l) (*(l) = (spinlock_t){ 0 })
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock);
unsigned long sim_irq_save(void);
void sim_irq_restore(unsigned long flags);
#define local_irq_save(flags)            ((flags) = sim_irq_save())
#define local_irq_restore(flags)         sim_irq_restore(flags)
#define local_irq_disable()              ((void)sim_irq_save())
#define local_irq_enable()               sim_irq_restore(0)
#define local_bh_disable()               barrier()
#define local_bh_enable()                barrier()
#define spin_lock_irqsave(l, flags)      ((flags) = sim_irq_save(), spin_lock(l))
#define spin_unlock_irqrestore(l, flags) (spin_unlock(l), sim_irq_restore(flags))
#define spin_lock_irq(l)                 (local_irq_disable(), spin_lock(l))
#define spin_unlock_irq(l)               (spin_unlock(l), local_irq_enable())

struct sim_task;

struct mutex {
	struct sim_task *owner;
	bool held;
};

#define mutex_init(m) (*(m) = (struct mutex){ 0 })
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

/* Who waits is known by the address of what it waits on. */
void sim_wake(const void *on);
/* False when the deadline (ns, 0 = none) came first. */
bool sim_wait_on(const void *on, u64 deadline);

struct timer_list {
	void (*function)(struct timer_list *t);
	u64 at; /* ns; 0 = not running */
	struct timer_list *next;
};

int mod_timer(struct timer_list *t, unsigned long expires);
int del_timer_sync(struct timer_list *t);

struct workqueue_struct;
struct work_struct {
	void (*func)(struct work_struct *work);
	struct workqueue_struct *wq;
	struct work_struct *next;
	bool pending;
};

struct delayed_work {
	struct work_struct work;
	struct timer_list timer;
	struct workqueue_struct *wq;
};

void sim_delayed_work_timer(struct timer_list *t);
#define INIT_DELAYED_WORK(w, fn)                                                                   \
	(*(w) = (struct delayed_work){ .work = { .func = (fn) },                                   \
				       .timer = { .function = sim_delayed_work_timer } })
#define to_delayed_work(w) container_of(w, struct delayed_work, work)

extern struct workqueue_struct *system_long_wq;
bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
bool flush_work(struct work_struct *work);
bool cancel_work(struct work_struct *work);
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *work,
			unsigned long delay);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay);
bool cancel_delayed_work_sync(struct delayed_work *work);
bool cancel_delayed_work(struct delayed_work *work);

typedef int irqreturn_t;
typedef irqreturn_t (*irq_handler_t)(int irq, void *data);
#define IRQ_NONE    0
#define IRQ_HANDLED 1
#define IRQF_SHARED 0x80
int request_threaded_irq(unsigned int irq, irq_handler_t handler, irq_handler_t thread,
			 unsigned long flags, const char *name, void *data);
#define request_irq(irq, handler, flags, name, data)                                               \
	request_threaded_irq(irq, handler, NULL, flags, name, data)
const void *free_irq(unsigned int irq, void *data);
void synchronize_irq(unsigned int irq);
static inline void synchronize_rcu(void)
{
}

/* Everything else stands still while @fn runs: nothing else ever runs before something waits. */
struct cpumask;
int stop_machine(int (*fn)(void *data), void *data, const struct cpumask *cpus);

#endif
