// SPDX-License-Identifier: BSD-3-Clause
/*
 * A push: image, ramdisk and command line into card memory, the mailbox words, the boot interrupt,
 * and the wait for what becomes of it (x100-abi.md 1.3 to 1.7).
 *
 * Other than the old host, this one reads SCRATCH2 once, so that address and APIC id belong together,
 * and has no DMA channels and no SCIF to announce.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <x100/boot.h>
#include <x100/irq.h>
#include <x100/memmap.h>
#include <x100/post.h>
#include <x100/reason.h>
#include <x100/regs.h>

#include "card.h"
#include "image.h"
#include "status.h"
#include "vpage.h"

#define ONES 0xFFFFFFFFu
/* Bytes between two looks at the signal flag and two calls of the progress function. */
#define CHUNK (1u << 20)
/* After POST "nA" the bootstrap writes its record and gets ready again within this. */
#define REFUSE_SETTLE X100_NS_PER_SEC

struct pushing {
	struct x100_card *card;
	const struct x100_push *push;
	struct x100_push_result *result;
	uint32_t spad2;
	uint64_t memory; /* bytes of card memory, 0 = unknown */
	/* The boot record before the boot interrupt; seq 0 = there was none. */
	uint32_t run;
	uint32_t pushes;
	/* Of the waits. */
	uint32_t last_post;
	uint64_t gone_since;
};

static void begin_step(struct pushing *p, enum x100_push_step step)
{
	p->result->times.realtime[step] = card_realtime(p->card);
}

static void progress(struct pushing *p, enum x100_push_step step, uint64_t done, uint64_t all)
{
	if (p->push->progress)
		p->push->progress(p->push->arg, step, done, all);
}

/* Get the card ready: wait for one that is starting, reset one that does something else. */
static int make_ready(struct pushing *p)
{
	struct x100_card *card = p->card;
	struct card_look look;
	int ret = card_look(card, &look);

	if (ret)
		return ret;
	if (!card_is_ready(&look)) {
		bool starting = card_state(&look, 0) == X100_STATE_STARTING;

		begin_step(p, X100_PUSH_RESET);
		progress(p, X100_PUSH_RESET, 0, 0);
		ret = starting ? X100_OK : x100_reset(card);
		if (!ret)
			ret = x100_wait_ready(card, X100_RESET_DEADLINE, p->push->post,
					      p->push->arg);
		if (!ret)
			ret = card_look(card, &look);
		if (!ret && !card_is_ready(&look))
			ret = card_fail(card, X100_ERR_NOT_READY, "it was ready and is no more");
		if (ret)
			return ret;
	}
	p->spad2 = look.spad2;
	return X100_OK;
}

/* Card memory as the bootstrap says; what makes no sense counts as not said. */
static int read_memory_size(struct pushing *p)
{
	uint32_t word;
	int ret = x100_sbox_read(p->card, X100_SBOX_SCRATCH(X100_SPAD_MEMORY), &word);

	p->memory = ret || word == ONES ? 0 : status_memory_size(word);
	return ret;
}

static int build_cmdline(struct pushing *p, uint64_t *size)
{
	struct x100_time_pair pair;
	char time[64];
	int ret;

	ret = x100_time_sample(p->card, &pair);
	if (ret)
		return ret;
	snprintf(time, sizeof(time), X100_TIME_PARAM "=%llu.%09llu@%llu",
		 (unsigned long long)(pair.realtime / X100_NS_PER_SEC),
		 (unsigned long long)(pair.realtime % X100_NS_PER_SEC),
		 (unsigned long long)pair.etc);
	return x100_cmdline(p->card->aperture, time, p->push->cmdline, p->result->cmdline, size,
			    &p->card->why);
}

/*
 * Map the pages that [at, at + size) of the aperture needs before they are written to, each MiB once:
 * asking again would take as long as copying it. How well it went does not matter.
 */
