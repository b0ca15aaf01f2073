// SPDX-License-Identifier: BSD-3-Clause
/* A card's thread: opens the card and its devices, follows its state, does its jobs. */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <x100/irq.h>
#include <x100/regs.h>

#include "status.h"

/* Between two tries to open a card that is not there. */
#define RETRY_FIRST (100 * X100_NS_PER_MS)
#define RETRY_MOST  (5 * X100_NS_PER_SEC)
/* Between two looks: while it starts or boots, and otherwise, in case a doorbell was lost. */
#define LOOK_SOON (20 * X100_NS_PER_MS)
#define LOOK_LATE (10 * X100_NS_PER_SEC)
/* Boots in a row that came to nothing, after which nobody tries again by itself. */
#define BOOTS_MOST 3u
/* A card OS that crashes sooner after its login came to nothing. */
#define GOOD_BOOT (60 * X100_NS_PER_SEC)

static uint64_t now(void)
{
	return x100_system_clock.monotonic(NULL);
}

/* ------------------------------------------------------------------ shared with other threads */

static void wake(struct served *s)
{
	uint64_t one = 1;
	ssize_t ignored = write(s->mail_fd, &one, sizeof(one));

	/* Full means that it is awake. */
	(void)ignored;
}

void served_hand(struct served *s, struct client *client, json_object *request)
{
	client->arg = request;
	client->next = NULL;
	pthread_mutex_lock(&s->lock);
	for (struct client **at = &s->mail;; at = &(*at)->next) {
		if (*at)
			continue;
		*at = client;
		break;
	}
	pthread_mutex_unlock(&s->lock);
	wake(s);
}

void served_words(struct served *s, char words[32])
{
	pthread_mutex_lock(&s->lock);
	memcpy(words, s->words, sizeof(s->words));
	pthread_mutex_unlock(&s->lock);
}

static void set_words(struct served *s, const char *words)
{
	pthread_mutex_lock(&s->lock);
	snprintf(s->words, sizeof(s->words), "%s", words);
	pthread_mutex_unlock(&s->lock);
}

static void on_mail(void *arg, uint32_t events)
{
	struct served *s = arg;
	struct client *client, *next;
	uint64_t count;
	ssize_t ignored = read(s->mail_fd, &count, sizeof(count));

	(void)events;
	(void)ignored;
	pthread_mutex_lock(&s->lock);
	client = s->mail;
	s->mail = NULL;
	s->ending = s->stop;
	pthread_mutex_unlock(&s->lock);
	/* The waits of a job give up then. */
	if (s->ending && s->card)
		x100_interrupt(s->card);
	for (; client; client = next) {
		json_object *request = client->arg;

		next = client->next;
		client->arg = s;
		client->request = served_request;
		client->gone = served_client_gone;
		client->next = s->clients;
		s->clients = client;
		if (client_serve(client, s->loop)) {
			json_object_put(request);
			served_client_gone(client);
			continue;
		}
		served_request(client, request);
	}
}

void served_client_gone(struct client *client)
{
	struct served *s = client->arg;

	for (struct client **at = &s->clients; *at; at = &(*at)->next) {
		if (*at != client)
			continue;
		*at = client->next;
		break;
	}
	if (s->asker == client)
		s->asker = NULL;
	if (s->runner == client) {
		s->runner = NULL;
		json_object_put(s->runner_answer);
		s->runner_answer = NULL;
	}
	for (struct served_device *d = s->devices; d; d = d->next)
		if (d->remover == client)
			d->remover = NULL;
	client_free(client);
}

/* ------------------------------------------------------------------ what is remembered */

static void save(struct served *s)
{
	int ret = state_save(s->state_file, s->config->device, &s->saved);

	if (ret && ret != s->save_error)
		log_line(
			&s->log, X100_LOG_ERR,
			"its state cannot be saved, a restart of x100d would lose its devices: %s: %s",
			s->state_file, strerror(-ret));
	s->save_error = ret;
}

