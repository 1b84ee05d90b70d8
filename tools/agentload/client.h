/* SPDX-License-Identifier: GPL-2.0-only */
/* What agents and the bench ask of an inference server on 127.0.0.1. */
#ifndef AGENTLOAD_CLIENT_H
#define AGENTLOAD_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "http.h"

struct client {
	uint16_t port;
	int connected;
	struct http http;
};

/* one streamed completion; token() is called as each token arrives */
struct client_reply {
	unsigned int tokens;
	double gpu_ms;
	uint64_t sent_ns, first_ns, last_ns;
};

typedef void client_token(void *arg, uint64_t now, const struct client_reply *so_far);

/* 0 or -errno; -EIO: the server refused, said on stderr */
int client_complete(struct client *c, unsigned int prompt, unsigned int max_tokens,
		    client_token *token, void *arg, struct client_reply *reply);
void client_close(struct client *c);

/* JSON at path, or NULL after saying why */
json_t *client_get(uint16_t port, const char *path);
/* port of "http://127.0.0.1:PORT"; 0 when it is not such an address */
uint16_t client_port(const char *url);

#endif
