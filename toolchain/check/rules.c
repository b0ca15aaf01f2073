// SPDX-License-Identifier: BSD-3-Clause
/* Reads rules files and answers which rule applies. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

#define FEATURE_BITS 1024

struct rule *rules;

static const char *file_name = "";

/*
 * Linux 6.1 feature bits on every card: the CPUID flags of k1om-cpu-and-kernel.md 1.1, and the kernel's own
 * NOPL (116) and ALWAYS (117).
 */
static bool features[FEATURE_BITS] = {
	[0] = true,   [1] = true,   [2] = true,   [3] = true,  [4] = true,  [5] = true,
	[6] = true,   [7] = true,   [8] = true,   [9] = true,  [12] = true, [14] = true,
	[16] = true,  [24] = true,  [28] = true,  [43] = true, [52] = true, [61] = true,
	[116] = true, [117] = true, [192] = true,
};

bool rules_feature(unsigned int bit)
{
	return bit < FEATURE_BITS && features[bit];
}

static char *word(char **rest)
{
	char *p = *rest + strspn(*rest, " \t"), *end = p + strcspn(p, " \t");

	if (!*p)
		return NULL;
	*rest = *end ? end + 1 : end;
	*end = 0;
	return p;
}

/* Parse one line into "r"; false if it is malformed. Features go straight into their table. */
static bool parse(const char *kind, char *rest, struct rule *r, bool *is_rule)
{
	char *w;

	*is_rule = true;
	if (!strcmp(kind, "allow")) {
		r->kind = RULE_ALLOW;
		r->from = word(&rest);
		r->to = word(&rest);
	} else if (!strcmp(kind, "skip-section")) {
		r->kind = RULE_SKIP_SECTION;
		r->from = word(&rest);
		r->to = "";
	} else if (!strcmp(kind, "mode")) {
		r->kind = RULE_MODE;
		w = word(&rest);
		r->bits = w ? atoi(w) : 0;
		r->from = word(&rest);
		r->to = word(&rest);
		r->reason = "";
		return r->from && r->to && (r->bits == 16 || r->bits == 32 || r->bits == 64) &&
		       !word(&rest);
	} else if (!strcmp(kind, "section-mode")) {
		r->kind = RULE_SECTION_MODE;
		w = word(&rest);
		r->bits = w ? atoi(w) : 0;
		r->from = word(&rest);
		r->to = r->reason = "";
		return r->from && (r->bits == 16 || r->bits == 32 || r->bits == 64) && !word(&rest);
	} else if (!strcmp(kind, "data")) {
		r->kind = RULE_DATA;
		r->from = word(&rest);
		r->to = word(&rest);
	} else if (!strcmp(kind, "feature")) {
		*is_rule = false;
		while ((w = word(&rest))) {
			char *end;
			unsigned long n = strtoul(w, &end, 0);

			if (*end || n >= FEATURE_BITS)
				return false;
			features[n] = true;
		}
		return true;
	} else {
		return false;
	}
	rest += strspn(rest, " \t");
	r->reason = rest;
	return r->from && r->to && *rest;
}

bool rules_read(const char *path)
{
	FILE *f = fopen(path, "r");
	const char *scope = NULL;
	char *line = NULL;
	size_t room = 0;
	struct rule **end = &rules;
	bool ok = true;

	if (!f) {
		fprintf(stderr, "k1om-check: %s: %s\n", path, strerror(errno));
		return false;
	}
	while (*end)
		end = &(*end)->next;
	for (unsigned int n = 1; getline(&line, &room, f) >= 0; n++) {
		struct rule *r = calloc(1, sizeof(*r));
		char *copy = strdup(line), *rest = copy, *kind;
		bool is_rule;

		if (!r || !copy)
			abort();
		rest[strcspn(rest, "\n")] = 0;
		kind = word(&rest);
		if (!kind || *kind == '#')
			continue;
		if (!strcmp(kind, "for")) {
			scope = word(&rest);
			continue;
		}
		r->file = scope;
		if (!parse(kind, rest, r, &is_rule)) {
			fprintf(stderr,
				"k1om-check: %s:%u: not a rule; an exception needs a reason\n",
				path, n);
			ok = false;
		} else if (is_rule) {
			*end = r;
			end = &r->next;
		}
	}
	free(line);
	fclose(f);
	return ok;
}

/* Whether "text" matches one of the globs in a list separated by commas. */
static bool match(const char *globs, const char *text)
{
	char one[256];

	while (*globs) {
		size_t n = strcspn(globs, ",");

		snprintf(one, sizeof(one), "%.*s", (int)n, globs);
		if (!fnmatch(one, text, 0))
			return true;
		globs += n + (globs[n] == ',');
	}
	return false;
}

void rules_use_for(const char *name)
{
	file_name = name;
}

bool rules_applies(const struct rule *r)
{
	return !r->file || match(r->file, file_name);
}

struct rule *rules_find(enum rule_kind kind, const char *from, const char *to)
{
	for (struct rule *r = rules; r; r = r->next)
		if (r->kind == kind && rules_applies(r) && match(r->from, from) &&
		    (!to || match(r->to, to)))
			return r;
	return NULL;
}
