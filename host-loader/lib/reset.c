// SPDX-License-Identifier: BSD-3-Clause
/* Reset, and the wait for the bootstrap (x100-abi.md 1.2, x100-hardware.md 7.2). */
#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/post.h>
#include <x100/regs.h>

#include <libx100-virtio.h>

#include "card.h"

#define ONES 0xFFFFFFFFu

/* What the old hosts sleep after the reset; by then it has happened, seen or not. */
#define RESET_SETTLE X100_NS_PER_SEC

/* Number of the run in the boot record, 0 when there is none to be read. */
static uint32_t run_number(struct x100_card *card)
{
	struct x100_record record;

	return x100_record_read(card, &record) ? 0 : x100_record_current(&record)->seq;
}

/* A code only the first steps after a reset post. */
static bool is_early(uint32_t post)
{
	return post == X100_POST_CODE || post == X100_POST_NONE ||
	       (!x100_post_is_failure(post) && !x100_post_memory_usable(post));
}

int x100_reset(struct x100_card *card)
{
	struct card_look before, look;
	struct card_wait wait;
	uint32_t rgcr, run;
	int ret;

	x100_vpage_card_reset(card->vpage);
	ret = card_look(card, &before);
	if (ret)
		return ret;
	run = run_number(card);

	ret = x100_sbox_write(card, X100_SBOX_SCRATCH(X100_SPAD_DOWNLOAD), 0);
	if (ret)
		return ret;
	/* As MPSS: what the last OS said about its end is not the next one's. */
	ret = x100_sbox_write(card, X100_SBOX_SDBIC(X100_SHUTDOWN_DOORBELL), 0);
	if (ret)
		return ret;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ret = x100_sbox_read(card, X100_SBOX_RGCR, &rgcr);
	/* Off the bus, maybe just for a moment: what it reads as is not to be written back. */
	if (!ret && rgcr == ONES)
		rgcr = 0;
	if (!ret)
		ret = x100_sbox_write(card, X100_SBOX_RGCR, rgcr | X100_RGCR_RESET);
	if (ret)
		return ret;

	/*
	 * Until the reset has happened a bootstrap on its way could still set the ready bit that was
	 * just cleared. It has happened once the card was off the bus, shows an early code it did not
	 * show before, or is ready in a run with another number.
	 */
	card_wait_begin(card, &wait, RESET_SETTLE);
	for (;;) {
		ret = card_look(card, &look);
		if (ret)
			return ret;
		if (look.post == ONES && before.post != ONES)
			return X100_OK;
		if (is_early(look.post) && !is_early(before.post))
			return X100_OK;
		if (run && card_is_ready(&look)) {
			uint32_t now = run_number(card);

			if (now && now != run)
				return X100_OK;
		}
		ret = card_wait_step(card, &wait, X100_ERR_RESET_TIMEOUT);
		if (ret == X100_ERR_RESET_TIMEOUT && look.post == ONES)
			return card_fail(card, X100_ERR_OFF_BUS, "the reset did not reach it");
		if (ret == X100_ERR_RESET_TIMEOUT)
			return X100_OK;
		if (ret)
			return ret;
	}
}

int x100_wait_ready(struct x100_card *card, uint64_t timeout, x100_post_fn *seen, void *arg)
{
	struct card_look look;
	struct card_wait wait;
	uint64_t gone_since = 0;
	uint32_t last = X100_POST_NONE;
	char text[8];
	int ret;

	card_wait_begin(card, &wait, timeout);
	for (;;) {
		ret = card_look(card, &look);
		if (ret)
			return ret;
		if (look.post == ONES) {
			if (!gone_since)
				gone_since = card_now(card);
			if (card_now(card) - gone_since > X100_OFF_BUS_LIMIT)
				return card_fail(
					card, X100_ERR_OFF_BUS,
					"it has been off the bus for more than %u s",
					(unsigned int)(X100_OFF_BUS_LIMIT / X100_NS_PER_SEC));
		} else {
			gone_since = 0;
			if (look.post != last && seen)
				seen(arg, look.post);
			if (look.post != last)
				wait.step = X100_NS_PER_MS;
			last = look.post;
			if (x100_post_is_failure(look.post))
				return card_fail(card, X100_ERR_CARD_FAILED, "POST %s: %s",
						 x100_post_text(look.post, text),
						 x100_post_words(look.post));
			if (card_is_ready(&look))
				return X100_OK;
		}
		ret = card_wait_step(card, &wait, X100_ERR_RESET_TIMEOUT);
		if (ret == X100_ERR_RESET_TIMEOUT)
			return card_fail(card, ret, "not ready after %llu s; POST %s: %s",
					 (unsigned long long)(timeout / X100_NS_PER_SEC),
					 x100_post_text(look.post, text),
					 x100_post_words(look.post));
		if (ret)
			return ret;
	}
}