static void populate(struct x100_card *card, uint64_t at, size_t size)
{
	for (uint64_t mib = at / CHUNK; mib <= (at + size - 1) / CHUNK; mib++) {
		uint64_t start = mib * CHUNK, left = card->window.size - start;
		uint8_t bit = (uint8_t)(1u << mib % 8);

		if (mib / 8 >= sizeof(card->populated) || card->populated[mib / 8] & bit)
			continue;
		card->populated[mib / 8] |= bit;
		madvise(card->window_at + start, left < CHUNK ? left : CHUNK, MADV_POPULATE_WRITE);
	}
}

static int copy_blob(struct pushing *p, enum x100_push_step step, const struct x100_blob *blob,
		     uint64_t to)
{
	struct x100_card *card = p->card;
	uint64_t start = card_now(card);
	uint8_t *buffer = NULL;
	int ret = X100_OK;

	begin_step(p, step);
	for (uint64_t done = 0; done < blob->size && !ret;) {
		size_t part = blob->size - done > CHUNK ? CHUNK : (size_t)(blob->size - done);
		uint64_t at = to + done;

		if (card->interrupted) {
			ret = card_fail(card, X100_ERR_INTERRUPTED, "stopped while copying");
			break;
		}
		progress(p, step, done, blob->size);
		if (card->window_at && at + part <= card->window.size) {
			/*
			 * Straight from the page cache into the aperture, in ascending order. Pages
			 * of the model's memory come in one go; a BAR has none and says so.
			 */
			populate(card, at, part);
			ret = blob_read(blob, done, card->window_at + at, part, &card->why);
		} else {
			if (!buffer)
				buffer = malloc(CHUNK);
			if (!buffer) {
				ret = card_fail(card, X100_ERR_MEMORY, "no memory for a buffer");
				break;
			}
			ret = blob_read(blob, done, buffer, part, &card->why);
			if (!ret)
				ret = x100_memory_write(card, at, buffer, part);
		}
		done += part;
	}
	free(buffer);
	p->result->copy_ns += card_now(card) - start;
	if (!ret)
		progress(p, step, blob->size, blob->size);
	return ret;
}

/* Image, command line, ramdisk and the two header words, in the order of the old host. */
static int copy_all(struct pushing *p)
{
	const struct x100_placement *place = &p->result->placement;
	struct x100_card *card = p->card;
	uint32_t words[2] = { (uint32_t)place->ramdisk, (uint32_t)place->ramdisk_size };
	int ret;

	ret = copy_blob(p, X100_PUSH_IMAGE, &p->push->image, place->image);
	if (!ret)
		ret = x100_sbox_write(card, X100_SBOX_SCRATCH(X100_SPAD_IMAGE_SIZE),
				      p->push->declare_size ? p->push->declare_size :
							      (uint32_t)place->image_size);
	if (!ret)
		ret = x100_memory_write(card, place->cmdline, p->result->cmdline,
					place->cmdline_size);
	if (ret || !place->ramdisk_size)
		return ret;
	/* Below 1 MiB the bootstrap works; only the address goes there, for it to refuse. */
	if (place->ramdisk >= X100_LOW_END)
		ret = copy_blob(p, X100_PUSH_RAMDISK, &p->push->ramdisk, place->ramdisk);
	if (!ret && place->image_size >= X100_HDR_RAMDISK_SIZE + 4)
		ret = x100_memory_write(card, place->image + X100_HDR_RAMDISK_IMAGE, words,
					sizeof(words));
	return ret;
}

static int prepare(struct pushing *p)
{
	struct x100_card *card = p->card;
	struct x100_record record;
	int ret;

	begin_step(p, X100_PUSH_PREPARE);
	ret = x100_irq_setup(card);
	if (!ret)
		ret = card_smpt_restore(card);
	if (!ret)
		ret = card_irq_restore(card);
	if (!ret)
		ret = card_devpage_prepare(card);
	if (ret)
		return ret;
	/* A foreign bootstrap has no record; then POST alone tells what became of the push. */
	if (!x100_record_read(card, &record)) {
		p->run = x100_record_current(&record)->seq;
		p->pushes = x100_record_current(&record)->pushes;
	}
	return X100_OK;
}

