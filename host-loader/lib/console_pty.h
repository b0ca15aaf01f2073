/* SPDX-License-Identifier: BSD-3-Clause */
/* The pseudo-terminal of a console: one more viewer, and one more keyboard. */
#ifndef X100_CONSOLE_PTY_H
#define X100_CONSOLE_PTY_H

#include "backend.h"

struct console_pty;

/*
 * Make a pseudo-terminal, viewing and feeding @console, with the symbolic link @link to it. Whoever
 * opens it sees what was printed since the last reader, as far as the scrollback reaches.
 *
 * Errors: SYSTEM, MEMORY.
 */
int console_pty_open(struct x100_backend *console, struct x100_loop *loop, const char *link,
		     struct x100_why *why, struct console_pty **pty);
void console_pty_close(struct console_pty *pty);
/* The console takes keys again. */
void console_pty_room(struct console_pty *pty);
const char *console_pty_name(const struct console_pty *pty);

#endif