static void on_page_state(void *arg)
{
	struct served *s = arg;
	char *text = x100_vpage_state(s->page);

	if (!text)
		return;
	free(s->saved.page);
	s->saved.page = text;
	save(s);
}

void served_save_devices(struct served *s)
{
	json_object *all = json_object_new_array();

	for (const struct served_device *d = s->devices; d; d = d->next) {
		json_object *o;

		if (!d->added)
			continue;
		o = json_object_new_object();
		json_object_object_add(o, "name", json_object_new_string(d->name));
		json_object_object_add(o, "spec", json_object_new_string(d->spec));
		json_object_array_add(all, o);
	}
	json_object_put(s->saved.devices);
	s->saved.devices = all;
	save(s);
}

/* ------------------------------------------------------------------ devices */

struct served_device *served_device_find(struct served *s, const char *name)
{
	for (struct served_device *d = s->devices; d; d = d->next)
		if (!strcmp(d->name, name))
			return d;
	return NULL;
}

struct served_device *served_device_new(struct served *s, const char *name, const char *spec)
{
	struct served_device *device = calloc(1, sizeof(*device)), **at = &s->devices;

	if (!device)
		return NULL;
	device->spec = strdup(spec);
	if (!device->spec) {
		free(device);
		return NULL;
	}
	device->served = s;
	snprintf(device->name, sizeof(device->name), "%s", name);
	while (*at)
		at = &(*at)->next;
	*at = device;
	return device;
}

int served_device_open(struct served_device *device, struct x100_why *why)
{
	const struct x100_backend_class *class;
	char kind[CONFIG_DEV_NAME];
	int ret = config_kind(device->name, kind, why);

	if (ret)
		return ret;
	class = x100_backend_find(kind);
	return class->open(&device->served->env, device->name, device->spec, why, &device->backend);
}

static void close_backend(struct served_device *device)
{
	if (!device->backend)
		return;
	if (!strcmp(device->name, "console"))
		viewer_end_all(device->served, "the console was removed");
	device->backend->class->close(device->backend);
	device->backend = NULL;
}

void served_device_free(struct served_device *device)
{
	struct served_device **at = &device->served->devices;

	close_backend(device);
	while (*at != device)
		at = &(*at)->next;
	*at = device->next;
	free(device->spec);
	free(device);
}

static void on_removed(void *arg, int error)
{
	struct served_device *device = arg;
	struct served *s = device->served;
	struct client *remover = device->remover;

	log_line(&s->log, X100_LOG_NOTICE, "%s: removed%s", device->name,
		 error ? "; the card did not let go in time" : "");
	served_device_free(device);
	served_save_devices(s);
	if (remover)
		client_answer(remover, error ? message_error(error,
							     "the card did not let go of it in "
							     "time; it was taken away",
							     NULL) :
					       message_ok());
}

void served_device_remove(struct served_device *device, struct client *remover)
{
	device->removing = true;
	device->remover = remover;
	if (device->backend && device->backend->dev) {
		/* Its viewers must not touch it meanwhile. */
		if (!strcmp(device->name, "console"))
			viewer_end_all(device->served, "the console is being removed");
		x100_vdev_remove(device->backend->dev, on_removed, device);
	} else {
		on_removed(device, X100_OK);
	}
}

static void backend_log(void *arg, int level, const char *text)
{
	struct served *s = arg;

	log_line(&s->log, level, "%s", text);
}

static void page_log(void *arg, int level, const struct x100_vdev *dev, const char *text)
{
	struct served *s = arg;
	struct x100_vdev_info info;

	if (dev)
		x100_vdev_info(dev, &info);
	log_line(&s->log, level, "%s%s%s", dev ? info.name : "", dev ? ": " : "", text);
}

/* ------------------------------------------------------------------ state */

