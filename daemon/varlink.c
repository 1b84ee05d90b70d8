// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/varlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { CALL_TIMEOUT_S = 10, READ_CHUNK = 16 * 1024 };

static json_t *make(const char *key, const char *name, json_t *params)
{
	json_t *msg = json_object();

	if (!params)
		params = json_object();
	if (key)
		json_object_set_new(msg, key, json_string(name));
	if (json_object_set_new(msg, "parameters", params)) {
		json_decref(msg);
		return NULL;
	}
	return msg;
}

json_t *varlink_make_call(const char *method, json_t *params)
{
	return make("method", method, params);
}

json_t *varlink_make_reply(json_t *params)
{
	return make(NULL, NULL, params);
}

json_t *varlink_make_error(const char *name, json_t *params)
{
	return make("error", name, params);
}

char *varlink_encode(const json_t *msg, size_t *len)
{
	char *text = json_dumps(msg, JSON_COMPACT | JSON_REAL_PRECISION(9));

	if (text)
		*len = strlen(text) + 1;
	return text;
}

json_t *varlink_decode(const char *text, size_t len)
{
	json_t *msg = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (msg && !json_is_object(msg)) {
		json_decref(msg);
		return NULL;
	}
	return msg;
}

static int call_connect(const char *path)
{
	struct timeval limit = { .tv_sec = CALL_TIMEOUT_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int call_send(int fd, json_t *msg)
{
	size_t len, done = 0;
	char *text = msg ? varlink_encode(msg, &len) : NULL;
	int err = 0;

	if (!text)
		return -ENOMEM;
	while (done < len) {
		ssize_t n = send(fd, text + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = -errno;
			break;
		}
		done += n;
	}
	free(text);
	return err;
}

/* Read up to the first NUL. The peer sends one message and then waits. */
static int call_receive(int fd, char **out, size_t *out_len)
{
	size_t len = 0, room = 0;
	char *buf = NULL, *grown;
	ssize_t n;
	int err;

	for (;;) {
		if (len + READ_CHUNK > room) {
			room = room ? room * 2 : 2 * READ_CHUNK;
			err = -EMSGSIZE;
			if (room > VARLINK_REPLY_MAX)
				goto out_free;
			err = -ENOMEM;
			grown = realloc(buf, room);
			if (!grown)
				goto out_free;
			buf = grown;
		}
		n = recv(fd, buf + len, READ_CHUNK, 0);
		if (n < 0 && errno == EINTR)
			continue;
		err = n ? -errno : -ECONNRESET;
		if (n <= 0)
			goto out_free;
		len += n;
		if (!buf[len - 1])
			break;
	}
	*out = buf;
	*out_len = len - 1;
	return 0;
out_free:
	free(buf);
	return err;
}

/* Take the answer apart; 0, 1 (an error of the peer) or -EPROTO. */
static int call_answer(json_t *msg, json_t **out)
{
	json_t *params = json_object_get(msg, "parameters");
	json_t *error = json_object_get(msg, "error");

	if (params && !json_is_object(params))
		return -EPROTO;
	if (error && !json_is_string(error))
		return -EPROTO;
	*out = params ? json_incref(params) : json_object();
	if (!error)
		return 0;
	json_object_set(*out, "error", error);
	return 1;
}

/* Who called listen(): the other end cannot choose what is said of it. */
static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && !peer.uid;
}

static int exchange(int fd, json_t *msg, json_t **out)
{
	char *text = NULL;
	json_t *answer;
	size_t len = 0;
	int ret;

	ret = call_send(fd, msg);
	if (!ret)
		ret = call_receive(fd, &text, &len);
	if (ret)
		return ret;
	answer = varlink_decode(text, len);
	free(text);
	ret = answer ? call_answer(answer, out) : -EPROTO;
	json_decref(answer);
	return ret;
}

static int call(const char *path, const char *method, json_t *params, json_t **out,
		bool of_root)
{
	json_t *msg = varlink_make_call(method, params);
	int fd = call_connect(path), ret = fd;

	if (fd >= 0) {
		ret = of_root && !is_root(fd) ? -EPERM : exchange(fd, msg, out);
		close(fd);
	}
	json_decref(msg);
	return ret;
}

int varlink_call(const char *path, const char *method, json_t *params,
		 json_t **out)
{
	return call(path, method, params, out, false);
}

int varlink_call_root(const char *path, const char *method, json_t *params,
		      json_t **out)
{
	return call(path, method, params, out, true);
}
