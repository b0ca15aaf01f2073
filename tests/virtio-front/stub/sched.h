/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time, locks, waits, work and interrupts of the kernel. One thing runs at a time and is left only where
 * it waits; time stands still while anything can run (sched.c).
 */
#ifndef STUB_SCHED_H
#define STUB_SCHED_H

#include "base.h"

#define HZ            100
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull
#define USEC_PER_MSEC 1000ull
#define MSEC_PER_SEC  1000ul

extern u64 sim_now; /* ns */

unsigned long sim_jiffies(void);
#define jiffies                   sim_jiffies()
#define msecs_to_jiffies(ms)      (((unsigned long)(ms)*HZ + 999) / 1000)
#define jiffies_to_msecs(j)       ((unsigned int)((j) * (1000 / HZ)))
#define time_after(a, b)          ((long)((b) - (a)) < 0)
#define time_before(a, b)         time_after(b, a)
#define time_after_eq(a, b)       ((long)((a) - (b)) >= 0)
#define time_before_eq(a, b)      time_after_eq(b, a)
#define time_is_before_jiffies(a) time_after(jiffies, a)
#define time_is_after_jiffies(a)  time_before(jiffies, a)

static inline ktime_t ktime_get(void)
{
	return (ktime_t)sim_now;
}

static inline ktime_t ktime_add_ms(ktime_t t, u64 ms)
{
	return t + (ktime_t)(ms * NSEC_PER_MSEC);
}

#define ktime_get_ns()       ((u64)ktime_get())
#define ktime_sub(a, b)      ((a) - (b))
#define ktime_add(a, b)      ((a) + (b))
#define ktime_to_ms(t)       ((t) / 1000000)
#define ktime_ms_delta(a, b) (((a) - (b)) / 1000000)
#define ktime_after(a, b)    ((a) > (b))
#define ktime_before(a, b)   ((a) < (b))
#define ktime_compare(a, b)  ((a) < (b) ? -1 : (a) > (b))
#define ms_to_ktime(ms)      ((ktime_t)((ms)*NSEC_PER_MSEC))

void msleep(unsigned int ms);
void usleep_range(unsigned long least, unsigned long most);
void udelay(unsigned long us);
void mdelay(unsigned long ms);
void might_sleep(void);
void cond_resched(void);
/* Only the other end of the link goes on: for the card's CPU nothing changes. */
void cpu_relax(void);
long schedule_timeout_uninterruptible(long timeout);
#define fsleep(us) usleep_range(us, us)

/* Run @op until @cond on its result, looking every @sleep_us; -ETIMEDOUT. */
#define read_poll_timeout(op, val, cond, sleep_us, timeout_us, sleep_before, args...)              \
	({                                                                                         \
		u64 end_ = sim_now + (u64)(timeout_us)*1000;                                       \
		if (sleep_before)                                                                  \
			usleep_range(sleep_us, sleep_us);                                          \
		for (;;) {                                                                         \
			(val) = op(args);                                                          \
			if (cond)                                                                  \
				break;                                                             \
			if ((timeout_us) && sim_now > end_) {                                      \
				(val) = op(args);                                                  \
				break;                                                             \
			}                                                                          \
			usleep_range((sleep_us) ? (sleep_us) : 1, sleep_us);                       \
		}                                                                                  \
		(cond) ? 0 : -ETIMEDOUT;                                                           \
	})
#define readx_poll_timeout(op, addr, val, cond, sleep_us, timeout_us)                              \
	read_poll_timeout(op, val, cond, sleep_us, timeout_us, false, addr)
#define readb_poll_timeout(addr, val, cond, sleep_us, timeout_us)                                  \
	readx_poll_timeout(readb, addr, val, cond, sleep_us, timeout_us)

/* A lock taken in an interrupt and with interrupts on is a deadlock waiting to happen. */
typedef struct spinlock {
	bool held, in_irq, irqs_on;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name)                                                                 \
	{                                                                                          \
		0                                                                                  \
	}
