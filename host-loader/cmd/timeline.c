// SPDX-License-Identifier: BSD-3-Clause
/* x100 timeline: the time stamps of host and card in one table. */
#include <time.h>

#include "cmd.h"

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void print_table(json_object *answer)
{
	json_object *events = answer_member(answer, "events", json_type_array);
	size_t count = events ? json_object_array_length(events) : 0;
	uint64_t first, last;
	char text[96] = "";
	struct tm tm;
	time_t start;

	if (!count) {
		printf("nothing to show: no push from here yet, and no boot record\n");
		return;
	}
	first = last = answer_number(json_object_array_get_idx(events, 0), "time_ns");
	start = (time_t)(first / X100_NS_PER_SEC);
	if (localtime_r(&start, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("from %s; the two clocks agree within %.3f ms\n\n", text,
	       ms(answer_number(answer, "uncertainty_ns")));
	printf("%12s %12s  %-4s  %s\n", "ms", "step ms", "side", "what");
	for (size_t i = 0; i < count; i++) {
		json_object *event = json_object_array_get_idx(events, i);
		uint64_t time = answer_number(event, "time_ns");

		printf("%12.3f %12.3f  %-4s  %s\n", ms(time - first), ms(time - last),
		       answer_text(event, "side"), answer_text(event, "what"));
		last = time;
	}
}

static int run(int argc, char **argv)
{
	struct target target;
	json_object *answer;
	bool json = false;
	int status = cmd_plain_options(&command_timeline, argc, argv, &json);

	if (status >= 0)
		return status;
	status = target_open(&target);
	if (!status)
		status = target_question(&target, target_request(&target, "timeline"), &answer);
	if (!status) {
		if (json)
			answer_print(answer_member(answer, "events", json_type_array));
		else
			print_table(answer);
		json_object_put(answer);
	}
	target_close(&target);
	return status;
}

const struct command command_timeline = {
	.name = "timeline",
	.usage = "[--json]",
	.help = "Show the time stamps of the last push from here and of the card's current run in one\n"
		"table, on the host's clock.\n\n"
		"  -j, --json    as a JSON array\n",
	.run = run,
};
