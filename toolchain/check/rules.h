/* SPDX-License-Identifier: BSD-3-Clause */
/* The exceptions and hints a caller of k1om-check gives in a file. */
#ifndef K1OM_CHECK_RULES_H
#define K1OM_CHECK_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum rule_kind {
	RULE_ALLOW,
	RULE_SKIP_SECTION,
	RULE_SECTION_MODE,
	RULE_MODE,
	RULE_DATA
};

/*
 * One line of a rules file. Texts belong to the rule list and live as long as the process.
 *
 *	allow FUNCTION INSTRUCTION REASON...	an instruction that is never executed; both are globs, or lists
 *						of them separated by commas
 *	skip-section SECTION REASON...		a section that is never executed (glob)
 *	mode 16|32|64 FROM TO			code between two symbols is of that mode; TO may be "next"
 *	section-mode 16|32|64 SECTION		code in that section (glob) is of that mode
 *	data FROM TO REASON...			bytes between two symbols are no code
 *	feature NUMBER...			Linux feature bits (word * 32 + bit) set on the card beyond those
 *						every X100 reports: decides which alternatives are applied
 *	for FILE				the rules behind this line hold for files of that name only (glob)
 */
struct rule {
	enum rule_kind kind;
	const char *file; /* glob, or NULL for all */
	int bits;         /* RULE_MODE, RULE_SECTION_MODE */
	const char *from; /* function glob, section glob or first symbol */
	const char *to;   /* instruction glob or last symbol */
	const char *reason;
	unsigned long used; /* how often it was needed */
	struct rule *next;
};

extern struct rule *rules;

/* From now on rules apply as for a file of that name; the text is borrowed. */
void rules_use_for(const char *name);

/* Whether a rule holds for the file at hand. */
bool rules_applies(const struct rule *r);

/* Read a rules file; on an error print a sentence with the line and return false. */
bool rules_read(const char *path);

/* The rule of that kind which matches, or NULL. "to" may be NULL for kinds without it. */
struct rule *rules_find(enum rule_kind kind, const char *from, const char *to);

/* Whether Linux 6.1 sees this feature bit on a card; the "feature" lines add to the built-in list. */
bool rules_feature(unsigned int bit);

#endif