static const char *state_log(enum x100_state state)
{
	switch (state) {
	case X100_STATE_RUNNING:
		return "the card OS is running";
	case X100_STATE_HALTED:
		return "the card OS halted";
	case X100_STATE_OFF:
		return "the card OS powered off";
	case X100_STATE_RESTART:
		return "the card OS wants a restart";
	case X100_STATE_CRASHED:
		return "the card OS crashed; x100 log has its last words";
	case X100_STATE_READY:
		return "ready for an image";
	case X100_STATE_BOOTING:
		return "an image was entered";
	case X100_STATE_STARTING:
		return "its bootstrap is starting";
	case X100_STATE_OFF_BUS:
		return "it reads all ones: off the bus";
	default:
		return NULL;
	}
}

static void log_state(struct served *s)
{
	const char *words = state_log(s->state);
	char post[8];
	int level = s->state == X100_STATE_CRASHED || s->state == X100_STATE_OFF_BUS ?
			    X100_LOG_WARNING :
			    X100_LOG_NOTICE;

	if (words)
		log_line(&s->log, level, "%s", words);
	else
		log_line(&s->log, X100_LOG_ERR, "its bootstrap stopped: POST %s: %s",
			 x100_post_text(s->post, post), x100_post_words(s->post));
}

void served_answer_runner(struct served *s, int error, const char *why)
{
	struct client *runner = s->runner;
	json_object *answer = s->runner_answer;

	if (!runner)
		return;
	s->runner = NULL;
	s->runner_answer = NULL;
	if (error) {
		json_object_put(answer);
		answer = message_error(error, why, NULL);
	}
	client_answer(runner, answer);
}

/* Tell the one who pushed what became of it. */
static void tell_runner(struct served *s)
{
	char text[X100_WHY_SIZE], post[8];

	switch (s->state) {
	case X100_STATE_RUNNING:
		served_answer_runner(s, X100_OK, "");
		break;
	case X100_STATE_CRASHED:
		served_answer_runner(s, X100_ERR_CRASHED, "it panicked before it was up");
		break;
	case X100_STATE_HALTED:
	case X100_STATE_OFF:
	case X100_STATE_RESTART:
		served_answer_runner(s, X100_ERR_STOPPED, "it ended before it was up");
		break;
	case X100_STATE_READY:
	case X100_STATE_STARTING:
		served_answer_runner(s, X100_ERR_STOPPED, "the card was reset while it booted");
		break;
	case X100_STATE_FAILED:
		snprintf(text, sizeof(text), "POST %s: %s", x100_post_text(s->post, post),
			 x100_post_words(s->post));
		served_answer_runner(s, X100_ERR_CARD_FAILED, text);
		break;
	default:
		if (now() < s->run_deadline)
			break;
		snprintf(text, sizeof(text), "no login after %llu s; POST %s: %s",
			 (unsigned long long)(X100_RUN_DEADLINE / X100_NS_PER_SEC),
			 x100_post_text(s->post, post), x100_post_words(s->post));
		served_answer_runner(s, X100_ERR_BOOT_TIMEOUT, text);
		break;
	}
}

/* A card OS ended: what the configuration says is to be done. */
static void apply_policy(struct served *s, enum config_policy policy)
{
	if (policy == CONFIG_LEAVE || s->job != JOB_NONE || s->ending)
		return;
	if (policy == CONFIG_BOOT && ++s->failed_boots > BOOTS_MOST) {
		log_line(&s->log, X100_LOG_ERR, "%u boots in a row came to nothing; left alone now",
			 BOOTS_MOST);
		return;
	}
	if (policy == CONFIG_BOOT && served_image_again(s)) {
		served_begin_job(s, JOB_PUSH, NULL);
		return;
	}
	if (policy == CONFIG_BOOT)
		log_line(&s->log, X100_LOG_WARNING,
			 "there is no image to boot again, it is only reset");
	s->asker_waits = true;
	s->reset_timeout = X100_RESET_DEADLINE;
	served_begin_job(s, JOB_RESET, NULL);
}

