// SPDX-License-Identifier: BSD-3-Clause
/* What clients ask of a card: x100d(8) "Control protocol" lists the operations. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "served.h"

struct operation {
	const char *name;
	/* Answers, or leaves the client to be answered later. Errors are answered by the caller. */
	int (*run)(struct served *s, struct client *client, json_object *request,
		   struct x100_why *why);
};

static void put_string(json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

static void put_number(json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

/* ------------------------------------------------------------------ questions */

static const char *vdev_state(enum x100_vdev_state state)
{
	switch (state) {
	case X100_VDEV_IDLE:
		return "idle";
	case X100_VDEV_PROBING:
		return "probing";
	case X100_VDEV_LIVE:
		return "live";
	case X100_VDEV_FAILED:
		return "failed";
	case X100_VDEV_FAULTED:
		return "faulted";
	case X100_VDEV_REMOVING:
		return "removing";
	default:
		return "unknown";
	}
}

static const char *fault_name(enum x100_fault fault)
{
	static const char *const names[] = {
#define NAME(name, words) #name,
		X100_FAULT_LIST(NAME)
#undef NAME
	};

	return fault < X100_FAULTS ? names[fault] : "UNKNOWN";
}

static json_object *device_json(const struct served_device *device)
{
	json_object *o = json_object_new_object();
	struct x100_vdev_info info;

	put_string(o, "name", device->name);
	put_string(o, "spec", device->spec);
	if (device->removing || !device->backend || !device->backend->dev) {
		put_string(o, "state", device->removing ? "removing" : "absent");
		return o;
	}
	x100_vdev_info(device->backend->dev, &info);
	put_number(o, "type", info.type);
	put_string(o, "state", vdev_state(info.state));
	put_string(o, "fault", fault_name(info.fault));
	put_string(o, "fault_words", x100_fault_words(info.fault));
	put_number(o, "fault_detail", info.fault_detail);
	put_number(o, "offered", info.offered);
	put_number(o, "accepted", info.accepted);
	put_number(o, "queues", info.queues);
	put_number(o, "kicks", info.kicks);
	put_number(o, "notifies", info.notifies);
	put_number(o, "chains", info.chains);
	put_number(o, "resets", info.resets);
	if (device->backend->class->status)
		device->backend->class->status(device->backend, o);
	return o;
}

static json_object *devices_json(const struct served *s)
{
	json_object *all = json_object_new_array();

	for (const struct served_device *d = s->devices; d; d = d->next)
		json_object_array_add(all, device_json(d));
	return all;
}

static int ask(struct served *s, struct client *client, json_object *request, struct x100_why *why)
{
	json_object *answer = message_ok(), *op;
	int ret;

	json_object_object_get_ex(request, "op", &op);
	ret = report_answer(s->card, json_object_get_string(op), request, &s->saved.times, answer,
			    why);
	if (ret) {
		json_object_put(answer);
		if (!why->text[0])
			snprintf(why->text, sizeof(why->text), "%s", x100_why(s->card));
		return ret;
	}
	if (!strcmp(json_object_get_string(op), "status")) {
		put_string(answer, "card", s->config->name);
		json_object_object_add(answer, "daemon", json_object_new_boolean(true));
		json_object_object_add(answer, "devices", devices_json(s));
	}
	client_answer(client, answer);
	return X100_OK;
}

/* ------------------------------------------------------------------ jobs */

static int busy(const struct served *s, struct x100_why *why)
{
	return x100_fail(why, X100_ERR_BUSY, "x100d is %s it right now",
			 s->job == JOB_PUSH ? "pushing an image to" : "resetting");
}

/* The descriptors and members of a push; @next is to be freed on error, too. */
static int take_files(struct client *client, json_object *request, bool ramdisk,
		      struct served_image *next, struct x100_why *why)
{
	const char *cmdline = NULL;
	uint64_t declare = 0;
	int ret = message_string(request, "cmdline", &cmdline, why);

	if (!ret)
		ret = message_flag(request, "unchecked", &next->unchecked, why);
	if (!ret)
		ret = message_number(request, "ramdisk_at", UINT32_MAX, &next->ramdisk_at, why);
	if (!ret)
		ret = message_number(request, "declare_size", UINT32_MAX, &declare, why);
	if (ret)
		return ret;
	next->declare_size = (uint32_t)declare;
	next->image = message_take_fd(&client->in);
	if (ramdisk)
		next->ramdisk = message_take_fd(&client->in);
	if (next->image < 0 || (ramdisk && next->ramdisk < 0))
		return x100_fail(why, X100_ERR_ARGUMENT, "a file did not come with the request");
	if (cmdline)
		next->cmdline = strdup(cmdline);
	if (cmdline && !next->cmdline)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a command line");
	return X100_OK;
}

static int push(struct served *s, struct client *client, json_object *request, struct x100_why *why)
{
	struct served_image next = { .image = -1, .ramdisk = -1 };
	bool image = false, ramdisk = false, running = false;
	int ret = message_flag(request, "image", &image, why);

	if (!ret)
		ret = message_flag(request, "ramdisk", &ramdisk, why);
	if (!ret)
		ret = message_flag(request, "wait_running", &running, why);
	if (!ret && image)
		ret = take_files(client, request, ramdisk, &next, why);
	if (!ret && s->job != JOB_NONE)
		ret = busy(s, why);
	if (ret) {
		served_image_free(&next);
		return ret;
	}
	if (image) {
		served_image_free(&s->next);
		s->next = next;
	} else if (!served_image_again(s)) {
		return x100_fail(why, X100_ERR_FILE,
				 "no image was pushed before, and the configuration names none "
				 "that can be read");
	}
	s->asker_waits = running;
	s->failed_boots = 0;
	served_begin_job(s, JOB_PUSH, client);
	return X100_OK;
}

static int reset(struct served *s, struct client *client, json_object *request,
		 struct x100_why *why)
{
	uint64_t timeout = X100_RESET_DEADLINE / X100_NS_PER_SEC;
	bool wait = false;
	int ret = message_flag(request, "wait", &wait, why);

	if (!ret)
		ret = message_number(request, "timeout", 86400, &timeout, why);
	if (ret)
		return ret;
	if (s->job != JOB_NONE)
		return busy(s, why);
	s->asker_waits = wait;
	s->reset_timeout = timeout * X100_NS_PER_SEC;
	s->failed_boots = 0;
	served_begin_job(s, JOB_RESET, client);
	return X100_OK;
}

/* ------------------------------------------------------------------ devices */

static int device_list(struct served *s, struct client *client, json_object *request,
		       struct x100_why *why)
{
	json_object *answer = message_ok();

	(void)request;
	(void)why;
	json_object_object_add(answer, "devices", devices_json(s));
	client_answer(client, answer);
	return X100_OK;
}

/* The device that a request names. */
static int find_device(struct served *s, json_object *request, struct served_device **device,
		       struct x100_why *why)
{
	const char *name = NULL;
	int ret = message_string(request, "name", &name, why);

	if (ret)
		return ret;
	*device = name ? served_device_find(s, name) : NULL;
	if (!*device)
		return x100_fail(why, X100_ERR_ARGUMENT, "the card has no device \"%.40s\"",
				 name ? name : "");
	if ((*device)->removing)
		return x100_fail(why, X100_ERR_ARGUMENT, "%s is being removed already", name);
	return X100_OK;
}

static int device_add(struct served *s, struct client *client, json_object *request,
		      struct x100_why *why)
{
	const char *name = NULL, *spec = NULL;
	struct served_device *device;
	char kind[CONFIG_DEV_NAME];
	int ret = message_string(request, "name", &name, why);

	if (!ret)
		ret = message_string(request, "spec", &spec, why);
	if (!ret && (!name || !spec))
		ret = x100_fail(why, X100_ERR_ARGUMENT, "a device needs \"name\" and \"spec\"");
	if (!ret)
		ret = config_kind(name, kind, why);
	/* One console without a number, the others with one, as in the configuration. */
	if (!ret && !strcmp(name, kind) != !strcmp(kind, "console"))
		ret = x100_fail(why, X100_ERR_ARGUMENT,
				"write console, or another kind with a number, such as disk0");
	if (!ret)
		ret = x100_backend_check(kind, spec, why);
	if (ret)
		return ret;
	if (served_device_find(s, name))
		return x100_fail(why, X100_ERR_ARGUMENT, "there is a %s already", name);
	device = served_device_new(s, name, spec);
	if (!device)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a device");
	ret = served_device_open(device, why);
	if (ret) {
		served_device_free(device);
		return ret;
	}
	device->added = true;
	served_save_devices(s);
	log_line(&s->log, X100_LOG_NOTICE, "%s: added", name);
	client_answer(client, message_ok());
	return X100_OK;
}

static int device_remove(struct served *s, struct client *client, json_object *request,
			 struct x100_why *why)
{
	struct served_device *device;
	int ret = find_device(s, request, &device, why);

	if (!ret)
		served_device_remove(device, client);
	return ret;
}

static int device_rescan(struct served *s, struct client *client, json_object *request,
			 struct x100_why *why)
{
	struct served_device *device;
	int ret = find_device(s, request, &device, why);

	if (ret)
		return ret;
	if (!device->backend)
		ret = served_device_open(device, why);
	else if (device->backend->class->rescan)
		ret = device->backend->class->rescan(device->backend, why);
	if (!ret)
		client_answer(client, message_ok());
	return ret;
}

/* ------------------------------------------------------------------ console */

static int console(struct served *s, struct client *client, json_object *request,
		   struct x100_why *why)
{
	const struct served_device *device = served_device_find(s, "console");
	uint64_t scrollback = UINT32_MAX;
	bool view = false;
	int ret = message_flag(request, "view", &view, why);

	if (!ret)
		ret = message_number(request, "scrollback", UINT32_MAX, &scrollback, why);
	if (ret)
		return ret;
	if (!device || !device->backend || device->removing)
		return x100_fail(why, X100_ERR_NO_DEVICE, "card %s has no console",
				 s->config->name);
	viewer_start(s, client, !view, (size_t)scrollback);
	return X100_OK;
}

/* ------------------------------------------------------------------ table */

static const struct operation operations[] = {
	{ "status", ask },
	{ "record", ask },
	{ "klog", ask },
	{ "timeline", ask },
	{ "push", push },
	{ "reset", reset },
	{ "device-list", device_list },
	{ "device-add", device_add },
	{ "device-remove", device_remove },
	{ "device-rescan", device_rescan },
	{ "console", console },
};

static const struct operation *find_operation(json_object *request)
{
	json_object *op;

	if (!json_object_object_get_ex(request, "op", &op) ||
	    !json_object_is_type(op, json_type_string))
		return NULL;
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (!strcmp(operations[i].name, json_object_get_string(op)))
			return &operations[i];
	return NULL;
}

/* The connection is this card's; another one needs another connection. */
static bool is_ours(const struct served *s, json_object *request)
{
	json_object *card;

	return !json_object_object_get_ex(request, "card", &card) ||
	       (json_object_is_type(card, json_type_string) &&
		!strcmp(json_object_get_string(card), s->config->name));
}

void served_request(struct client *client, json_object *request)
{
	const struct operation *operation = find_operation(request);
	struct served *s = client->arg;
	const char *hint = NULL;
	struct x100_why why = { "" };
	int ret;

	if (!operation) {
		ret = x100_fail(&why, X100_ERR_ARGUMENT, "there is no such \"op\"");
	} else if (!is_ours(s, request)) {
		ret = x100_fail(&why, X100_ERR_ARGUMENT, "this connection is card %s's",
				s->config->name);
	} else if (!s->card || s->lost) {
		/* Lost a moment ago, and not tried again yet. */
		ret = s->card || !s->open_error ? X100_ERR_GONE : s->open_error;
		why = s->open_why;
	} else {
		ret = operation->run(s, client, request, &why);
		if (ret == X100_ERR_BUSY)
			hint = "wait until that is done";
		if (ret == X100_ERR_ARGUMENT && !strncmp(operation->name, "device-", 7))
			hint = "see x100 device --help and x100d.conf(5)";
	}
	if (ret)
		client_answer(client, message_error(ret, why.text, hint));
	json_object_put(request);
}
