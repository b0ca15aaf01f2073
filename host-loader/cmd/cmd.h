/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the x100 command share. */
#ifndef X100_CMD_H
#define X100_CMD_H

#include <json-c/json.h>
#include <libx100.h>
#include <stdio.h>

#include "message.h"

/* One command: its name and a function that gets getopt-ready arguments. */
struct command {
	const char *name;
	const char *usage;                 /* arguments, for the first line of its help */
	const char *help;                  /* the rest of its help */
	int (*run)(int argc, char **argv); /* returns the exit status */
};

extern const struct command command_list, command_status, command_reset, command_push,
	command_console, command_device, command_log, command_timeline;

/* What the person said with -d; NULL if nothing. */
extern const char *cmd_device;

/* Exit status for a wrong command line. */
#define CMD_USAGE 2

/* Print the help of one command. */
void cmd_help(const struct command *command, FILE *to);

/* "try x100 NAME --help"; returns CMD_USAGE. */
int cmd_usage(const struct command *command, const char *what);

/*
 * Read the options of a command that knows but --device, --json (NULL: not even that) and --help, and
 * takes no arguments. Returns the exit status, or -1 to go on.
 */
int cmd_plain_options(const struct command *command, int argc, char **argv, bool *json);

/* Print what went wrong and what to try; returns the exit status. @particulars may be "". */
int cmd_error(int error, const char *particulars, const char *hint);

/* ------------------------------------------------------------------ cards */

/* A card that some x100d serves. */
struct cmd_served {
	char socket[MESSAGE_PATH];
	char name[32];
	char device[X100_NAME_SIZE];
	char state[32];
};

#define CMD_SERVED_MAX 256u

/* All the cards that the daemons of this user and of the system serve. Returns their number. */
unsigned int cmd_list_served(struct cmd_served served[CMD_SERVED_MAX]);

/* The card a command is about: x100d's, or opened here when no x100d has it. */
struct target {
	char name[X100_NAME_SIZE];   /* as x100d calls it, else as @device */
	char device[X100_NAME_SIZE]; /* "model:PATH" */
	char socket[MESSAGE_PATH];   /* of the x100d that serves it; "" without */
	int daemon;                  /* connection to it; -1: none */
	struct message_reader in;
	struct x100_card *card; /* opened here; NULL with x100d */
};

/* Find the card meant; prints on error. Returns an exit status. */
int target_choose(struct target *target);
/*
 * Find the card meant and connect to its x100d, or open it; prints on error. Returns an exit status.
 * Signals that end programs interrupt its waits until target_close().
 */
int target_open(struct target *target);
/* As target_open() for what only x100d can do: fails with NO_DAEMON. */
int target_open_served(struct target *target);
void target_close(struct target *target);

/* A request, to be filled and given to target_ask(). */
json_object *target_request(const struct target *target, const char *op);

/* How to ask, and what went wrong. */
struct target_ask {
	const int *fd; /* to send along */
	unsigned int fds;
	unsigned int seconds; /* until x100d has to have said something; 0: as for a plain question */
	void (*event)(void *arg, json_object *event); /* what comes before the answer; or NULL */
	void *arg;
	/* What went wrong. */
	char error[32]; /* its name, "NO_RECORD" */
	int status;
	char what[256], why[X100_WHY_SIZE], hint[256];
};

/*
 * Ask and wait for the answer; @request is put. Without x100d only the questions of report.h can be
 * asked. True with an @answer for the caller to put, false with the reason in @ask.
 */
bool target_ask(struct target *target, json_object *request, struct target_ask *ask,
		json_object **answer);
/* Print why target_ask() failed; returns the exit status. */
int target_failed(const struct target_ask *ask);
/* Both in one, for a question without more. Returns an exit status. */
int target_question(struct target *target, json_object *request, json_object **answer);

/* Members of an answer; "" and 0 for what is not there. */
const char *answer_text(json_object *answer, const char *name);
uint64_t answer_number(json_object *answer, const char *name);
bool answer_flag(json_object *answer, const char *name);
/* NULL when it is not there. */
json_object *answer_member(json_object *answer, const char *name, enum json_type type);
/* Print without the members that every answer has. */
void answer_print(json_object *answer);

/* A signal asked the command to end. */
bool cmd_interrupted(void);

/* A number from 0 to @most, decimal or with 0x; false for anything else. */
bool cmd_number(const char *text, uint64_t most, uint64_t *value);

/* Standard error is a terminal: progress may be drawn there. */
bool cmd_terminal(void);

/* Bytes for people: "12.3 MiB". */
const char *cmd_bytes(uint64_t bytes, char text[32]);

/* POST codes as they come, on a terminal. */
void cmd_show_post(void *arg, uint32_t post);

/*
 * The host's time stamps of the last push, kept in ${XDG_STATE_HOME:-~/.local/state}/x100/. Both
 * return false when that is not possible; nothing important depends on it.
 */
bool cmd_stamps_save(const char *device, const struct x100_push_times *times);
bool cmd_stamps_load(const char *device, struct x100_push_times *times);

#endif