static bool has_os(enum x100_state state)
{
	return state != X100_STATE_READY && state != X100_STATE_STARTING &&
	       state != X100_STATE_FAILED;
}

/* The card shows another state than before. */
static void enter(struct served *s, enum x100_state state)
{
	enum x100_state before = s->state;
	uint64_t lasted = now() - s->since;
	bool known = s->known;

	s->state = state;
	s->known = true;
	s->since = now();
	set_words(s, x100_state_words(state));
	log_state(s);
	/* A login was offered, and not just for a moment before a crash. */
	if (known && before == X100_STATE_RUNNING &&
	    (state != X100_STATE_CRASHED || lasted >= GOOD_BOOT))
		s->failed_boots = 0;
	/* A reset that nobody here asked for. */
	if (known && s->page && has_os(before) && !has_os(state) && s->job == JOB_NONE)
		x100_vpage_card_reset(s->page);
	switch (state) {
	case X100_STATE_RUNNING:
		if (known && s->run_deadline) {
			s->saved.times.realtime[X100_PUSH_RUNNING] =
				x100_system_clock.realtime(NULL);
			s->run_deadline = 0;
			save(s);
		}
		break;
	case X100_STATE_RESTART:
		/* Also when nobody was here as it said so. */
		apply_policy(s, s->config->on_restart);
		break;
	case X100_STATE_CRASHED:
		if (known)
			apply_policy(s, s->config->on_crash);
		break;
	case X100_STATE_READY:
		if (s->auto_boot && s->job == JOB_NONE && served_image_again(s))
			served_begin_job(s, JOB_PUSH, NULL);
		break;
	default:
		break;
	}
	/* Once per opening, and not to a card that an OS was found on. */
	if (state != X100_STATE_STARTING && state != X100_STATE_OFF_BUS)
		s->auto_boot = false;
}

/* Something may change soon. */
static bool in_motion(const struct served *s)
{
	return (s->state == X100_STATE_STARTING || s->state == X100_STATE_BOOTING ||
		s->state == X100_STATE_OFF_BUS) &&
	       now() - s->since < X100_RUN_DEADLINE;
}

static void on_post(void *arg, uint32_t post)
{
	struct served *s = arg;
	struct client *client = s->asker ? s->asker : s->runner;
	json_object *event;

	if (!client)
		return;
	event = json_object_new_object();
	json_object_object_add(event, "event", json_object_new_string("post"));
	json_object_object_add(event, "post", json_object_new_int64(post));
	client_event(client, event);
}

/* Look what the card is doing. */
static void look(struct served *s)
{
	struct card_look look;
	uint32_t said;
	int ret = card_look(s->card, &look);

	if (!ret)
		ret = x100_sbox_read(s->card, X100_SBOX_SDBIC(X100_SHUTDOWN_DOORBELL), &said);
	if (ret) {
		s->lost = true;
		return;
	}
	if (said != UINT32_MAX)
		s->sdbic1 = said;
	if (s->known && look.post != s->post && look.post != UINT32_MAX)
		on_post(s, look.post);
	s->post = look.post;
	if (!s->known || card_state(&look, s->sdbic1) != s->state)
		enter(s, card_state(&look, s->sdbic1));
	tell_runner(s);
	if (s->job == JOB_NONE)
		x100_timer_set(s->loop, &s->timer, in_motion(s) ? LOOK_SOON : LOOK_LATE);
}

/* Doorbell 1: the card OS has something to say about its end. */
static void on_shutdown(void *arg, uint32_t sdbic1)
{
	struct served *s = arg;

	(void)sdbic1;
	/* A job looks by itself when it is done. */
	if (s->job == JOB_NONE)
		x100_timer_set(s->loop, &s->timer, 0);
}

static void on_hangup(void *arg, uint32_t events)
{
	struct served *s = arg;

	(void)events;
	x100_loop_remove(s->loop, &s->hangup_watch);
	s->lost = true;
}

/* ------------------------------------------------------------------ opening and losing the card */

