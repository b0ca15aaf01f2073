// SPDX-License-Identifier: BSD-3-Clause
/* Fuzzed: specifications of devices, as a configuration or the control socket brings them. */
#include <stdlib.h>
#include <string.h>

#include "backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything a word holds came from the text, and no byte of it twice. */
static void check(const struct x100_spec *spec, const char *text)
{
	size_t all = 0;

	if (spec->count > X100_SPEC_WORDS)
		abort();
	for (unsigned int i = 0; i < spec->count; i++) {
		if (!spec->word[i][0])
			abort();
		all += strlen(spec->word[i]) + 1;
	}
	if (all > strlen(text) + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = { "disk", "net", "console", "rng", "tape" };
	char *text = malloc(size + 1);
	struct x100_spec spec;
	struct x100_why why;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!x100_spec_parse(&spec, text, &why)) {
		uint64_t n = 7;
		bool flag = false;

		check(&spec, text);
		x100_spec_get(&spec, text);
		if (!x100_spec_number(&spec, "n", 5, 1000, &n, &why) && (n < 5 || n > 1000))
			abort();
		x100_spec_flag(&spec, "ro", &flag, &why);
		x100_spec_free(&spec);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		x100_backend_check(kinds[i], text, &why);
	free(text);
	return 0;
}
