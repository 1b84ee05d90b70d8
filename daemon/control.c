// SPDX-License-Identifier: GPL-2.0-only
/*
 * Anybody on the machine may connect, so nothing a client does may hold the
 * loop up or grow without bound: at most 32 clients, the longest quiet one
 * makes room for a new one; one request buffer of 64 KiB each; while an
 * answer is not taken, the client is not read.
 */
#include "daemon/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "daemon/log.h"
#include "daemon/varlink.h"

struct client {
	struct control *control;
	sd_event_source *source;
	int fd;			/* -1: free slot */
	struct ucred peer;
	uint64_t last_ns;
	char *in;
	size_t in_len;
	char *out;
	size_t out_len;
	size_t out_done;
};

struct control {
	struct daemon *d;
	sd_event_source *source;
	int fd;
	struct client client[CONTROL_CLIENTS_MAX];
};

static void client_close(struct client *cl)
{
	if (cl->fd < 0)
		return;
	sd_event_source_unref(cl->source);
	close(cl->fd);
	free(cl->in);
	free(cl->out);
	*cl = (struct client){ .control = cl->control, .fd = -1 };
}

/* Send what is pending. 0: all sent, 1: some left, -errno. */
static int client_flush(struct client *cl)
{
	while (cl->out_done < cl->out_len) {
		ssize_t n = send(cl->fd, cl->out + cl->out_done,
				 cl->out_len - cl->out_done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n < 0)
			return -errno;
		cl->out_done += n;
	}
	free(cl->out);
	cl->out = NULL;
	cl->out_len = cl->out_done = 0;
	return 0;
}

/* Answer one message. 0: next one, 1: answer pending, -errno: drop. */
static int client_message(struct client *cl, size_t len)
{
	struct daemon *d = cl->control->d;
	json_t *call = varlink_decode(cl->in, len), *answer;
	bool drop = false;

	if (!call)
		return -EPROTO;
	answer = method_answer(d, &cl->peer, call, &drop);
	json_decref(call);
	if (!answer)
		return drop ? -EPROTO : 0;
	cl->out = varlink_encode(answer, &cl->out_len);
	json_decref(answer);
	return cl->out ? client_flush(cl) : -ENOMEM;
}

/* Answer all whole messages in the buffer, as far as answers are taken. */
static int client_work(struct client *cl)
{
	char *end;
	int ret;

	while (!cl->out && cl->in_len &&
	       (end = memchr(cl->in, '\0', cl->in_len))) {
		size_t len = end - cl->in;

		ret = client_message(cl, len);
		if (ret < 0)
			return ret;
		cl->in_len -= len + 1;
		memmove(cl->in, end + 1, cl->in_len);
	}
	if (!cl->out && cl->in_len == VARLINK_REQUEST_MAX)
		return -EMSGSIZE;
	return sd_event_source_set_io_events(cl->source,
					     cl->out ? EPOLLOUT : EPOLLIN);
}

static int client_read(struct client *cl)
{
	ssize_t n = recv(cl->fd, cl->in + cl->in_len,
			 VARLINK_REQUEST_MAX - cl->in_len, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ECONNRESET;
	cl->in_len += n;
	return 0;
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct client *cl = ctx;
	int ret = 0;

	(void)source;
	(void)fd;
	cl->last_ns = now_ns();
	if (events & EPOLLOUT)
		ret = client_flush(cl);
	else if (events & EPOLLIN)
		ret = client_read(cl);
	else
		ret = -ECONNRESET;
	if (ret >= 0)
		ret = client_work(cl);
	if (ret < 0)
		client_close(cl);
	return 0;
}

/* A free slot; else that of the client that has been quiet for longest. */
static struct client *slot(struct control *c)
{
	struct client *oldest = &c->client[0];

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->client[i].fd < 0)
			return &c->client[i];
		if (c->client[i].last_ns < oldest->last_ns)
			oldest = &c->client[i];
	}
	client_close(oldest);
	return oldest;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct control *c = ctx;
	socklen_t len = sizeof(struct ucred);
	struct client *cl;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (conn < 0)
		return 0;
	cl = slot(c);
	cl->fd = conn;
	cl->last_ns = now_ns();
	cl->in = malloc(VARLINK_REQUEST_MAX);
	if (!cl->in ||
	    getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cl->peer, &len) ||
	    sd_event_add_io(c->d->event, &cl->source, conn, EPOLLIN, on_client, cl) < 0)
		client_close(cl);
	return 0;
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* we hold the lock: a socket that lies here belongs to nobody */
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    chmod(path, 0666) || listen(fd, SOMAXCONN)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int control_open(struct control **out, struct daemon *d)
{
	struct control *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->d = d;
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		c->client[i].control = c;
		c->client[i].fd = -1;
	}
	c->fd = listen_on(d->socket_path);
	if (c->fd < 0) {
		err = c->fd;
		goto out_free;
	}
	err = sd_event_add_io(d->event, &c->source, c->fd, EPOLLIN, on_connect, c);
	if (err < 0)
		goto out_close;
	*out = c;
	return 0;
out_close:
	close(c->fd);
	unlink(d->socket_path);
out_free:
	free(c);
	return err;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		client_close(&c->client[i]);
	sd_event_source_unref(c->source);
	close(c->fd);
	unlink(c->d->socket_path);
	free(c);
}
