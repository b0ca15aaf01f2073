// SPDX-License-Identifier: BSD-3-Clause
/* State, boot record, logs and time stamps of a card as JSON. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <x100/boot.h>
#include <x100/post.h>

#include "message.h"

/* Bytes of a kernel log in one answer. */
#define KLOG_PART (128u << 10)

static void put_string(json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, value ? json_object_new_string(value) : NULL);
}

static void put_number(json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

const char *report_step(enum x100_push_step step)
{
	static const char *const names[X100_PUSH_STEPS] = {
		[X100_PUSH_CHECK] = "push begins",
		[X100_PUSH_RESET] = "reset or wait for the bootstrap",
		[X100_PUSH_IMAGE] = "copying the image",
		[X100_PUSH_RAMDISK] = "copying the ramdisk",
		[X100_PUSH_PREPARE] = "preparing mailbox and interrupts",
		[X100_PUSH_GO] = "boot interrupt",
		[X100_PUSH_TAKEN] = "saw the image entered",
		[X100_PUSH_RUNNING] = "saw the card OS running",
	};

	return names[step];
}

static json_object *run_json(const struct x100_run *run)
{
	json_object *o = json_object_new_object(), *stages = json_object_new_array();
	json_object *detail = json_object_new_array();
	char text[8], reason[X100_REASON_TEXT];

	put_number(o, "run", run->seq);
	put_number(o, "pushes", run->pushes);
	put_string(o, "post", x100_post_text(run->post, text));
	put_string(o, "post_words", x100_post_words(run->post));
	put_number(o, "reason", run->reason);
	put_string(o, "reason_words", run->reason ? x100_reason_words(run->reason) : NULL);
	put_string(o, "reason_text",
		   run->reason ? x100_reason_text(run->reason, run->detail, reason) : NULL);
	for (unsigned int i = 0; i < 4; i++)
		json_object_array_add(detail, json_object_new_uint64(run->detail[i]));
	json_object_object_add(o, "detail", detail);
	for (unsigned int i = 0; i < run->stages; i++) {
		json_object *stage = json_object_new_object();

		put_string(stage, "post", x100_post_text(run->stage[i].post, text));
		put_string(stage, "words", x100_post_words(run->stage[i].post));
		put_number(stage, "etc", run->stage[i].etc);
		put_number(stage, "detail", run->stage[i].detail);
		json_object_array_add(stages, stage);
	}
	json_object_object_add(o, "stages", stages);
	return o;
}

static int status(struct x100_card *card, json_object *o)
{
	const struct x100_run *previous = NULL;
	struct x100_status s;
	char text[16];
	int ret = x100_status_read(card, &s);

	if (ret)
		return ret;
	put_string(o, "device", s.device);
	put_string(o, "product", s.product);
	snprintf(text, sizeof(text), "8086:%04x", s.pci_device);
	put_string(o, "pci_id", text);
	put_string(o, "stepping", s.stepping);
	put_string(o, "state", x100_state_words(s.state));
	put_string(o, "post", x100_post_text(s.post, text));
	put_string(o, "post_words", x100_post_words(s.post));
	json_object_object_add(o, "ready", json_object_new_boolean(s.state == X100_STATE_READY));
	put_number(o, "download_address", x100_spad2_addr(s.spad2));
	put_number(o, "boot_apic_id", x100_spad2_apic_id(s.spad2));
	put_number(o, "memory_bytes", s.memory);
	put_number(o, "aperture_bytes", s.aperture);
	put_number(o, "cores", s.cores);
	put_number(o, "threads_per_core", s.threads);
	put_number(o, "core_mhz", s.core_mhz);
	put_string(o, "shutdown", s.shutdown);
	put_number(o, "etc", s.etc);
	json_object_object_add(o, "record",
			       s.has_record ? run_json(x100_record_current(&s.record)) : NULL);
	if (s.has_record)
		previous = x100_record_previous(&s.record);
	json_object_object_add(o, "previous", previous ? run_json(previous) : NULL);
	return X100_OK;
}

/* What the bootstrap said in one run; "run" is null when there was none before. */
static int record(struct x100_card *card, bool want_previous, json_object *o)
{
	char text[X100_RECORD_CONSOLE + 1], reason[X100_REASON_TEXT];
	const struct x100_run *run;
	struct x100_record copy;
	int ret = x100_record_read(card, &copy);

	if (ret)
		return ret;
	run = want_previous ? x100_record_previous(&copy) : x100_record_current(&copy);
	json_object_object_add(o, "run", run ? json_object_new_int64(run->seq) : NULL);
	if (!run)
		return X100_OK;
	x100_run_console(run, text);
	put_string(o, "text", text);
	put_string(o, "reason_text",
		   run->reason ? x100_reason_text(run->reason, run->detail, reason) : NULL);
	return X100_OK;
}

/* The card kernel's log from a count of bytes on; as much as one answer may hold. */
static int klog(struct x100_card *card, uint64_t from, json_object *o)
{
	uint64_t lost;
	size_t size, part;
	char *text;
	int ret = x100_klog_read(card, &from, &text, &size, &lost);

	if (ret)
		return ret;
	part = size < KLOG_PART ? size : KLOG_PART;
	json_object_object_add(o, "text", json_object_new_string_len(text, (int)part));
	put_number(o, "from", from - (size - part));
	put_number(o, "lost", lost);
	json_object_object_add(o, "more", json_object_new_boolean(part < size));
	free(text);
	return X100_OK;
}

static int timeline(struct x100_card *card, const struct x100_push_times *times, json_object *o)
{
	json_object *all = json_object_new_array();
	struct x100_event events[X100_EVENTS];
	struct x100_record copy;
	struct x100_time_pair pair;
	unsigned int count;
	bool has_record;
	int ret;

	json_object_object_add(o, "events", all);
	ret = x100_time_sample(card, &pair);
	if (ret)
		return ret;
	ret = x100_record_read(card, &copy);
	if (ret && ret != X100_ERR_NO_RECORD)
		return ret;
	has_record = !ret;
	count = x100_timeline(has_record ? x100_record_current(&copy) : NULL, &pair, times, events);
	put_number(o, "uncertainty_ns", pair.uncertainty);
	for (unsigned int i = 0; i < count; i++) {
		const struct x100_event *event = &events[i];
		json_object *e = json_object_new_object();
		char text[96], post[8];

		snprintf(text, sizeof(text), "%s: %s", x100_post_text(event->what, post),
			 x100_post_words(event->what));
		put_number(e, "time_ns", event->realtime);
		put_string(e, "side", event->side == X100_SIDE_HOST ? "host" : "card");
		put_string(e, "what",
			   event->side == X100_SIDE_HOST ?
				   report_step((enum x100_push_step)event->what) :
				   text);
		json_object_array_add(all, e);
	}
	return X100_OK;
}

int report_answer(struct x100_card *card, const char *op, json_object *request,
		  const struct x100_push_times *times, json_object *answer, struct x100_why *why)
{
	bool previous = false;
	uint64_t from = 0;
	int ret = message_flag(request, "previous", &previous, why);

	if (!ret)
		ret = message_number(request, "from", UINT64_MAX, &from, why);
	if (ret)
		return ret;
	if (!strcmp(op, "status"))
		return status(card, answer);
	if (!strcmp(op, "record"))
		return record(card, previous, answer);
	if (!strcmp(op, "klog"))
		return klog(card, from, answer);
	return timeline(card, times, answer);
}
