// SPDX-License-Identifier: BSD-3-Clause
/*
 * Time, tasks, locks, work queues and interrupts of the stub kernel. Tasks are coroutines: one runs until
 * it waits. The test itself is the one that is not a coroutine, and whoever waits in it runs the others.
 */
#include "sim_parts.h"

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <x100/irq.h>

#define STACK (512ul << 10)

struct sim_task {
	ucontext_t context;
	void *stack, *fake_stack;
	const char *name;
	void (*fn)(void *arg);
	void *arg;
	bool ready, dead;
	const void *waits_on;
	u64 wake_at; /* ns; 0 = never */
	bool timed_out;
	struct sim_task *next;
};

struct irq_action {
	irq_handler_t handler;
	void *data;
	struct irq_action *next;
};

struct workqueue_struct {
	const char *name;
	struct work_struct *first;
};

u64 sim_now;
bool (*sim_host_turn)(void);
unsigned int sim_rings[4];

static struct {
	struct sim_task *tasks, *current, main;
	const void *main_stack;
	size_t main_stack_size;
	u64 host_at;
	u64 seed;
	bool irqs_off, in_irq, hosting;
	unsigned int locks;
	struct timer_list *timers;
	struct irq_action *irq[X100_IRQS];
	bool pending[X100_IRQS];
	/* Kept for ever. */
	void *spare[8];
	unsigned int spares;
} s;

static struct workqueue_struct wq_system = { .name = "events" };
struct workqueue_struct *system_long_wq = &wq_system;

unsigned long sim_jiffies(void)
{
	return (unsigned long)(sim_now / (SIM_S / HZ));
}

u32 sim_random(u32 below)
{
	s.seed = s.seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((s.seed >> 33) % below);
}

void sim_seed(u64 seed)
{
	s.seed = seed;
}

void sim_host_wants(u64 at)
{
	if (!s.host_at || at < s.host_at)
		s.host_at = at;
}

/* ------------------------------------------------------------------ tasks */

static void task_entry(void)
{
	struct sim_task *t = s.current;

	__sanitizer_finish_switch_fiber(NULL, &s.main_stack, &s.main_stack_size);
	t->fn(t->arg);
	if (s.locks || s.irqs_off)
		sim_bug("%s ended with a lock held or interrupts off", t->name);
	t->dead = true;
	__sanitizer_start_switch_fiber(NULL, s.main_stack, s.main_stack_size);
	setcontext(&s.main.context);
}

void sim_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
	struct sim_task *t = calloc(1, sizeof(*t)), **end = &s.tasks;

	if (!t)
		abort();
	t->stack = s.spares ? s.spare[--s.spares] :
			      mmap(NULL, STACK, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->stack == MAP_FAILED || getcontext(&t->context))
		abort();
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = STACK;
	t->context.uc_link = NULL;
	t->name = name;
	t->fn = fn;
	t->arg = arg;
	t->ready = true;
	makecontext(&t->context, task_entry, 0);
	while (*end)
		end = &(*end)->next;
	*end = t;
}

static void task_free(struct sim_task *t)
{
	/* Its last frames never returned. */
	ASAN_UNPOISON_MEMORY_REGION(t->stack, STACK);
	if (s.spares < ARRAY_SIZE(s.spare))
		s.spare[s.spares++] = t->stack;
	else
		munmap(t->stack, STACK);
	free(t);
}

static void run_task(struct sim_task *t)
{
	s.current = t;
	t->ready = false;
	__sanitizer_start_switch_fiber(&s.main.fake_stack, t->stack, STACK);
	swapcontext(&s.main.context, &t->context);
	__sanitizer_finish_switch_fiber(s.main.fake_stack, NULL, NULL);
	s.current = NULL;
	if (!t->dead)
		return;
	for (struct sim_task **at = &s.tasks; *at; at = &(*at)->next) {
		if (*at != t)
			continue;
		*at = t->next;
		break;
	}
	task_free(t);
}

static struct sim_task *next_task(void)
{
	unsigned int ready = 0;

	for (struct sim_task *t = s.tasks; t; t = t->next)
		ready += t->ready;
	if (!ready)
		return NULL;
	ready = s.seed ? sim_random(ready) : 0;
	for (struct sim_task *t = s.tasks; t; t = t->next)
		if (t->ready && !ready--)
			return t;
	return NULL;
}

