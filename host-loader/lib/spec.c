// SPDX-License-Identifier: BSD-3-Clause
/* Specifications of devices: words separated by commas, most of them "key" or "key=value". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"

/* Bytes of the key that @word starts with. */
static size_t key_length(const char *word)
{
	return strcspn(word, "=");
}

static bool same_key(const char *a, const char *b)
{
	size_t n = key_length(a);

	return n == key_length(b) && !memcmp(a, b, n);
}

/* Cut spec->text in place; what remains of a word is never longer than what it was written as. */
static int cut(struct x100_spec *spec, struct x100_why *why)
{
	char *from = spec->text, *to = spec->text;

	while (*from) {
		char *word = to;

		if (spec->count == X100_SPEC_WORDS)
			return x100_fail(why, X100_ERR_ARGUMENT, "more than %d words",
					 X100_SPEC_WORDS);
		while (*from && *from != ',') {
			if (*from == '\\' && !*++from)
				return x100_fail(why, X100_ERR_ARGUMENT,
						 "nothing follows the backslash at the end");
			*to++ = *from++;
		}
		if (to == word || (*from == ',' && !from[1]))
			return x100_fail(why, X100_ERR_ARGUMENT, "an empty word at a comma");
		if (*from)
			from++;
		*to++ = '\0';
		spec->word[spec->count++] = word;
	}
	for (unsigned int i = 1; i < spec->count; i++)
		for (unsigned int j = 1; j < i; j++)
			if (same_key(spec->word[i], spec->word[j]))
				return x100_fail(why, X100_ERR_ARGUMENT, "'%.*s' is there twice",
						 (int)key_length(spec->word[i]), spec->word[i]);
	return X100_OK;
}

int x100_spec_parse(struct x100_spec *spec, const char *text, struct x100_why *why)
{
	int ret;

	/* Room for a terminator behind a last word that is followed by none of its own. */
	*spec = (struct x100_spec){ .text = malloc(strlen(text) + 1) };
	if (!spec->text)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a specification");
	strcpy(spec->text, text);
	ret = cut(spec, why);
	if (ret)
		x100_spec_free(spec);
	return ret;
}

void x100_spec_free(struct x100_spec *spec)
{
	free(spec->text);
	*spec = (struct x100_spec){ 0 };
}

const char *x100_spec_get(const struct x100_spec *spec, const char *key)
{
	for (unsigned int i = 0; i < spec->count; i++) {
		const char *word = spec->word[i];

		if (same_key(word, key))
			return word[key_length(word)] ? word + key_length(word) + 1 : "";
	}
	return NULL;
}

bool x100_spec_size(const char *text, uint64_t *value)
{
	unsigned int shift = 0;
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*end == 'K')
		shift = 10;
	else if (*end == 'M')
		shift = 20;
	else if (*end == 'G')
		shift = 30;
	/* strtoull() takes signs and blanks. */
	if (*text < '0' || *text > '9' || errno || end[shift != 0] || n > UINT64_MAX >> shift)
		return false;
	*value = n << shift;
	return true;
}

int x100_spec_number(const struct x100_spec *spec, const char *key, uint64_t min, uint64_t max,
		     uint64_t *value, struct x100_why *why)
{
	const char *text = x100_spec_get(spec, key);
	uint64_t n;

	if (!text)
		return X100_OK;
	if (!x100_spec_size(text, &n))
		return x100_fail(why, X100_ERR_ARGUMENT, "%s=%s is not a number", key, text);
	if (n < min || n > max)
		return x100_fail(why, X100_ERR_ARGUMENT, "%s=%s is not in %llu to %llu", key, text,
				 (unsigned long long)min, (unsigned long long)max);
	*value = n;
	return X100_OK;
}

int x100_spec_flag(const struct x100_spec *spec, const char *key, bool *value, struct x100_why *why)
{
	const char *text = x100_spec_get(spec, key);

	if (!text)
		return X100_OK;
	if (*text)
		return x100_fail(why, X100_ERR_ARGUMENT, "'%s' takes no value", key);
	*value = true;
	return X100_OK;
}

int x100_spec_only(const struct x100_spec *spec, const char *const *keys, struct x100_why *why)
{
	for (unsigned int i = 1; i < spec->count; i++) {
		const char *const *key = keys;

		while (*key && !same_key(spec->word[i], *key))
			key++;
		if (!*key)
			return x100_fail(why, X100_ERR_ARGUMENT, "'%s' is not known here",
					 spec->word[i]);
	}
	return X100_OK;
}
