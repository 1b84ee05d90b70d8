/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much HTTP/1.1 as an inference server and its clients need, over 127.0.0.1:
 * requests with a Content-Length, answers with one or chunked. Blocking, with
 * fixed limits; one connection per thread.
 */
#ifndef AGENTLOAD_HTTP_H
#define AGENTLOAD_HTTP_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_MAX_HEAD = 16384, HTTP_MAX_BODY = 1 << 20 };

struct http {
	int fd;
	size_t have, used;		/* bytes read into buf, bytes taken from it */
	char buf[HTTP_MAX_HEAD];
};

struct http_request {
	char method[8], path[256];
	size_t length;
	int keep_alive;
};

void http_init(struct http *h, int fd);

/* server: 1 a request was read, 0 the peer closed, -errno (-EPROTO: answer 400) */
int http_read_request(struct http *h, struct http_request *rq);
/* length bytes of the body into buf, NUL-terminated; buf has length + 1 bytes */
int http_read_body(struct http *h, char *buf, size_t length);
int http_reply(struct http *h, int status, const char *type, const char *body, int keep_alive);
int http_begin_stream(struct http *h, const char *type);
int http_send_chunk(struct http *h, const void *data, size_t len);	/* len 0 ends */

/* listening socket on 127.0.0.1; *port 0 picks one. -errno */
int http_listen(uint16_t *port);

/* client */
int http_connect(uint16_t port);		/* fd or -errno */
int http_post(struct http *h, const char *path, const char *body, size_t len);
int http_get(struct http *h, const char *path);
/* status of the answer or -errno; *length is -1 for a chunked body */
int http_read_status(struct http *h, long *length);
/* one line of a chunked or plain body without its newline: length, -1 end, -errno */
struct http_body {
	long left;			/* of the chunk or of the whole body */
	int chunked, last;
};
int http_read_line(struct http *h, struct http_body *b, char *line, size_t size);

#endif