/* ------------------------------------------------------------------ interrupts */

int request_threaded_irq(unsigned int irq, irq_handler_t handler, irq_handler_t thread,
			 unsigned long flags, const char *name, void *data)
{
	struct irq_action *a;

	might_sleep();
	if (thread)
		sim_bug("the interrupt %s has a thread, which is not simulated", name);
	if (irq >= X100_IRQS || !handler)
		return -EINVAL;
	if (s.irq[irq] && !(flags & IRQF_SHARED))
		return -EBUSY;
	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	a->handler = handler;
	a->data = data;
	a->next = s.irq[irq];
	s.irq[irq] = a;
	return 0;
}

void synchronize_irq(unsigned int irq)
{
	(void)irq;
	might_sleep(); /* handlers do not wait, so none is half done */
}

const void *free_irq(unsigned int irq, void *data)
{
	struct irq_action **at = &s.irq[irq], *a;

	might_sleep();
	while (*at && (*at)->data != data)
		at = &(*at)->next;
	a = *at;
	if (!a)
		sim_bug("free_irq(%u) of a handler that was not requested", irq);
	*at = a->next;
	kfree(a);
	return NULL;
}

static unsigned int doorbell_irq(unsigned int n)
{
	return n < X100_ICRS ? X100_IRQ_ICR(n) : X100_IRQ_PIN(X100_PIN_RDMASR(n - X100_ICRS));
}

void sim_ring_card(unsigned int n)
{
	sim_note_rung(n);
	s.pending[doorbell_irq(n)] = true;
}

unsigned int sim_doorbell_users(unsigned int n)
{
	unsigned int users = 0;

	for (const struct irq_action *a = s.irq[doorbell_irq(n)]; a; a = a->next)
		users++;
	return users;
}

static bool deliver_irqs(void)
{
	bool any = false;

	for (unsigned int irq = 0; irq < X100_IRQS; irq++) {
		if (!s.pending[irq])
			continue;
		s.pending[irq] = false;
		any = true;
		s.in_irq = true;
		for (struct irq_action *a = s.irq[irq], *next; a; a = next) {
			next = a->next;
			a->handler((int)irq, a->data);
		}
		s.in_irq = false;
	}
	return any;
}

/* ------------------------------------------------------------------ the loop of the world */

static bool host_turn(void)
{
	bool did;

	if (!sim_host_turn || s.hosting)
		return false;
	s.hosting = true;
	s.host_at = 0;
	did = sim_host_turn();
	s.hosting = false;
	return did;
}

static bool run_timers(void)
{
	struct timer_list *due = NULL;

	for (struct timer_list *t = s.timers; t; t = t->next)
		if (t->at <= sim_now && (!due || t->at < due->at))
			due = t;
	if (!due)
		return false;
	del_timer_sync(due);
	s.in_irq = true;
	due->function(due);
	s.in_irq = false;
	return true;
}

static void wake_sleepers(void)
{
	for (struct sim_task *t = s.tasks; t; t = t->next) {
		if (t->ready || !t->wake_at || t->wake_at > sim_now)
			continue;
		t->timed_out = true;
		t->ready = true;
		t->waits_on = NULL;
	}
}

/* One thing happens, or nothing can happen now. */
static bool step(void)
{
	struct sim_task *t;

	wake_sleepers();
	if (deliver_irqs() || run_timers())
		return true;
	if (s.seed && !sim_random(3) && host_turn())
		return true;
	t = next_task();
	if (t) {
		run_task(t);
		return true;
	}
	return host_turn();
}

/* The next moment at which something can happen; 0: never. */
static u64 next_moment(void)
{
	u64 at = s.host_at;

	for (const struct sim_task *t = s.tasks; t; t = t->next)
		if (!t->ready && t->wake_at && (!at || t->wake_at < at))
			at = t->wake_at;
	for (const struct timer_list *t = s.timers; t; t = t->next)
		if (!at || t->at < at)
			at = t->at;
	return at;
}

void sim_settle(void)
{
	while (step())
		;
}