/* The page that a card OS is running with, from before a restart of x100d. True when it goes on. */
static bool resume(struct served *s, const struct x100_vpage_params *params)
{
	int ret;

	if (!s->saved.page || (s->state != X100_STATE_RUNNING && s->state != X100_STATE_BOOTING))
		return false;
	ret = x100_vpage_resume(s->card, s->loop, params, s->saved.page, &s->page);
	if (ret)
		log_line(&s->log, X100_LOG_WARNING, "its devices cannot be resumed: %s: %s; %s",
			 x100_error_words(ret), x100_why(s->card), x100_error_hint(ret));
	return !ret;
}

static int make_page(struct served *s)
{
	const struct x100_vpage_params params = {
		.generation = s->config->generation,
		.legacy_features = s->config->legacy_features,
		.node_id = (uint8_t)(s->index + 1),
		.log = page_log,
		.shutdown = on_shutdown,
		.arg = s,
	};
	struct x100_why why = { "" };
	bool resumed = resume(s, &params);
	int ret;

	if (!resumed) {
		ret = x100_vpage_new(s->card, s->loop, &params, &s->page);
		if (ret)
			return ret;
	}
	s->env = (struct x100_backend_env){
		.card = s->card,
		.loop = s->loop,
		.page = s->page,
		.card_name = s->config->name,
		.card_index = s->index,
		.legacy_features = s->config->legacy_features,
		.state_dir = s->state_dir,
		.log = backend_log,
		.log_arg = s,
	};
	for (struct served_device *d = s->devices; d; d = d->next) {
		why.text[0] = '\0';
		ret = served_device_open(d, &why);
		if (ret)
			log_line(&s->log, X100_LOG_ERR, "%s: %s: %s; %s", d->name,
				 x100_error_words(ret), why.text, x100_error_hint(ret));
	}
	x100_vpage_on_state(s->page, on_page_state, s);
	on_page_state(s);
	if (!resumed)
		return X100_OK;
	ret = x100_vpage_resume_go(s->page);
	if (!ret)
		log_line(&s->log, X100_LOG_NOTICE, "its devices are being resumed");
	return ret;
}

/* Let go of the card; viewers and those who wait are told @why. */
static void lose_card(struct served *s, int error, const char *why)
{
	x100_timer_cancel(s->loop, &s->timer);
	x100_loop_remove(s->loop, &s->hangup_watch);
	viewer_end_all(s, why);
	served_answer_runner(s, error, why);
	served_answer_asker(s, message_error(error, why, NULL));
	s->job = JOB_NONE;
	if (s->page) {
		x100_vpage_on_state(s->page, NULL, NULL);
		x100_vpage_free(s->page);
	}
	s->page = NULL;
	for (struct served_device *d = s->devices; d; d = d->next)
		close_backend(d);
	x100_close(s->card);
	s->card = NULL;
	s->known = false;
	s->sdbic1 = 0;
	s->run_deadline = 0;
	s->lost = false;
	set_words(s, "absent");
}

static void open_later(struct served *s, int error)
{
	if (error != s->open_error)
		log_line(&s->log, X100_LOG_WARNING, "%s: %s; trying again", x100_error_words(error),
			 s->open_why.text);
	s->open_error = error;
	s->retry_ns = s->retry_ns ? s->retry_ns * 2 : RETRY_FIRST;
	if (s->retry_ns > RETRY_MOST)
		s->retry_ns = RETRY_MOST;
	x100_timer_set(s->loop, &s->timer, s->retry_ns);
}

