/* SPDX-License-Identifier: GPL-2.0-only */
/* serve.h - what the endpoints of the inference server share. */
#ifndef AGENTLOAD_SERVE_H
#define AGENTLOAD_SERVE_H

#include <jansson.h>

#include "engine.h"
#include "http.h"

#define SERVE_MODEL "agentload-1"

/* what a client asked for; prompt is counted, not kept */
struct completion {
	struct engine_request rq;
	int stream;
	unsigned long long id;
	void *ctx;	/* the endpoint's own */
};

/* Each takes @j over. */
int serve_error(struct http *h, int status, const char *what);
int serve_json(struct http *h, json_t *j);

/* Takes as much CPU time as a tokeniser would. */
unsigned int serve_count_tokens(const json_t *prompt);
/* NULL, or what is wrong with it. @max may be NULL: 16. */
const char *serve_limit(struct completion *c, const json_t *max);
const char *serve_prompt(struct completion *c, unsigned int tokens);

/* Queue @c, then @answer; or say why not. */
int serve_run(struct http *h, struct completion *c,
	      int (*answer)(struct http *h, struct completion *c));
/* Wait for all of the text. NULL: the server is stopping. */
json_t *serve_text(struct completion *c);
json_t *serve_usage(const struct completion *c);

/* POST /v1/chat/completions */
int serve_chat(struct http *h, const char *body);

#endif
