/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions about a card and their answers in JSON. x100d answers them for its clients, x100 for
 * itself where there is no x100d.
 */
#ifndef X100_REPORT_H
#define X100_REPORT_H

#include <json-c/json.h>
#include <libx100.h>

/*
 * Answer a question; changes nothing on the card.
 *
 * @op: "status", "record", "klog" or "timeline"
 * @request: its members: "previous" of record, "from" of klog
 * @times: stamps of the last push, or NULL
 * @answer: members are added
 *
 * Errors: those of the functions of libx100 asked; ARGUMENT with @why for a member that is wrong;
 * otherwise x100_why() has the particulars and @why is untouched.
 */
int report_answer(struct x100_card *card, const char *op, json_object *request,
		  const struct x100_push_times *times, json_object *answer, struct x100_why *why);

/* Name of a step of a push, as the timeline shows it. */
const char *report_step(enum x100_push_step step);

#endif