#define DEFINE_SPINLOCK(name)     spinlock_t name = { 0 }
#define DEFINE_RAW_SPINLOCK(name) spinlock_t name = { 0 }
#define spin_lock_init(l)         (*(l) = (spinlock_t){ 0 })
#define raw_spin_lock_init(l)     spin_lock_init(l)
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock);
unsigned long sim_irq_save(void);
void sim_irq_restore(unsigned long flags);
bool irqs_disabled(void);
bool in_interrupt(void);
#define in_hardirq()                     in_interrupt()
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
#define raw_spin_lock_irqsave            spin_lock_irqsave
#define raw_spin_unlock_irqrestore       spin_unlock_irqrestore
#define spin_lock_bh                     spin_lock
#define spin_unlock_bh                   spin_unlock
#define assert_spin_locked(l)            BUG_ON(!(l)->held)
#define preempt_disable()                barrier()
#define preempt_enable()                 barrier()

struct sim_task;

struct mutex {
	struct sim_task *owner;
	bool held;
};

#define DEFINE_MUTEX(name) struct mutex name = { 0 }
#define mutex_init(m)      (*(m) = (struct mutex){ 0 })
#define mutex_destroy(m)   BUG_ON((m)->held)
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
static inline bool mutex_is_locked(struct mutex *m)
{
	return m->held;
}
#define lockdep_assert_held(m) BUG_ON(!(m)->held)

/* Who waits on a queue is known by its address alone. */
typedef struct wait_queue_head {
	char unused;
} wait_queue_head_t;

#define DECLARE_WAIT_QUEUE_HEAD(name) wait_queue_head_t name
#define init_waitqueue_head(wq)       ((wq)->unused = 0)
void sim_wake(const void *on);
/* False when the deadline (ns, 0 = none) came first. */
bool sim_wait_on(const void *on, u64 deadline);
#define wake_up(wq)               sim_wake(wq)
#define wake_up_all(wq)           sim_wake(wq)
#define wake_up_interruptible(wq) sim_wake(wq)
#define wait_event(wq, cond)                                                                       \
	do {                                                                                       \
		might_sleep();                                                                     \
		while (!(cond))                                                                    \
			sim_wait_on(&(wq), 0);                                                     \
	} while (0)
#define wait_event_timeout(wq, cond, timeout)                                                      \
	({                                                                                         \
		u64 end_ = sim_now + (u64)(timeout)*1000 / HZ * NSEC_PER_MSEC;                     \
		long left_ = 1;                                                                    \
		might_sleep();                                                                     \
		while (!(cond))                                                                    \
			if (!sim_wait_on(&(wq), end_)) {                                           \
				left_ = (cond) ? 1 : 0;                                            \
				break;                                                             \
			}                                                                          \
		left_;                                                                             \
	})
#define wait_event_interruptible_timeout wait_event_timeout
#define wait_event_interruptible(wq, cond)                                                         \
	({                                                                                         \
		wait_event(wq, cond);                                                              \
		0;                                                                                 \
	})

struct completion {
	unsigned int done;
};

#define DECLARE_COMPLETION_ONSTACK(name) struct completion name = { 0 }
#define DECLARE_COMPLETION(name)         struct completion name = { 0 }
#define init_completion(c)               ((c)->done = 0)
#define reinit_completion(c)             ((c)->done = 0)
void complete(struct completion *c);
void complete_all(struct completion *c);
void wait_for_completion(struct completion *c);
unsigned long wait_for_completion_timeout(struct completion *c, unsigned long timeout);
#define completion_done(c) ((c)->done != 0)

struct timer_list {
	void (*function)(struct timer_list *t);
	u64 at; /* ns; 0 = not running */
	struct timer_list *next;
};

#define timer_setup(t, fn, flags)  (*(t) = (struct timer_list){ .function = (fn) })
#define from_timer(var, t, member) container_of(t, __typeof__(*var), member)
int mod_timer(struct timer_list *t, unsigned long expires);
int del_timer_sync(struct timer_list *t);
#define del_timer         del_timer_sync
#define timer_delete_sync del_timer_sync
#define timer_pending(t)  ((t)->at != 0)

