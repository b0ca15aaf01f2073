// SPDX-License-Identifier: BSD-3-Clause
/* x100 status */
#include <getopt.h>
#include <json-c/json.h>

#include <x100/boot.h>
#include <x100/post.h>
#include <x100/reason.h>
#include <x100/regs.h>

#include "cmd.h"

#define TICK_MS(ticks) ((double)(ticks)*X100_ETC_NS / 1e6)

/* ms from the first stage of a run to the first time it was ready; negative if it never was. */
static double ready_after(const struct x100_run *run)
{
	for (unsigned int i = 0; i < run->stages; i++)
		if (run->stage[i].post == X100_POST_READY)
			return TICK_MS(run->stage[i].etc - run->stage[0].etc);
	return -1;
}

static void print_run(const char *title, const struct x100_run *run)
{
	char text[8], reason[X100_REASON_TEXT];
	double ready;

	printf("%-9s run %u, %u push%s, last POST %s (%s)", title, run->seq, run->pushes,
	       run->pushes == 1 ? "" : "es", x100_post_text(run->post, text),
	       x100_post_words(run->post));
	ready = ready_after(run);
	if (ready >= 0)
		printf(", ready after %.1f ms", ready);
	printf("\n");
	if (run->reason)
		printf("          last failure: %s\n",
		       x100_reason_text(run->reason, run->detail, reason));
}

static void print_text(const struct x100_status *s)
{
	const struct x100_run *previous;
	char text[8];

	printf("device    %s\n", s->device);
	printf("product   %s (8086:%04x, stepping %s)\n", s->product, s->pci_device, s->stepping);
	printf("state     %s\n", x100_state_words(s->state));
	printf("POST      %s: %s\n", x100_post_text(s->post, text), x100_post_words(s->post));
	if (s->shutdown)
		printf("shutdown  the card OS %s\n", s->shutdown);
	if (s->memory)
		printf("memory    %llu MiB; aperture %llu MiB\n",
		       (unsigned long long)(s->memory >> 20),
		       (unsigned long long)(s->aperture >> 20));
	else
		printf("memory    not known yet; aperture %llu MiB\n",
		       (unsigned long long)(s->aperture >> 20));
	if (s->cores)
		printf("CPUs      %u core%s, %u thread%s each, %u MHz\n", s->cores,
		       s->cores == 1 ? "" : "s", s->threads, s->threads == 1 ? "" : "s",
		       s->core_mhz);
	if (s->state == X100_STATE_READY)
		printf("download  0x%08x, boot CPU %u\n", x100_spad2_addr(s->spad2),
		       x100_spad2_apic_id(s->spad2));
	if (!s->has_record) {
		printf("record    none to be read\n");
		return;
	}
	print_run("record", x100_record_current(&s->record));
	previous = x100_record_previous(&s->record);
	if (previous)
		print_run("previous", previous);
}

static json_object *json_run(const struct x100_run *run)
{
	json_object *o = json_object_new_object(), *stages = json_object_new_array();
	json_object *detail = json_object_new_array();
	char text[8];

	json_object_object_add(o, "run", json_object_new_int64(run->seq));
	json_object_object_add(o, "pushes", json_object_new_int64(run->pushes));
	json_object_object_add(o, "post", json_object_new_string(x100_post_text(run->post, text)));
	json_object_object_add(o, "reason", json_object_new_int64(run->reason));
	json_object_object_add(
		o, "reason_words",
		run->reason ? json_object_new_string(x100_reason_words(run->reason)) : NULL);
	for (unsigned int i = 0; i < 4; i++)
		json_object_array_add(detail, json_object_new_uint64(run->detail[i]));
	json_object_object_add(o, "detail", detail);
	for (unsigned int i = 0; i < run->stages; i++) {
		json_object *stage = json_object_new_object();

		json_object_object_add(
			stage, "post",
			json_object_new_string(x100_post_text(run->stage[i].post, text)));
		json_object_object_add(stage, "words",
				       json_object_new_string(x100_post_words(run->stage[i].post)));
		json_object_object_add(stage, "etc", json_object_new_uint64(run->stage[i].etc));
		json_object_object_add(stage, "detail",
				       json_object_new_int64(run->stage[i].detail));
		json_object_array_add(stages, stage);
	}
	json_object_object_add(o, "stages", stages);
	return o;
}

static void print_json(const struct x100_status *s)
{
	json_object *o = json_object_new_object();
	const struct x100_run *previous = NULL;
	char text[16];

#define PUT(name, value) json_object_object_add(o, name, value)
	PUT("device", json_object_new_string(s->device));
	PUT("product", json_object_new_string(s->product));
	snprintf(text, sizeof(text), "8086:%04x", s->pci_device);
	PUT("pci_id", json_object_new_string(text));
	PUT("stepping", json_object_new_string(s->stepping));
	PUT("state", json_object_new_string(x100_state_words(s->state)));
	PUT("post", json_object_new_string(x100_post_text(s->post, text)));
	PUT("post_words", json_object_new_string(x100_post_words(s->post)));
	PUT("ready", json_object_new_boolean(s->state == X100_STATE_READY));
	PUT("download_address", json_object_new_int64(x100_spad2_addr(s->spad2)));
	PUT("boot_apic_id", json_object_new_int64(x100_spad2_apic_id(s->spad2)));
	PUT("memory_bytes", json_object_new_uint64(s->memory));
	PUT("aperture_bytes", json_object_new_uint64(s->aperture));
	PUT("cores", json_object_new_int64(s->cores));
	PUT("threads_per_core", json_object_new_int64(s->threads));
	PUT("core_mhz", json_object_new_int64(s->core_mhz));
	PUT("shutdown", s->shutdown ? json_object_new_string(s->shutdown) : NULL);
	PUT("etc", json_object_new_uint64(s->etc));
	PUT("record", s->has_record ? json_run(x100_record_current(&s->record)) : NULL);
	if (s->has_record)
		previous = x100_record_previous(&s->record);
	PUT("previous", previous ? json_run(previous) : NULL);
#undef PUT
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct x100_card *card;
	struct x100_status s;
	bool json = false;
	int c, ret, status;

	while ((c = getopt_long(argc, argv, "d:jh", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			cmd_help(&command_status, stdout);
			return 0;
		default:
			return cmd_usage(&command_status, NULL);
		}
	}
	if (optind != argc)
		return cmd_usage(&command_status, "status takes no arguments");
	card = cmd_open(&status);
	if (!card)
		return status;
	ret = x100_status_read(card, &s);
	if (ret)
		status = cmd_error(ret, x100_why(card), NULL);
	else if (json)
		print_json(&s);
	else
		print_text(&s);
	cmd_close(card);
	return status;
}

const struct command command_status = {
	.name = "status",
	.usage = "[--json]",
	.help = "Show what the card is, what it is doing, and its boot record. Changes nothing.\n\n"
		"  -j, --json    as one JSON object\n",
	.run = run,
};