static void open_card(struct served *s)
{
	int fd, ret;

	s->open_why.text[0] = '\0';
	ret = x100_open_with(&x100_vfu_transport, s->config->device + strlen("model:"), &s->clock,
			     &s->card, &s->open_why);
	if (ret) {
		open_later(s, ret);
		return;
	}
	fd = x100_hangup_fd(s->card);
	s->hangup_watch.fd = fd;
	if (fd >= 0)
		x100_loop_add(s->loop, &s->hangup_watch, EPOLLRDHUP);
	log_line(&s->log, X100_LOG_NOTICE, "opened %s", s->config->device);
	s->auto_boot = s->config->boot;
	look(s);
	ret = s->lost ? X100_ERR_GONE : make_page(s);
	if (ret) {
		s->open_why = (struct x100_why){ "" };
		snprintf(s->open_why.text, sizeof(s->open_why.text), "%s", x100_why(s->card));
		lose_card(s, ret, s->open_why.text);
		open_later(s, ret);
		return;
	}
	s->open_error = X100_OK;
	s->retry_ns = 0;
}

static void on_timer(void *arg)
{
	struct served *s = arg;

	if (s->job != JOB_NONE || s->lost)
		return;
	if (s->card)
		look(s);
	else
		open_card(s);
}

/* ------------------------------------------------------------------ jobs */

void served_image_free(struct served_image *image)
{
	if (image->image >= 0)
		close(image->image);
	if (image->ramdisk >= 0)
		close(image->ramdisk);
	free(image->cmdline);
	*image = (struct served_image){ .image = -1, .ramdisk = -1 };
}

static int open_file(struct served *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		log_line(&s->log, X100_LOG_ERR, "%s: %s", path, strerror(errno));
	return fd;
}

bool served_image_again(struct served *s)
{
	const struct config_card *config = s->config;
	struct served_image *next = &s->next;

	served_image_free(next);
	if (s->has_last && !s->last.from_config) {
		*next = s->last;
		next->image = fcntl(s->last.image, F_DUPFD_CLOEXEC, 0);
		next->ramdisk = s->last.ramdisk < 0 ? -1 :
						      fcntl(s->last.ramdisk, F_DUPFD_CLOEXEC, 0);
		next->cmdline = s->last.cmdline ? strdup(s->last.cmdline) : NULL;
		return next->image >= 0;
	}
	if (!config->image)
		return false;
	next->from_config = true;
	next->image = open_file(s, config->image);
	next->ramdisk = config->ramdisk ? open_file(s, config->ramdisk) : -1;
	next->cmdline = config->cmdline ? strdup(config->cmdline) : NULL;
	if (next->image >= 0 && (!config->ramdisk || next->ramdisk >= 0))
		return true;
	served_image_free(next);
	return false;
}

bool served_begin_job(struct served *s, enum served_job job, struct client *asker)
{
	if (s->job != JOB_NONE)
		return false;
	s->job = job;
	s->asker = asker;
	x100_timer_cancel(s->loop, &s->timer);
	return true;
}

void served_answer_asker(struct served *s, json_object *answer)
{
	struct client *asker = s->asker;

	s->asker = NULL;
	if (asker)
		client_answer(asker, answer);
	else
		json_object_put(answer);
}

static void on_progress(void *arg, enum x100_push_step step, uint64_t done, uint64_t all)
{
	static const char *const names[X100_PUSH_STEPS] = {
		[X100_PUSH_RESET] = "reset",
		[X100_PUSH_IMAGE] = "image",
		[X100_PUSH_RAMDISK] = "ramdisk",
	};
	struct served *s = arg;
	json_object *event;

	if (!s->asker || !names[step])
		return;
	/* As often as somebody can see it. */
	if (done && done < all && now() - s->event_ns < X100_NS_PER_SEC / 10)
		return;
	s->event_ns = now();
	event = json_object_new_object();
	json_object_object_add(event, "event", json_object_new_string("progress"));
	json_object_object_add(event, "step", json_object_new_string(names[step]));
	json_object_object_add(event, "done", json_object_new_uint64(done));
	json_object_object_add(event, "all", json_object_new_uint64(all));
	client_event(s->asker, event);
}

