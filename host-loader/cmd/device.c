// SPDX-License-Identifier: BSD-3-Clause
/* x100 device: the devices that x100d lends a card. */
#include <getopt.h>
#include <string.h>

#include "cmd.h"

/* A card has 15 s to let go of a device. */
#define REMOVE_SECONDS 60u

/* One line with the ways to it; counters and what else the back-end says are in the JSON. */
static void print_device(json_object *device)
{
	printf("%-10s %-9s %s", answer_text(device, "name"), answer_text(device, "state"),
	       answer_text(device, "spec"));
	if (answer_text(device, "ssh")[0])
		printf("  (SSH: %s)", answer_text(device, "ssh"));
	if (answer_text(device, "pty")[0])
		printf("  (%s)", answer_text(device, "pty"));
	if (answer_text(device, "fault")[0] && strcmp(answer_text(device, "fault"), "NONE"))
		printf("  (the card broke the rules: %s)", answer_text(device, "fault_words"));
	printf("\n");
}

static int list(struct target *target, bool json)
{
	json_object *answer, *devices;
	int status = target_question(target, target_request(target, "device-list"), &answer);

	if (status)
		return status;
	devices = answer_member(answer, "devices", json_type_array);
	if (json)
		answer_print(devices);
	for (size_t i = 0; !json && devices && i < json_object_array_length(devices); i++)
		print_device(json_object_array_get_idx(devices, i));
	json_object_put(answer);
	return 0;
}

/* add, remove and rescan. */
static int act(struct target *target, const char *op, const char *name, const char *spec)
{
	struct target_ask ask = { .seconds = REMOVE_SECONDS };
	json_object *request = target_request(target, op), *answer;

	json_object_object_add(request, "name", json_object_new_string(name));
	if (spec)
		json_object_object_add(request, "spec", json_object_new_string(spec));
	if (!target_ask(target, request, &ask, &answer))
		return target_failed(&ask);
	json_object_put(answer);
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	static const struct {
		const char *verb, *op;
	} verbs[] = { { "add", "device-add" },
		      { "remove", "device-remove" },
		      { "rescan", "device-rescan" } };
	const char *op = NULL, *verb, *name;
	char *spec = NULL;
	struct target target;
	bool json = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "d:jh", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			cmd_help(&command_device, stdout);
			return 0;
		default:
			return cmd_usage(&command_device, NULL);
		}
	}
	verb = optind < argc ? argv[optind++] : "";
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verb, verbs[i].verb))
			op = verbs[i].op;
	if (!op && strcmp(verb, "list"))
		return cmd_usage(&command_device, "device takes list, add, remove or rescan");
	if (optind + (op ? 1 : 0) != argc)
		return cmd_usage(&command_device,
				 op ? "one device has to be named" : "list takes no arguments");
	name = op ? argv[optind] : NULL;
	if (!strcmp(verb, "add")) {
		spec = strchr(argv[optind], '=');
		if (!spec)
			return cmd_usage(&command_device, "add takes NAME=SPECIFICATION");
		*spec++ = '\0';
	}
	status = target_open_served(&target);
	if (!status)
		status = op ? act(&target, op, name, spec) : list(&target, json);
	target_close(&target);
	return status;
}

const struct command command_device = {
	.name = "device",
	.usage = "list [--json] | add NAME=SPECIFICATION | remove NAME | rescan NAME",
	.help = "Show or change the devices that x100d lends the card, also while its OS runs.\n\n"
		"  list            the devices; -j, --json with all that is known of them\n"
		"  add NAME=SPEC   lend another one: disk1=/path/file.img,ro or net1=tap,ifname=mic0;\n"
		"                  specifications are those of x100d.conf(5)\n"
		"  remove NAME     take one away; the card has 15 s to let go of it\n"
		"  rescan NAME     look at the host side again: size of a disk, link of a network\n",
	.run = run,
};
