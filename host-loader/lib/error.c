// SPDX-License-Identifier: BSD-3-Clause
/* Words and exit statuses for errors, refusals and POST codes. */
#include <libx100.h>

#include <stdio.h>

#include <x100/post.h>
#include <x100/reason.h>

const char *x100_error_words(int error)
{
	switch (error) {
	case X100_OK:
		return "no error";
#define X(name, number, status, what, hint)                                                        \
	case X100_ERR_##name:                                                                      \
		return what;
		X100_ERROR_LIST(X)
#undef X
	default:
		return "an error this program does not know";
	}
}

const char *x100_error_hint(int error)
{
	switch (error) {
#define X(name, number, status, what, hint)                                                        \
	case X100_ERR_##name:                                                                      \
		return hint;
		X100_ERROR_LIST(X)
#undef X
	default:
		return "";
	}
}

int x100_error_exit_status(int error)
{
	switch (error) {
	case X100_OK:
		return 0;
#define X(name, number, status, what, hint)                                                        \
	case X100_ERR_##name:                                                                      \
		return status;
		X100_ERROR_LIST(X)
#undef X
	default:
		return 1;
	}
}

const char *x100_reason_words(uint32_t reason)
{
	switch (reason) {
	case X100_REASON_NONE:
		return "no reason given";
#define X(name, number, what, fix)                                                                 \
	case X100_REASON_##name:                                                                   \
		return what;
		X100_REASON_LIST(X)
#undef X
	default:
		return "a reason this program does not know";
	}
}

const char *x100_reason_hint(uint32_t reason)
{
	switch (reason) {
#define X(name, number, what, fix)                                                                 \
	case X100_REASON_##name:                                                                   \
		return fix;
		X100_REASON_LIST(X)
#undef X
	default:
		return "";
	}
}

const char *x100_reason_text(uint32_t reason, const uint64_t detail[4], char text[X100_REASON_TEXT])
{
	static const char *const exception[4] = { "vector", "error code", "EIP", "CR2" };
	static const char *const other[4] = { "value", "size", "limit", "header field" };
	const char *const *names = reason == X100_REASON_EXCEPTION ? exception : other;
	int n = snprintf(text, X100_REASON_TEXT, "%s", x100_reason_words(reason));
	const char *before = " (";

	for (int i = 0; i < 4; i++) {
		if (!detail[i])
			continue;
		n += snprintf(text + n, X100_REASON_TEXT - (size_t)n, "%s%s 0x%llx", before,
			      names[i], (unsigned long long)detail[i]);
		before = ", ";
	}
	if (before[0] == ',')
		snprintf(text + n, X100_REASON_TEXT - (size_t)n, ")");
	return text;
}

const char *x100_post_words(uint32_t post)
{
	switch (post) {
	case X100_POST_NONE:
		return "no code yet";
	case X100_POST_GONE:
		return "the card is off the bus";
#define X(name, a, b, words)                                                                       \
	case X100_POST_##name:                                                                     \
		return words;
		X100_POST_LIST(X)
#undef X
	default:
		return "a code this program does not know";
	}
}

const char *x100_post_text(uint32_t post, char text[8])
{
	unsigned char a = post & 0xFF, b = (post >> 8) & 0xFF;

	if (post == X100_POST_NONE)
		snprintf(text, 8, "--");
	else if (post == X100_POST_GONE)
		snprintf(text, 8, "gone");
	else
		snprintf(text, 8, "%c%c", a >= 0x20 && a < 0x7F ? a : '?',
			 b >= 0x20 && b < 0x7F ? b : '?');
	return text;
}

bool x100_post_is_failure(uint32_t post)
{
	switch (post) {
	case X100_POST_MEMTEST_FAILED:
	case X100_POST_NO_GDDR_PARAMS:
	case X100_POST_PLL_FAILED:
	case X100_POST_TRAIN_FAILED:
	case X100_POST_QUERY_FAILED:
	case X100_POST_PRESERVE_FAILED:
	case X100_POST_HALTED:
	case X100_POST_EXC_DE:
	case X100_POST_EXC_DB:
	case X100_POST_EXC_NMI:
	case X100_POST_EXC_BP:
	case X100_POST_EXC_OF:
	case X100_POST_EXC_BR:
	case X100_POST_EXC_UD:
	case X100_POST_EXC_NM:
	case X100_POST_EXC_DF:
	case X100_POST_EXC_CO:
	case X100_POST_EXC_TS:
	case X100_POST_EXC_NP:
	case X100_POST_EXC_SS:
	case X100_POST_EXC_GP:
	case X100_POST_EXC_PF:
	case X100_POST_EXC_15:
	case X100_POST_EXC_MF:
	case X100_POST_EXC_AC:
	case X100_POST_EXC_MC:
		return true;
	default:
		return false;
	}
}

/*
 * Accesses while card memory trains took a host down (x100-hardware.md 7.2), so what comes before
 * the end of training is refused, and so are failures that can come from there.
 */
bool x100_post_memory_usable(uint32_t post)
{
	char first = (char)(post & 0xFF);

	switch (post) {
	case X100_POST_NONE:
	case X100_POST_GONE:
	case X100_POST_IDT:
	case X100_POST_SBOX:
	case X100_POST_GDDR_TOP:
	case X100_POST_CODE:
	case X100_POST_DBOX:
		return false;
	default:
		return first != '3' && !x100_post_is_failure(post);
	}
}
