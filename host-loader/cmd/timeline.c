// SPDX-License-Identifier: BSD-3-Clause
/* x100 timeline: the time stamps of host and card in one table. */
#include <getopt.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"

struct event {
	int64_t ns; /* since 1970 */
	const char *side;
	char what[96];
};

#define EVENTS (X100_PUSH_STEPS + X100_RECORD_STAGES)

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

/*
 * Card stamps of one run, moved onto the host's clock by one sample of both. A stamp from a time
 * that counter has not reached was taken before the counter was cleared, and is left out.
 */
static unsigned int card_events(const struct x100_run *run, const struct x100_time_pair *pair,
				struct event *events)
{
	unsigned int n = 0;
	char text[8];

	for (unsigned int i = 0; i < run->stages; i++) {
		const struct x100_stage *stage = &run->stage[i];

		if (stage->etc > pair->etc)
			continue;
		events[n].ns = (int64_t)(pair->realtime - (pair->etc - stage->etc) * 64);
		events[n].side = "card";
		snprintf(events[n].what, sizeof(events[n].what), "%s: %s",
			 x100_post_text(stage->post, text), x100_post_words(stage->post));
		n++;
	}
	return n;
}

static unsigned int host_events(const struct x100_push_times *times, struct event *events)
{
	unsigned int n = 0;

	for (int i = 0; i < X100_PUSH_STEPS; i++) {
		if (!times->realtime[i])
			continue;
		events[n].ns = (int64_t)times->realtime[i];
		events[n].side = "host";
		snprintf(events[n].what, sizeof(events[n].what), "%s",
			 cmd_step_name((enum x100_push_step)i));
		n++;
	}
	return n;
}

static void print_table(const struct event *events, unsigned int count,
			const struct x100_time_pair *pair)
{
	time_t start = count ? (time_t)(events[0].ns / (int64_t)X100_NS_PER_SEC) : 0;
	char text[64] = "";
	struct tm tm;

	if (!count) {
		printf("nothing to show: no push from here yet, and no boot record\n");
		return;
	}
	if (localtime_r(&start, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("from %s; the two clocks agree within %.3f ms\n\n", text,
	       (double)pair->uncertainty / 1e6);
	printf("%12s %12s  %-4s  %s\n", "ms", "step ms", "side", "what");
	for (unsigned int i = 0; i < count; i++)
		printf("%12.3f %12.3f  %-4s  %s\n", (double)(events[i].ns - events[0].ns) / 1e6,
		       i ? (double)(events[i].ns - events[i - 1].ns) / 1e6 : 0.0, events[i].side,
		       events[i].what);
}

static void print_json(const struct event *events, unsigned int count)
{
	json_object *all = json_object_new_array();

	for (unsigned int i = 0; i < count; i++) {
		json_object *o = json_object_new_object();

		json_object_object_add(o, "time_ns", json_object_new_int64(events[i].ns));
		json_object_object_add(o, "side", json_object_new_string(events[i].side));
		json_object_object_add(o, "what", json_object_new_string(events[i].what));
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
	static struct event events[EVENTS];
	struct x100_push_times times;
	struct x100_time_pair pair = { 0 };
	struct x100_record record;
	char name[X100_NAME_SIZE];
	struct x100_card *card;
	unsigned int count = 0;
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
	if (!ret) {
		ret = x100_record_read(card, &record);
		if (!ret)
			count += card_events(x100_record_current(&record), &pair, events);
		else if (ret == X100_ERR_NO_RECORD)
			ret = X100_OK;
	}
	if (ret) {
		status = cmd_error(ret, x100_why(card), NULL);
		cmd_close(card);
		return status;
	}
	cmd_close(card);
	if (cmd_stamps_load(name, &times))
		count += host_events(&times, events + count);
	qsort(events, count, sizeof(events[0]), by_time);
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
