// SPDX-License-Identifier: BSD-3-Clause
/* x100 log */
#include <getopt.h>
#include <string.h>

#include "cmd.h"

static void print_text(const char *text)
{
	size_t size = strlen(text);

	fwrite(text, 1, size, stdout);
	if (size && text[size - 1] != '\n')
		fputc('\n', stdout);
}

/* The bootstrap's words. Returns an exit status. */
static int print_run(struct target *target, bool previous)
{
	json_object *request = target_request(target, "record"), *answer;
	int status;

	json_object_object_add(request, "previous", json_object_new_boolean(previous));
	status = target_question(target, request, &answer);
	if (status)
		return status;
	if (answer_member(answer, "run", json_type_int)) {
		printf("--- bootstrap, run %llu ---\n",
		       (unsigned long long)answer_number(answer, "run"));
		if (answer_text(answer, "reason_text")[0])
			printf("(last failure: %s)\n", answer_text(answer, "reason_text"));
		print_text(answer_text(answer, "text"));
	} else {
		printf("(there was no run before this one)\n");
	}
	json_object_put(answer);
	return 0;
}

/* The card kernel's log, once or until interrupted. Returns an exit status. */
static int print_klog(struct target *target, bool follow)
{
	bool first = true, more;
	uint64_t from = 0, lost;

	do {
		json_object *request = target_request(target, "klog"), *answer;
		struct target_ask ask = { 0 };

		more = false;
		json_object_object_add(request, "from", json_object_new_uint64(from));
		if (target_ask(target, request, &ask, &answer)) {
			from = answer_number(answer, "from");
			lost = answer_number(answer, "lost");
			more = answer_flag(answer, "more");
			if (first)
				printf("--- card kernel ---\n");
			if (lost)
				printf("(%llu bytes lost)\n", (unsigned long long)lost);
			if (follow || more)
				fputs(answer_text(answer, "text"), stdout);
			else
				print_text(answer_text(answer, "text"));
			first = false;
			json_object_put(answer);
			if (fflush(stdout))
				return 0;
		} else if (strcmp(ask.error, "NO_RECORD")) {
			/* No kernel yet is no error: the bootstrap's words have been printed. */
			return target_failed(&ask);
		}
		if (follow && !more)
			x100_system_clock.sleep(NULL, 100 * X100_NS_PER_MS);
	} while ((follow || more) && !cmd_interrupted());
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "follow", no_argument, NULL, 'f' },
		{ "previous", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool follow = false, want_previous = false;
	struct target target;
	int c, status;

	while ((c = getopt_long(argc, argv, "d:fph", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 'f':
			follow = true;
			break;
		case 'p':
			want_previous = true;
			break;
		case 'h':
			cmd_help(&command_log, stdout);
			return 0;
		default:
			return cmd_usage(&command_log, NULL);
		}
	}
	if (optind != argc)
		return cmd_usage(&command_log, "log takes no arguments");
	status = target_open(&target);
	if (!status)
		status = print_run(&target, want_previous);
	if (!status && !want_previous)
		status = print_klog(&target, follow);
	target_close(&target);
	return status;
}

const struct command command_log = {
	.name = "log",
	.usage = "[--follow | --previous]",
	.help = "Print what the bootstrap said in this run and the log of the card kernel, read from card\n"
		"memory; works on a card that hangs or crashed.\n\n"
		"  -f, --follow    go on until interrupted; without x100d, holds the card meanwhile\n"
		"  -p, --previous  the bootstrap's words of the run before the last reset\n",
	.run = run,
};