struct workqueue_struct;
struct work_struct {
	void (*func)(struct work_struct *work);
	struct workqueue_struct *wq;
	struct work_struct *next;
	bool pending;
};
typedef void (*work_func_t)(struct work_struct *work);

struct delayed_work {
	struct work_struct work;
	struct timer_list timer;
	struct workqueue_struct *wq;
};

#define WQ_UNBOUND     2
#define WQ_FREEZABLE   4
#define WQ_MEM_RECLAIM 8
#define WQ_HIGHPRI     16
#define __WORK_INITIALIZER(fn)                                                                     \
	{                                                                                          \
		.func = (fn)                                                                       \
	}
#define DECLARE_WORK(name, fn) struct work_struct name = { .func = (fn) }
#define INIT_WORK(w, fn)       (*(w) = (struct work_struct){ .func = (fn) })
void sim_delayed_work_timer(struct timer_list *t);
#define DECLARE_DELAYED_WORK(name, fn)                                                             \
	struct delayed_work name = { .work = { .func = (fn) },                                     \
				     .timer = { .function = sim_delayed_work_timer } }
#define INIT_DELAYED_WORK(w, fn)                                                                   \
	(*(w) = (struct delayed_work){ .work = { .func = (fn) },                                   \
				       .timer = { .function = sim_delayed_work_timer } })
#define to_delayed_work(w) container_of(w, struct delayed_work, work)

extern struct workqueue_struct *system_wq, *system_long_wq, *system_unbound_wq, *system_highpri_wq,
	*system_freezable_wq;
struct workqueue_struct *sim_alloc_workqueue(const char *name, bool ordered);
#define alloc_workqueue(name, flags, max, args...)    sim_alloc_workqueue(name, (max) == 1)
#define alloc_ordered_workqueue(name, flags, args...) sim_alloc_workqueue(name, true)
#define create_singlethread_workqueue(name)           sim_alloc_workqueue(name, true)
void destroy_workqueue(struct workqueue_struct *wq);
bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
void flush_workqueue(struct workqueue_struct *wq);
#define drain_workqueue flush_workqueue
bool flush_work(struct work_struct *work);
bool cancel_work_sync(struct work_struct *work);
bool cancel_work(struct work_struct *work);
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *work,
			unsigned long delay);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay);
bool cancel_delayed_work_sync(struct delayed_work *work);
bool cancel_delayed_work(struct delayed_work *work);
bool flush_delayed_work(struct delayed_work *work);
#define schedule_work(w)            queue_work(system_wq, w)
#define schedule_delayed_work(w, d) queue_delayed_work(system_wq, w, d)
static inline bool work_pending(const struct work_struct *work)
{
	return work->pending;
}

typedef int irqreturn_t;
typedef irqreturn_t (*irq_handler_t)(int irq, void *data);
#define IRQ_NONE        0
#define IRQ_HANDLED     1
#define IRQ_WAKE_THREAD 2
#define IRQ_RETVAL(x)   ((x) ? IRQ_HANDLED : IRQ_NONE)
#define IRQF_SHARED     0x80
#define IRQF_ONESHOT    0x2000
#define IRQF_NO_AUTOEN  0x80000
int request_threaded_irq(unsigned int irq, irq_handler_t handler, irq_handler_t thread,
			 unsigned long flags, const char *name, void *data);
#define request_irq(irq, handler, flags, name, data)                                               \
	request_threaded_irq(irq, handler, NULL, flags, name, data)
const void *free_irq(unsigned int irq, void *data);
void synchronize_irq(unsigned int irq);
void synchronize_hardirq(unsigned int irq);
void disable_irq(unsigned int irq);
void disable_irq_nosync(unsigned int irq);
void enable_irq(unsigned int irq);
static inline void synchronize_rcu(void)
{
}

/* Everything else stands still while @fn runs: nothing else ever runs before something waits. */
struct cpumask;
int stop_machine(int (*fn)(void *data), void *data, const struct cpumask *cpus);
#define cpu_online_mask   NULL
#define num_online_cpus() 1

#endif