bool sim_until(bool (*cond)(void *arg), void *arg, unsigned int ms)
{
	u64 end = sim_now + ms * SIM_MS;

	for (;;) {
		u64 at;

		if (cond && cond(arg))
			return true;
		if (step())
			continue;
		at = next_moment();
		if (!at || at > end) {
			sim_now = end;
			wake_sleepers();
			return cond && cond(arg);
		}
		if (at > sim_now)
			sim_now = at;
	}
}

void sim_run(unsigned int ms)
{
	sim_until(NULL, NULL, ms);
	sim_settle();
}

/* ------------------------------------------------------------------ waiting */

void might_sleep(void)
{
	if (s.in_irq || s.locks || s.irqs_off)
		sim_bug("sleeping where that is not allowed");
}

/* The test waits by running the others. */
static bool main_wait(const void *on, u64 deadline)
{
	s.main.ready = false;
	s.main.waits_on = on;
	while (!s.main.ready) {
		u64 at;

		if (deadline && sim_now >= deadline)
			break;
		if (step())
			continue;
		at = next_moment();
		if (deadline && (!at || at > deadline))
			at = deadline;
		if (!at)
			sim_bug("the test waits for ever");
		if (at > sim_now)
			sim_now = at;
	}
	s.main.waits_on = NULL;
	return s.main.ready;
}

bool sim_wait_on(const void *on, u64 deadline)
{
	struct sim_task *t = s.current;

	might_sleep();
	if (!t)
		return main_wait(on, deadline);
	t->waits_on = on;
	t->wake_at = deadline;
	t->timed_out = false;
	__sanitizer_start_switch_fiber(&t->fake_stack, s.main_stack, s.main_stack_size);
	swapcontext(&t->context, &s.main.context);
	__sanitizer_finish_switch_fiber(t->fake_stack, &s.main_stack, &s.main_stack_size);
	s.current = t;
	t->wake_at = 0;
	return !t->timed_out;
}

void sim_wake(const void *on)
{
	for (struct sim_task *t = s.tasks; t; t = t->next) {
		if (t->waits_on != on || t->dead)
			continue;
		t->waits_on = NULL;
		t->ready = true;
	}
	if (s.main.waits_on == on)
		s.main.ready = true;
}

static void sleep_ns(u64 ns)
{
	static const char nothing;

	while (sim_wait_on(&nothing, sim_now + (ns ? ns : 1)))
		;
}

void usleep_range(unsigned long least, unsigned long most)
{
	(void)most;
	sleep_ns(least * 1000);
}

/* The CPU is busy: interrupts and tasks have to wait, the host does not. */
static void busy_for(u64 ns)
{
	u64 end = sim_now + ns;

	for (;;) {
		while (host_turn())
			;
		if (!s.host_at || s.host_at > end)
			break;
		if (s.host_at > sim_now)
			sim_now = s.host_at;
	}
	sim_now = end;
}

void cpu_relax(void)
{
	busy_for(1000);
}

/* ------------------------------------------------------------------ locks */

unsigned long sim_irq_save(void)
{
	unsigned long old = s.irqs_off;

	s.irqs_off = true;
	return old;
}

void sim_irq_restore(unsigned long flags)
{
	s.irqs_off = flags;
}

void spin_lock(spinlock_t *lock)
{
	if (!spin_trylock(lock))
		sim_bug("a spinlock is taken twice");
}

bool spin_trylock(spinlock_t *lock)
{
	if (lock->held)
		return false;
	if (s.in_irq)
		lock->in_irq = true;
	else if (!s.irqs_off)
		lock->irqs_on = true;
	if (lock->in_irq && lock->irqs_on)
		sim_bug("a lock that interrupts take is taken with interrupts on");
	lock->held = true;
	s.locks++;
	return true;
}

void spin_unlock(spinlock_t *lock)
{
	if (!lock->held)
		sim_bug("a spinlock is released that is not held");
	lock->held = false;
	s.locks--;
}

static struct sim_task *self(void)
{
	return s.current ? s.current : &s.main;
}

void mutex_lock(struct mutex *m)
{
	might_sleep();
	if (m->held && m->owner == self())
		sim_bug("a mutex is taken twice");
	while (m->held)
		sim_wait_on(m, 0);
	m->held = true;
	m->owner = self();
}

void mutex_unlock(struct mutex *m)
{
	if (!m->held || m->owner != self())
		sim_bug("a mutex is released by somebody else");
	m->held = false;
	sim_wake(m);
}

