// SPDX-License-Identifier: BSD-3-Clause
/* x100 timeline: the time stamps of host and card in one table. */
#include <getopt.h>
#include <json-c/json.h>
#include <time.h>

#include "cmd.h"

/* One event in words. */
static const char *describe(const struct x100_event *event, char text[96])
{
	char post[8];

	if (event->side == X100_SIDE_HOST)
		return cmd_step_name((enum x100_push_step)event->what);
	snprintf(text, 96, "%s: %s", x100_post_text(event->what, post),
		 x100_post_words(event->what));
	return text;
}

static const char *side_name(const struct x100_event *event)
{
	return event->side == X100_SIDE_HOST ? "host" : "card";
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void print_table(const struct x100_event *events, unsigned int count,
			const struct x100_time_pair *pair)
{
	time_t start = count ? (time_t)(events[0].realtime / X100_NS_PER_SEC) : 0;
	char text[96] = "";
	struct tm tm;

	if (!count) {
		printf("nothing to show: no push from here yet, and no boot record\n");
		return;
	}
	if (localtime_r(&start, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("from %s; the two clocks agree within %.3f ms\n\n", text, ms(pair->uncertainty));
	printf("%12s %12s  %-4s  %s\n", "ms", "step ms", "side", "what");
	for (unsigned int i = 0; i < count; i++)
		printf("%12.3f %12.3f  %-4s  %s\n", ms(events[i].realtime - events[0].realtime),
		       i ? ms(events[i].realtime - events[i - 1].realtime) : 0.0,
		       side_name(&events[i]), describe(&events[i], text));
}

static void print_json(const struct x100_event *events, unsigned int count)
{
	json_object *all = json_object_new_array();
	char text[96];

	for (unsigned int i = 0; i < count; i++) {
		json_object *o = json_object_new_object();

		json_object_object_add(o, "time_ns", json_object_new_uint64(events[i].realtime));
		json_object_object_add(o, "side", json_object_new_string(side_name(&events[i])));
		json_object_object_add(o, "what",
				       json_object_new_string(describe(&events[i], text)));
		json_object_array_add(all, o);
	}
	printf("%s\n", json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct x100_event events[X100_EVENTS];
	const struct x100_run *current = NULL;
	struct x100_push_times times;
	struct x100_time_pair pair = { 0 };
	struct x100_record record;
	char name[X100_NAME_SIZE];
	struct x100_card *card;
	unsigned int count;
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
			cmd_help(&command_timeline, stdout);
			return 0;
		default:
			return cmd_usage(&command_timeline, NULL);
		}
	}
	if (optind != argc)
		return cmd_usage(&command_timeline, "timeline takes no arguments");
	status = cmd_name(name);
	if (status)
		return status;
	card = cmd_open(&status);
	if (!card)
		return status;
	ret = x100_time_sample(card, &pair);
	if (!ret)
		ret = x100_record_read(card, &record);
	if (!ret)
		current = x100_record_current(&record);
	if (ret && ret != X100_ERR_NO_RECORD) {
		status = cmd_error(ret, x100_why(card), NULL);
		cmd_close(card);
		return status;
	}
	cmd_close(card);
	count = x100_timeline(current, &pair, cmd_stamps_load(name, &times) ? &times : NULL,
			      events);
	if (json)
		print_json(events, count);
	else
		print_table(events, count, &pair);
	return 0;
}

const struct command command_timeline = {
	.name = "timeline",
	.usage = "[--json]",
	.help = "Show the time stamps of the last push from here and of the card's current run in one\n"
		"table, on the host's clock.\n\n"
		"  -j, --json    as a JSON array\n",
	.run = run,
};
