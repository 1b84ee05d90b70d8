// SPDX-License-Identifier: GPL-2.0-only
/*
 * HTTP over blocking sockets. Everything has a limit: a line, a header, a body,
 * a chunk; what exceeds it ends that connection and nothing else.
 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

void http_init(struct http *h, int fd)
{
	int one = 1;

	/* a token must not wait for the acknowledgement of the one before */
	h->fd = fd;
	h->have = h->used = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* All or nothing; a stop request counts as a peer that went away. */
static int send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR && !stop_flag)
			continue;
		if (w <= 0)
			return -EPIPE;
		p += w;
		n -= w;
	}
	return 0;
}

/* more bytes behind those not yet taken: count, 0 at the end, -errno */
static int fill(struct http *h)
{
	ssize_t n;

	if (h->used) {
		memmove(h->buf, h->buf + h->used, h->have - h->used);
		h->have -= h->used;
		h->used = 0;
	}
	if (h->have == sizeof(h->buf))
		return -EPROTO;
	do {
		n = recv(h->fd, h->buf + h->have, sizeof(h->buf) - h->have, 0);
	} while (n < 0 && errno == EINTR && !stop_flag);
	if (n < 0)
		return -errno;
	h->have += n;
	return n;
}

/* A line without CR LF, in place: valid until the next read. NULL: *err says. */
static char *head_line(struct http *h, int *err)
{
	for (;;) {
		char *start = h->buf + h->used, *nl;
		int n;

		nl = memchr(start, '\n', h->have - h->used);
		if (nl) {
			*nl = 0;
			if (nl > start && nl[-1] == '\r')
				nl[-1] = 0;
			h->used = nl + 1 - h->buf;
			return start;
		}
		n = fill(h);
		if (n <= 0) {
			*err = n ? n : (h->have ? -EPROTO : 0);
			return NULL;
		}
	}
}

static const char *header(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) || line[n] != ':')
		return NULL;
	line += n + 1;
	return line + strspn(line, " \t");
}

static int parse_length(const char *s, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(s, &end, 10);
	return errno || end == s || *end || *out < 0 ? -EPROTO : 0;
}

static int take_header(struct http *h, struct http_request *rq, const char *line)
{
	const char *length = header(line, "Content-Length");
	const char *connection = header(line, "Connection");
	long n;

	if (length && parse_length(length, &n))
		return -EPROTO;
	if (length)
		rq->length = n;
	if (connection)
		rq->keep_alive = strcasecmp(connection, "close") != 0;
	/* a client that cannot say how long its body is gets no answer from us */
	if (header(line, "Transfer-Encoding"))
		return -EPROTO;
	/* what curl sends before a long body */
	if (header(line, "Expect"))
		return send_all(h->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	return 0;
}

static int read_headers(struct http *h, struct http_request *rq)
{
	char *line;
	int err = 0;

	while ((line = head_line(h, &err)) && *line) {
		err = take_header(h, rq, line);
		if (err)
			return err;
	}
	return line ? 0 : (err ? err : -EPROTO);
}

int http_read_request(struct http *h, struct http_request *rq)
{
	char *line, version[16];
	int err = 0;

	memset(rq, 0, sizeof(*rq));
	line = head_line(h, &err);
	if (!line)
		return err;
	if (sscanf(line, "%7s %255s %15s", rq->method, rq->path, version) != 3 ||
	    strncmp(version, "HTTP/1.", 7))
		return -EPROTO;
	rq->keep_alive = version[7] == '1';
	err = read_headers(h, rq);
	return err ? err : 1;
}

int http_read_body(struct http *h, char *buf, size_t length)
{
	/* part of it may have come with the header */
	size_t got = h->have - h->used;

	if (got > length)
		got = length;
	memcpy(buf, h->buf + h->used, got);
	h->used += got;
	while (got < length) {
		ssize_t n = recv(h->fd, buf + got, length - got, 0);

		if (n < 0 && errno == EINTR && !stop_flag)
			continue;
		if (n <= 0)
			return -EPROTO;
		got += n;
	}
	buf[length] = 0;
	return 0;
}

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 503:
		return "Service Unavailable";
	}
	return "Error";
}