/* x100-abi.md 1.5. */
static int go(struct pushing *p)
{
	int ret;

	begin_step(p, X100_PUSH_GO);
	ret = x100_sbox_write(p->card, X100_SBOX_APICICR_HI(X100_BOOT_ICR),
			      x100_spad2_apic_id(p->spad2));
	/* Everything above, write-combined stores included, has to be out before the doorbell. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!ret)
		ret = x100_sbox_write(p->card, X100_SBOX_APICICR_LO(X100_BOOT_ICR),
				      X100_BOOT_VECTOR | X100_ICR_SEND);
	progress(p, X100_PUSH_GO, 0, 0);
	return ret;
}

/*
 * One look while waiting. Tells of new POST codes and gives up on a card that failed or is gone for
 * too long; while it is gone for a moment look->post is all ones.
 */
static int watch(struct pushing *p, struct card_look *look)
{
	struct x100_card *card = p->card;
	char text[8];
	int ret = card_look(card, look);

	if (ret)
		return ret;
	if (look->post == ONES) {
		if (!p->gone_since)
			p->gone_since = card_now(card);
		if (card_now(card) - p->gone_since > X100_OFF_BUS_LIMIT)
			return card_fail(card, X100_ERR_OFF_BUS,
					 "it went off the bus after the boot interrupt");
		return X100_OK;
	}
	p->gone_since = 0;
	if (look->post != p->last_post && p->push->post)
		p->push->post(p->push->arg, look->post);
	p->last_post = look->post;
	if (x100_post_is_failure(look->post))
		return card_fail(card, X100_ERR_CARD_FAILED, "POST %s: %s",
				 x100_post_text(look->post, text), x100_post_words(look->post));
	return X100_OK;
}

/* The bootstrap said no; the boot record says why. */
static int refused(struct pushing *p)
{
	struct x100_record record;
	const struct x100_run *run;
	char text[X100_REASON_TEXT];
	int ret = x100_record_read(p->card, &record);

	if (ret && ret != X100_ERR_NO_RECORD && ret != X100_ERR_TRAINING)
		return ret;
	if (ret)
		return card_fail(p->card, X100_ERR_REFUSED,
				 "POST nA: image refused; it gives no reason");
	run = x100_record_current(&record);
	p->result->reason = run->reason;
	return card_fail(p->card, X100_ERR_REFUSED, "%s",
			 x100_reason_text(run->reason, run->detail, text));
}

/* The record says that this run took one more boot interrupt than before ours. */
static bool counted(struct pushing *p, struct x100_record *record)
{
	if (!p->run || x100_record_read(p->card, record))
		return false;
	return x100_record_current(record)->seq == p->run &&
	       x100_record_current(record)->pushes != p->pushes;
}

/*
 * Our push was refused although POST never showed it. The reason is ours once the count has changed,
 * so it counts only in a copy made after the one that showed the new count.
 */
static bool refused_unseen(struct pushing *p)
{
	struct x100_record record;

	return counted(p, &record) && counted(p, &record) &&
	       x100_record_current(&record)->reason != X100_REASON_NONE;
}

static int wait_taken(struct pushing *p)
{
	struct x100_card *card = p->card;
	uint64_t refused_since = 0;
	struct card_look look;
	struct card_wait wait;
	char text[8];
	int ret;

	card_wait_begin(card, &wait, X100_TAKE_DEADLINE);
	for (;;) {
		ret = watch(p, &look);
		if (ret)
			return ret;
		switch (card_state(&look, 0)) {
		case X100_STATE_READY:
			if (refused_since || refused_unseen(p))
				return refused(p);
			break;
		case X100_STATE_STARTING:
			if (look.post == X100_POST_AUTH_FAILED && !refused_since)
				refused_since = card_now(card);
			break;
		case X100_STATE_BOOTING:
			if (!status_in_bootstrap(look.post))
				goto taken;
			break;
		case X100_STATE_OFF_BUS:
			break;
		default:
			goto taken;
		}
		if (refused_since && card_now(card) - refused_since > REFUSE_SETTLE)
			return refused(p);
		ret = card_wait_step(card, &wait, X100_ERR_BOOT_TIMEOUT);
		if (ret == X100_ERR_BOOT_TIMEOUT)
			return card_fail(
				card, ret,
				"the bootstrap neither entered nor refused the image; POST %s: %s",
				x100_post_text(look.post, text), x100_post_words(look.post));
		if (ret)
			return ret;
	}
taken:
	begin_step(p, X100_PUSH_TAKEN);
	progress(p, X100_PUSH_TAKEN, 0, 0);
	return X100_OK;
}

static int wait_running(struct pushing *p)
{
	struct x100_card *card = p->card;
	struct card_look look;
	struct card_wait wait;
	char text[8];
	int ret;

	card_wait_begin(card, &wait, X100_RUN_DEADLINE);
	for (;;) {
		uint32_t causes = 0, said = 0;

		ret = watch(p, &look);
		if (!ret && !card->vpage)
			ret = x100_irq_take(card, &causes);
		/* The card says with doorbell 1 that its OS ends (x100-abi.md 1.9). */
		if (card->vpage)
			said = card->vpage->sdbic1;
		else if (!ret && (causes & X100_SRC_DOORBELL(X100_SHUTDOWN_DOORBELL)))
			ret = x100_sbox_read(card, X100_SBOX_SDBIC(X100_SHUTDOWN_DOORBELL), &said);
		if (ret)
			return ret;
		switch (card_state(&look, said)) {
		case X100_STATE_RUNNING:
			begin_step(p, X100_PUSH_RUNNING);
			progress(p, X100_PUSH_RUNNING, 0, 0);
			return X100_OK;
		case X100_STATE_CRASHED:
			return card_fail(card, X100_ERR_CRASHED, "it panicked before it was up");
		case X100_STATE_HALTED:
		case X100_STATE_OFF:
		case X100_STATE_RESTART:
			return card_fail(card, X100_ERR_STOPPED, "it ended before it was up");
		case X100_STATE_READY:
		case X100_STATE_STARTING:
			return card_fail(card, X100_ERR_STOPPED,
					 "somebody reset the card while it booted");
		default:
			break;
		}
		ret = card_wait_step(card, &wait, X100_ERR_BOOT_TIMEOUT);
		if (ret == X100_ERR_BOOT_TIMEOUT)
			return card_fail(card, ret, "no login after %llu s; POST %s: %s",
					 (unsigned long long)(X100_RUN_DEADLINE / X100_NS_PER_SEC),
					 x100_post_text(look.post, text),
					 x100_post_words(look.post));
		if (ret)
			return ret;
	}
}

int x100_push(struct x100_card *card, const struct x100_push *push, struct x100_push_result *result)
{
	struct pushing p = { .card = card, .push = push, .result = result };
	uint64_t cmdline_size;
	int ret;

	memset(result, 0, sizeof(*result));
	begin_step(&p, X100_PUSH_CHECK);
	ret = make_ready(&p);
	/* A card that was reset by others: nothing may write to its memory any more. */
	if (!ret)
		x100_vpage_card_reset(card->vpage);
	if (!ret)
		ret = read_memory_size(&p);
	if (!ret)
		ret = build_cmdline(&p, &cmdline_size);
	if (ret)
		return ret;
	ret = x100_place(p.spad2, card->aperture, p.memory, &push->image, &push->ramdisk,
			 cmdline_size, push->ramdisk_at, &result->placement, &result->reason,
			 &card->why);
	if (ret && push->unchecked && result->reason) {
		result->reason = X100_REASON_NONE;
		ret = X100_OK;
	}
	if (!ret)
		ret = copy_all(&p);
	if (!ret)
		ret = prepare(&p);
	if (!ret)
		ret = go(&p);
	if (!ret)
		ret = wait_taken(&p);
	if (!ret && push->wait == X100_WAIT_RUNNING)
		ret = wait_running(&p);
	return ret;
}
