/* SPDX-License-Identifier: GPL-2.0-only */
/* control.h - the socket that people and their tools talk to. */
#ifndef STARLING_CONTROL_H
#define STARLING_CONTROL_H

#include <jansson.h>
#include <sys/socket.h>
#include "daemon/daemon.h"

enum { CONTROL_CLIENTS_MAX = 32 };

/* Listen on d->socket_path. 0 or -errno. */
int control_open(struct control **out, struct daemon *d);
/* Close all clients and remove the socket. NULL is allowed. */
void control_close(struct control *c);

/*
 * method.c: answer one call of @peer. Returns a new message, or NULL when
 * nothing is to be sent and the client is to be dropped (*@drop) or not.
 */
json_t *method_answer(struct daemon *d, const struct ucred *peer,
		      const json_t *call, bool *drop);

#endif