/* A regular file as something to push. */
static int use_file(struct x100_blob *blob, int fd, const char *what, struct x100_why *why)
{
	struct stat st;

	*blob = (struct x100_blob){ .fd = fd };
	if (fd < 0)
		return X100_OK;
	if (fstat(fd, &st))
		return x100_fail(why, X100_ERR_FILE, "%s: %s", what, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return x100_fail(why, X100_ERR_FILE, "the %s is not a regular file", what);
	blob->size = (uint64_t)st.st_size;
	return X100_OK;
}

static json_object *push_answer(const struct x100_push_result *result)
{
	json_object *answer = message_ok();

	json_object_object_add(answer, "bytes",
			       json_object_new_uint64(result->placement.image_size +
						      result->placement.ramdisk_size));
	json_object_object_add(answer, "copy_ns", json_object_new_uint64(result->copy_ns));
	return answer;
}

static void do_push(struct served *s)
{
	struct x100_push push = {
		.cmdline = s->next.cmdline,
		.ramdisk_at = s->next.ramdisk_at,
		.declare_size = s->next.declare_size,
		.unchecked = s->next.unchecked,
		.wait = X100_WAIT_TAKEN,
		.progress = on_progress,
		.post = on_post,
		.arg = s,
	};
	struct x100_push_result result = { 0 };
	struct x100_why why = { "" };
	int ret;

	served_answer_runner(s, X100_ERR_STOPPED, "another push came");
	log_line(&s->log, X100_LOG_INFO, "pushing %s",
		 s->next.from_config ? s->config->image : "the image of a client");
	ret = use_file(&push.image, s->next.image, "image", &why);
	if (!ret)
		ret = use_file(&push.ramdisk, s->next.ramdisk, "ramdisk", &why);
	if (!ret) {
		ret = x100_push(s->card, &push, &result);
		if (ret)
			snprintf(why.text, sizeof(why.text), "%s", x100_why(s->card));
		s->saved.times = result.times;
		save(s);
	}
	if (ret) {
		log_line(&s->log, X100_LOG_ERR, "the push failed: %s: %s", x100_error_words(ret),
			 why.text);
		served_answer_asker(
			s, message_error(ret, why.text,
					 result.reason ? x100_reason_hint(result.reason) : NULL));
		served_image_free(&s->next);
		return;
	}
	served_image_free(&s->last);
	s->last = s->next;
	s->has_last = true;
	s->next = (struct served_image){ .image = -1, .ramdisk = -1 };
	s->run_deadline = now() + X100_RUN_DEADLINE;
	if (s->asker_waits && s->asker) {
		s->runner = s->asker;
		s->runner_answer = push_answer(&result);
		s->asker = NULL;
	} else {
		served_answer_asker(s, push_answer(&result));
	}
}

static void do_reset(struct served *s)
{
	int ret;

	served_answer_runner(s, X100_ERR_STOPPED, "the card was reset while it booted");
	log_line(&s->log, X100_LOG_INFO, "resetting it");
	ret = x100_reset(s->card);
	if (!ret && s->asker_waits)
		ret = x100_wait_ready(s->card, s->reset_timeout, on_post, s);
	if (ret) {
		log_line(&s->log, X100_LOG_ERR, "the reset failed: %s: %s", x100_error_words(ret),
			 x100_why(s->card));
		served_answer_asker(s, message_error(ret, x100_why(s->card), NULL));
	} else {
		served_answer_asker(s, message_ok());
	}
}

static void do_job(struct served *s)
{
	/* What its OS said is not true any more, and the state after the job is a new one. */
	s->sdbic1 = 0;
	if (s->job == JOB_PUSH)
		do_push(s);
	else
		do_reset(s);
	s->job = JOB_NONE;
	if (!s->lost)
		look(s);
}

/* ------------------------------------------------------------------ the thread */

/* The clock of the card: its waits go on serving everything else. */
static void sleep_turning(void *arg, uint64_t ns)
{
	struct served *s = arg;
	uint64_t end = now() + ns;

	for (uint64_t t = now(); t < end; t = now())
		x100_loop_turn(s->loop, (int)((end - t + X100_NS_PER_MS - 1) / X100_NS_PER_MS));
}

static void *thread(void *arg)
{
	struct served *s = arg;

	/* The first clients wait for how that goes. */
	open_card(s);
	while (!s->ending) {
		if (s->lost) {
			log_line(&s->log, X100_LOG_WARNING, "the connection to the card broke");
			lose_card(s, X100_ERR_GONE, "the connection to the card broke");
			x100_timer_set(s->loop, &s->timer, RETRY_FIRST);
		} else if (s->job != JOB_NONE) {
			do_job(s);
		} else {
			x100_loop_turn(s->loop, -1);
		}
	}
	if (s->card)
		lose_card(s, X100_ERR_NO_DAEMON, "x100d is ending");
	viewer_free_all(s);
	while (s->clients)
		served_client_gone(s->clients);
	return NULL;
}

/* The devices that clients added before a restart. */
static int add_saved(struct served *s)
{
	size_t count = s->saved.devices ? json_object_array_length(s->saved.devices) : 0;
	char kind[CONFIG_DEV_NAME];

	for (size_t i = 0; i < count; i++) {
		json_object *o = json_object_array_get_idx(s->saved.devices, i);
		const char *name = NULL, *spec = NULL;
		struct served_device *device;

		if (!json_object_is_type(o, json_type_object) ||
		    message_string(o, "name", &name, NULL) ||
		    message_string(o, "spec", &spec, NULL) || !name || !spec ||
		    config_kind(name, kind, NULL) || served_device_find(s, name))
			continue;
		device = served_device_new(s, name, spec);
		if (!device)
			return -ENOMEM;
		device->added = true;
	}
	return 0;
}

int served_start(struct served *s, const struct config_card *config, unsigned int index,
		 const char *state_dir)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->config = config;
	s->index = index;
	s->state_dir = state_dir;
	s->log.name = config->name;
	s->next.image = s->next.ramdisk = s->last.image = s->last.ramdisk = -1;
	s->clock = x100_system_clock;
	s->clock.sleep = sleep_turning;
	s->clock.arg = s;
	s->timer = (struct x100_timer){ .expired = on_timer, .arg = s };
	s->hangup_watch = (struct x100_watch){ .fd = -1, .ready = on_hangup, .arg = s };
	strcpy(s->words, "absent");
	pthread_mutex_init(&s->lock, NULL);
	if (!state_path(state_dir, config->name, s->state_file, sizeof(s->state_file)))
		return -ENAMETOOLONG;
	ret = state_load(s->state_file, config->device, &s->saved);
	if (ret && ret != -ENOENT)
		log_line(&s->log, X100_LOG_WARNING, "%s makes no sense and is not used",
			 s->state_file);
	s->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->loop = x100_loop_new();
	if (s->mail_fd < 0 || !s->loop)
		return -errno;
	s->mail_watch = (struct x100_watch){ .fd = s->mail_fd, .ready = on_mail, .arg = s };
	ret = x100_loop_add(s->loop, &s->mail_watch, EPOLLIN);
	for (unsigned int i = 0; i < config->devices && !ret; i++)
		if (!served_device_new(s, config->dev[i].name, config->dev[i].spec))
			ret = -ENOMEM;
	if (!ret)
		ret = add_saved(s);
	return ret ? ret : -pthread_create(&s->thread, NULL, thread, s);
}

void served_stop(struct served *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	wake(s);
}

void served_join(struct served *s)
{
	pthread_join(s->thread, NULL);
	/* Clients that came too late. */
	while (s->mail) {
		struct client *client = s->mail;

		s->mail = client->next;
		json_object_put(client->arg);
		client_free(client);
	}
	while (s->devices)
		served_device_free(s->devices);
	served_image_free(&s->next);
	served_image_free(&s->last);
	state_free(&s->saved);
	x100_loop_free(s->loop);
	close(s->mail_fd);
	pthread_mutex_destroy(&s->lock);
}
