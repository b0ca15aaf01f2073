// SPDX-License-Identifier: BSD-3-Clause
/* x100 status */
#include <x100/post.h>
#include <x100/regs.h>

#include <string.h>

#include "cmd.h"

#define TICK_MS(ticks) ((double)(ticks)*X100_ETC_NS / 1e6)

static unsigned long long number(json_object *o, const char *name)
{
	return (unsigned long long)answer_number(o, name);
}

static const char *plural(unsigned long long n)
{
	return n == 1 ? "" : "s";
}

/* ms from the first stage of a run to the first time it was ready; negative if it never was. */
static double ready_after(json_object *run)
{
	json_object *stages = answer_member(run, "stages", json_type_array), *stage;
	char ready[8];

	x100_post_text(X100_POST_READY, ready);
	for (size_t i = 0; stages && i < json_object_array_length(stages); i++) {
		stage = json_object_array_get_idx(stages, i);
		if (!strcmp(answer_text(stage, "post"), ready))
			return TICK_MS(answer_number(stage, "etc") -
				       answer_number(json_object_array_get_idx(stages, 0), "etc"));
	}
	return -1;
}

static void print_run(const char *title, json_object *run)
{
	unsigned long long pushes = number(run, "pushes");
	double ready = ready_after(run);

	printf("%-9s run %llu, %llu push%s, last POST %s (%s)", title, number(run, "run"), pushes,
	       pushes == 1 ? "" : "es", answer_text(run, "post"), answer_text(run, "post_words"));
	if (ready >= 0)
		printf(", ready after %.1f ms", ready);
	printf("\n");
	if (answer_number(run, "reason"))
		printf("          last failure: %s\n", answer_text(run, "reason_text"));
}

static void print_device(json_object *device)
{
	printf("device    %s: %s", answer_text(device, "name"), answer_text(device, "state"));
	if (answer_number(device, "chains"))
		printf(", %llu requests, %llu doorbells from the card, %llu to it",
		       number(device, "chains"), number(device, "kicks"),
		       number(device, "notifies"));
	if (strcmp(answer_text(device, "fault"), "NONE") && answer_text(device, "fault")[0])
		printf("; the card broke the rules: %s (0x%llx)",
		       answer_text(device, "fault_words"), number(device, "fault_detail"));
	printf("\n");
}

static void print_text(json_object *s)
{
	json_object *devices = answer_member(s, "devices", json_type_array);
	json_object *run = answer_member(s, "record", json_type_object);
	unsigned long long cores = number(s, "cores"), threads = number(s, "threads_per_core");

	if (answer_flag(s, "daemon"))
		printf("card      %s, served by x100d\n", answer_text(s, "card"));
	printf("device    %s\n", answer_text(s, "device"));
	printf("product   %s (%s, stepping %s)\n", answer_text(s, "product"),
	       answer_text(s, "pci_id"), answer_text(s, "stepping"));
	printf("state     %s\n", answer_text(s, "state"));
	printf("POST      %s: %s\n", answer_text(s, "post"), answer_text(s, "post_words"));
	if (answer_text(s, "shutdown")[0])
		printf("shutdown  the card OS %s\n", answer_text(s, "shutdown"));
	if (answer_number(s, "memory_bytes"))
		printf("memory    %llu MiB; aperture %llu MiB\n", number(s, "memory_bytes") >> 20,
		       number(s, "aperture_bytes") >> 20);
	else
		printf("memory    not known yet; aperture %llu MiB\n",
		       number(s, "aperture_bytes") >> 20);
	if (cores)
		printf("CPUs      %llu core%s, %llu thread%s each, %llu MHz\n", cores,
		       plural(cores), threads, plural(threads), number(s, "core_mhz"));
	if (answer_flag(s, "ready"))
		printf("download  0x%08llx, boot CPU %llu\n", number(s, "download_address"),
		       number(s, "boot_apic_id"));
	for (size_t i = 0; devices && i < json_object_array_length(devices); i++)
		print_device(json_object_array_get_idx(devices, i));
	if (!run) {
		printf("record    none to be read\n");
		return;
	}
	print_run("record", run);
	run = answer_member(s, "previous", json_type_object);
	if (run)
		print_run("previous", run);
}

static int run(int argc, char **argv)
{
	struct target target;
	json_object *answer;
	bool json = false;
	int status = cmd_plain_options(&command_status, argc, argv, &json);

	if (status >= 0)
		return status;
	status = target_open(&target);
	if (!status)
		status = target_question(&target, target_request(&target, "status"), &answer);
	if (!status) {
		if (json)
			answer_print(answer);
		else
			print_text(answer);
		json_object_put(answer);
	}
	target_close(&target);
	return status;
}

const struct command command_status = {
	.name = "status",
	.usage = "[--json]",
	.help = "Show what the card is, what it is doing, its devices, and its boot record. Changes nothing.\n\n"
		"  -j, --json    as one JSON object\n",
	.run = run,
};