int stop_machine(int (*fn)(void *data), void *data, const struct cpumask *cpus)
{
	unsigned long flags;
	int ret;

	(void)cpus;
	might_sleep();
	flags = sim_irq_save();
	ret = fn(data);
	sim_irq_restore(flags);
	return ret;
}

/* ------------------------------------------------------------------ timers, work, threads */

int mod_timer(struct timer_list *t, unsigned long expires)
{
	int was = del_timer_sync(t);
	u64 at = (u64)expires * (SIM_S / HZ);

	t->at = at > sim_now ? at : sim_now;
	t->next = s.timers;
	s.timers = t;
	return was;
}

int del_timer_sync(struct timer_list *t)
{
	if (!t->at)
		return 0;
	for (struct timer_list **at = &s.timers; *at; at = &(*at)->next) {
		if (*at != t)
			continue;
		*at = t->next;
		break;
	}
	t->at = 0;
	return 1;
}

/* Works that run, by address only: a work may free itself. */
struct running {
	const struct work_struct *work;
	struct running *next;
};

static struct running *running;

static bool is_running(const struct work_struct *work)
{
	for (const struct running *r = running; r; r = r->next)
		if (r->work == work)
			return true;
	return false;
}

static void run_work(struct work_struct *work)
{
	struct running self_running = { work, running }, **at = &running;

	running = &self_running;
	work->pending = false;
	work->func(work);
	if (s.locks || s.irqs_off)
		sim_bug("work ended with a lock held or interrupts off");
	while (*at != &self_running)
		at = &(*at)->next;
	*at = self_running.next;
	sim_wake(work);
}

static void worker(void *arg)
{
	struct workqueue_struct *wq = arg;

	for (;;) {
		struct work_struct **at = &wq->first, *w;

		/* One work never runs twice at a time; who runs it now will come back for it. */
		while (*at && is_running(*at))
			at = &(*at)->next;
		w = *at;
		if (!w)
			break;
		*at = w->next;
		run_work(w);
	}
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	struct work_struct **end = &wq->first;

	if (work->pending)
		return false;
	work->pending = true;
	work->wq = wq;
	work->next = NULL;
	while (*end)
		end = &(*end)->next;
	*end = work;
	sim_spawn(wq->name, worker, wq);
	return true;
}

bool flush_work(struct work_struct *work)
{
	bool waited = false;

	might_sleep();
	while (work->pending || is_running(work)) {
		waited = true;
		sim_wait_on(work, 0);
	}
	return waited;
}

bool cancel_work(struct work_struct *work)
{
	if (!work->pending)
		return false;
	for (struct work_struct **at = &work->wq->first; *at; at = &(*at)->next) {
		if (*at != work)
			continue;
		*at = work->next;
		work->pending = false;
		return true;
	}
	return false;
}

void sim_delayed_work_timer(struct timer_list *t)
{
	struct delayed_work *work = container_of(t, struct delayed_work, timer);

	queue_work(work->wq, &work->work);
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay)
{
	if (work->work.pending || work->timer.at)
		return false;
	return mod_delayed_work(wq, work, delay), true;
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay)
{
	bool was = cancel_delayed_work(work);

	work->wq = wq;
	if (delay)
		mod_timer(&work->timer, sim_jiffies() + delay);
	else
		queue_work(wq, &work->work);
	return was;
}

bool cancel_delayed_work(struct delayed_work *work)
{
	bool was = del_timer_sync(&work->timer) != 0;

	return cancel_work(&work->work) || was;
}

bool cancel_delayed_work_sync(struct delayed_work *work)
{
	bool was = cancel_delayed_work(work);

	flush_work(&work->work);
	return was;
}

/* ------------------------------------------------------------------ life */

void sim_sched_begin(void)
{
	sim_now = 1000 * SIM_S;
	memset(sim_rings, 0, sizeof(sim_rings));
	sim_host_turn = NULL;
}

/* The power goes: whatever waits will never run again. */
void sim_sched_end(void)
{
	while (s.tasks) {
		struct sim_task *t = s.tasks;

		s.tasks = t->next;
		task_free(t);
	}
	running = NULL;
	wq_system.first = NULL;
	memset(&s, 0, offsetof(typeof(s), spare));
}
