// SPDX-License-Identifier: BSD-3-Clause
/*
 * Holds k1om-check's decoder against objdump: reads `objdump -dw` of real files and compares the length of every
 * instruction. Where objdump itself sees no instruction the line is left out.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../toolchain/check/insn.h"

/* The bytes of one line of a disassembly; 0 if it has none. */
static unsigned int bytes_of(const char *line, uint8_t *bytes, const char **text)
{
	const char *p = strchr(line, ':');
	unsigned int n = 0;

	if (!p)
		return 0;
	for (p++; *p == ' ' || *p == '\t'; p++)
		;
	while (isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]) && p[2] == ' ' &&
	       n < 16) {
		bytes[n++] = (uint8_t)strtoul(p, NULL, 16);
		p += 3;
	}
	*text = p;
	return n;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		char command[1000], line[4000];
		unsigned long compared = 0, wrong = 0;
		FILE *f;

		snprintf(command, sizeof(command), "objdump -dw '%s'", argv[i + 1]);
		f = popen(command, "r");
		if (!f)
			return 2;
		while (fgets(line, sizeof(line), f)) {
			uint8_t bytes[16];
			const char *text;
			unsigned int n = bytes_of(line, bytes, &text);
			struct insn in;

			if (!n || n > 15 || strstr(text, "(bad)") || strstr(text, "data16") ||
			    strstr(text, "rex."))
				continue;
			insn_decode(bytes, n, atoi(argv[i]), &in);
			compared++;
			if (in.len == n && (!in.why || strcmp(in.name, "(incomplete)")))
				continue;
			if (wrong++ < 5)
				printf("# %u bytes and not %u: %s", in.len, n, line);
		}
		if (pclose(f) || compared < 1000)
			wrong++;
		failed |= wrong != 0;
		printf("%s %d - lengths of %lu instructions in %s\n", wrong ? "not ok" : "ok",
		       (i + 1) / 2, compared, argv[i + 1]);
	}
	printf("1..%d\n", (argc - 1) / 2);
	return failed;
}
