/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card that x100d serves. One thread with one loop does everything about it: opens it, keeps its
 * device page and back-ends, follows its state, does what its clients ask for. Only what is said to be
 * shared is touched by other threads.
 *
 * What takes long (a push, a reset) is a job. It runs at the top of the thread, and the waits inside it
 * turn the loop, so that devices, viewers and questions are served meanwhile; a second job is refused.
 */
#ifndef X100D_SERVED_H
#define X100D_SERVED_H

#include <pthread.h>

#include "backend.h"
#include "client.h"
#include "config.h"
#include "log.h"
#include "state.h"

enum served_job {
	JOB_NONE,
	JOB_PUSH,
	JOB_RESET,
};

/* An image to boot: files of a client, or those the configuration names. */
struct served_image {
	bool from_config;
	int image, ramdisk; /* -1: none */
	char *cmdline;      /* NULL: none */
	uint64_t ramdisk_at;
	uint32_t declare_size;
	bool unchecked;
};

/* A device: its line of configuration and the back-end made from it. */
struct served_device {
	struct served *served;
	char name[CONFIG_DEV_NAME];
	char *spec;
	struct x100_backend *backend; /* NULL: it could not be made, or the card is not there */
	struct client *remover;       /* waits for its removal */
	bool removing;
	bool added; /* by a client, not by the configuration */
	struct served_device *next;
};

struct viewer;

struct served {
	const struct config_card *config;
	unsigned int index;
	char state_file[512];
	const char *state_dir;
	pthread_t thread;
	struct log_source log;

	/* Shared: under the lock, and told by the eventfd. */
	pthread_mutex_t lock;
	struct client *mail; /* clients handed over, each with the request it brings */
	bool stop;
	char words[32]; /* state for a list of cards */
	int mail_fd;

	struct x100_loop *loop;
	struct x100_clock clock; /* its sleep turns the loop */
	struct x100_watch mail_watch, hangup_watch;
	struct x100_timer timer; /* to open the card, or to look at it */
	bool ending;
	bool lost; /* the other end of the transport went */

	/* The card; NULL while it cannot be opened. */
	struct x100_card *card;
	struct x100_vpage *page;
	struct x100_backend_env env;
	uint64_t retry_ns;
	int open_error;
	struct x100_why open_why;

	struct served_device *devices; /* in the order they were made */

	enum x100_state state;
	bool known; /* state was seen since the card was opened */
	uint32_t post;
	uint32_t sdbic1; /* what its OS said last */
	uint64_t since;  /* ns, when the state began */
	unsigned int failed_boots;
	bool auto_boot; /* to be booted once it is ready */

	enum served_job job;
	struct client *asker; /* of the job; NULL: nobody waits */
	bool asker_waits;     /* push until running, reset until ready */
	uint64_t reset_timeout;
	struct served_image next, last; /* of the job; of the last push that was taken */
	bool has_last;
	uint64_t event_ns; /* when progress was told last */

	struct client *runner; /* pushed and waits for its card OS to run */
	json_object *runner_answer;
	uint64_t run_deadline;

	struct state saved;
	int save_error;
	struct client *clients;
	struct viewer *viewers;
};

/* Make a card and start its thread. @state_dir outlives it. Returns 0 or -errno. */
int served_start(struct served *served, const struct config_card *config, unsigned int index,
		 const char *state_dir);
/* Ask the thread to end, from another thread; served_join() waits for it and frees. */
void served_stop(struct served *served);
void served_join(struct served *served);

/* Hand a client over with the request it brought, which is put; from another thread. */
void served_hand(struct served *served, struct client *client, json_object *request);

/* Word for its state, from another thread. */
void served_words(struct served *served, char words[32]);

/* ---- within the thread */

/* Begin serving a client's request; in request.c. */
void served_request(struct client *client, json_object *request);
void served_client_gone(struct client *client);

/* Answer the client that waits for the job or for the card OS to run, if it is still there. */
void served_answer_asker(struct served *served, json_object *answer);
void served_answer_runner(struct served *served, int error, const char *why);

/* Start a job; false while another one goes on. */
bool served_begin_job(struct served *served, enum served_job job, struct client *asker);
/* Use the image that the configuration names or a client pushed last; false if there is none. */
bool served_image_again(struct served *served);
void served_image_free(struct served_image *image);

struct served_device *served_device_find(struct served *served, const char *name);
/* Make the back-end of a device. Errors: those of its class. */
int served_device_open(struct served_device *device, struct x100_why *why);
struct served_device *served_device_new(struct served *served, const char *name, const char *spec);
/* Remember, also over a restart, which devices clients added. */
void served_save_devices(struct served *served);
/* Its device is gone from the page, or was never there. */
void served_device_free(struct served_device *device);
void served_device_remove(struct served_device *device, struct client *remover);

/* Put a client on the console; in viewer.c. It is no client any more afterwards. */
void viewer_start(struct served *served, struct client *client, bool may_write, size_t scrollback);
/* Say goodbye to all viewers: the console goes away. Those who do not read yet hear it later. */
void viewer_end_all(struct served *served, const char *why);
/* End those who still have not read it. */
void viewer_free_all(struct served *served);

#endif
