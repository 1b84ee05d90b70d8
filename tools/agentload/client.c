// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent's side of the wire. Time stamps are taken when an event has been
 * read, before it is parsed: what is measured is when the agent could go on.
 */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

/* as long in bytes as a prompt of that many tokens is */
static char *make_body(unsigned int prompt, unsigned int max_tokens, size_t *len)
{
	static const char text[] = "the core that feeds the device never waits; ";
	size_t room = prompt * 4UL + 128, n, i;
	char *body = malloc(room);

	if (!body)
		return NULL;
	n = sprintf(body, "{\"model\":\"agentload-1\",\"stream\":true,\"max_tokens\":%u,"
			  "\"prompt\":\"", max_tokens);
	for (i = 0; i < prompt * 4UL; i++)
		body[n++] = text[i % (sizeof(text) - 1)];
	body[n++] = '"';
	body[n++] = '}';
	*len = n;
	return body;
}

/* One connection per agent, kept open as the clients of real servers do. */
static int reconnect(struct client *c)
{
	int fd;

	if (c->connected)
		return 0;
	fd = http_connect(c->port);
	if (fd < 0)
		return fd;
	http_init(&c->http, fd);
	c->connected = 1;
	return 0;
}

void client_close(struct client *c)
{
	if (c->connected)
		close(c->http.fd);
	c->connected = 0;
}

static int take_event(const char *data, client_token *token, void *arg,
		      struct client_reply *reply)
{
	uint64_t now = now_ns();
	json_t *j, *choices, *usage;
	int err = 0;

	j = json_loads(data, 0, NULL);
	if (!j)
		return -EPROTO;
	choices = json_object_get(j, "choices");
	usage = json_object_get(j, "usage");
	if (json_array_size(choices)) {
		if (!reply->tokens++)
			reply->first_ns = now;
		token(arg, now, reply);
		reply->last_ns = now;
	} else if (usage) {
		reply->gpu_ms = json_number_value(json_object_get(usage, "gpu_ms"));
	}
	if (json_object_get(j, "error"))
		err = -ECONNABORTED;
	json_decref(j);
	return err;
}

static int read_stream(struct client *c, client_token *token, void *arg,
		       struct client_reply *reply)
{
	struct http_body body = { .chunked = 1 };
	char line[4096];
	int n, err = 0;

	while ((n = http_read_line(&c->http, &body, line, sizeof(line))) >= 0)
		if (!err && !strncmp(line, "data: {", 7))
			err = take_event(line + 6, token, arg, reply);
	return n == -1 ? err : n;
}

int client_complete(struct client *c, unsigned int prompt, unsigned int max_tokens,
		    client_token *token, void *arg, struct client_reply *reply)
{
	size_t len = 0;
	char *body = make_body(prompt, max_tokens, &len);
	long length;
	int status, err;

	memset(reply, 0, sizeof(*reply));
	if (!body)
		return -ENOMEM;
	err = reconnect(c);
	reply->sent_ns = now_ns();
	if (!err)
		err = http_post(&c->http, "/v1/completions", body, len);
	free(body);
	status = err ? err : http_read_status(&c->http, &length);
	if (status == 200 && length == -1) {
		err = read_stream(c, token, arg, reply);
	} else {
		if (status > 0)
			warn("the server answered %d instead of streaming", status);
		err = status > 0 ? -EIO : status;
	}
	if (err)
		client_close(c);
	return err;
}

json_t *client_get(uint16_t port, const char *path)
{
	struct client *c = calloc(1, sizeof(*c));
	char *body = NULL;
	json_t *j = NULL;
	long length = 0;
	int status;

	if (!c)
		return NULL;
	c->port = port;
	status = reconnect(c);
	if (!status)
		status = http_get(&c->http, path);
	if (!status)
		status = http_read_status(&c->http, &length);
	/* a timeline is longer than what a server accepts: own limit */
	if (status == 200 && length > 0 && length < 256 << 20)
		body = malloc(length + 1);
	if (body && !http_read_body(&c->http, body, length))
		j = json_loads(body, 0, NULL);
	if (!j)
		warn("no answer from http://127.0.0.1:%u%s (%s)", port, path,
		     status < 0 ? strerror(-status) : "not JSON");
	free(body);
	client_close(c);
	free(c);
	return j;
}

uint16_t client_port(const char *url)
{
	unsigned int port;
	char rest;

	if (sscanf(url, "http://127.0.0.1:%u%c", &port, &rest) < 1 &&
	    sscanf(url, "http://localhost:%u%c", &port, &rest) < 1)
		return 0;
	return port < 65536 ? port : 0;
}