int http_reply(struct http *h, int status, const char *type, const char *body, int keep_alive)
{
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			 "Connection: %s\r\n\r\n",
			 status, reason(status), type, strlen(body),
			 keep_alive ? "keep-alive" : "close");
	int err = send_all(h->fd, head, n);

	return err ? err : send_all(h->fd, body, strlen(body));
}

int http_begin_stream(struct http *h, const char *type)
{
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-cache\r\n"
			 "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n", type);

	return send_all(h->fd, head, n);
}

/* one send() per chunk, so that a token is one packet and one wake-up */
int http_send_chunk(struct http *h, const void *data, size_t len)
{
	char out[4096];
	int n = snprintf(out, sizeof(out), "%zx\r\n", len);

	if (n + len + 2 > sizeof(out))
		return -EMSGSIZE;
	if (len)
		memcpy(out + n, data, len);
	memcpy(out + n + len, "\r\n", 2);
	return send_all(h->fd, out, n + len + 2);
}

/* Loopback only, and not configurable: there is no authentication here. */
int http_listen(uint16_t *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(a);
	int one = 1, err, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&a, &len)) {
		err = -errno;
		close(fd);
		return err;
	}
	*port = ntohs(a.sin_port);
	return fd;
}

int http_connect(uint16_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int err, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int http_post(struct http *h, const char *path, const char *body, size_t len)
{
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\n\r\n", path, len);
	int err = send_all(h->fd, head, n);

	return err ? err : send_all(h->fd, body, len);
}

int http_get(struct http *h, const char *path)
{
	char head[256];
	int n = snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);

	return send_all(h->fd, head, n);
}

int http_read_status(struct http *h, long *length)
{
	const char *v;
	char *line;
	int err = 0, status;

	*length = 0;
	line = head_line(h, &err);
	if (!line)
		return err ? err : -ECONNRESET;
	if (sscanf(line, "HTTP/1.%*d %d", &status) != 1)
		return -EPROTO;
	while ((line = head_line(h, &err)) && *line) {
		v = header(line, "Content-Length");
		if (v && parse_length(v, length))
			return -EPROTO;
		v = header(line, "Transfer-Encoding");
		if (v && !strcasecmp(v, "chunked"))
			*length = -1;
	}
	return line ? status : (err ? err : -EPROTO);
}

static int next_chunk(struct http *h, struct http_body *b)
{
	char *line, *end;
	int err = 0;

	line = head_line(h, &err);
	/* the line that ends the chunk before */
	if (line && !*line)
		line = head_line(h, &err);
	if (!line)
		return err ? err : -ECONNRESET;
	b->left = strtol(line, &end, 16);
	if (end == line || b->left < 0)
		return -EPROTO;
	if (!b->left) {
		b->last = 1;
		if (!head_line(h, &err))
			return err ? err : -ECONNRESET;
	}
	return 0;
}

/* Next byte of the body across chunk borders; -1 at its end, -errno. */
static int next_byte(struct http *h, struct http_body *b)
{
	int n;

	while (b->left <= 0) {
		if (!b->chunked || b->last)
			return -1;
		n = next_chunk(h, b);
		if (n)
			return n;
	}
	while (h->used == h->have) {
		n = fill(h);
		if (n <= 0)
			return n ? n : -ECONNRESET;
	}
	b->left--;
	return (unsigned char)h->buf[h->used++];
}

int http_read_line(struct http *h, struct http_body *b, char *line, size_t size)
{
	size_t n = 0;
	int c;

	while ((c = next_byte(h, b)) >= 0 && c != '\n')
		if (n + 1 < size)
			line[n++] = c;
	line[n] = 0;
	if (c == '\n' || (c == -1 && n))
		return n;
	return c;
}
