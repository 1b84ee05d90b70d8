// SPDX-License-Identifier: GPL-2.0-only
/*
 * `agentload serve`: an inference server with the endpoints clients of OpenAI's
 * completions API use. One thread per connection reads, tokenises, queues and
 * streams; the engine's feeder thread is the only one that touches the GPU.
 */
#include "agentload.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"
#include "http.h"
#include "serve.h"
#include "util.h"

enum { MAX_CONNS = 128, MAX_TOKENS = 32768, TOKENIZE_NS = 2000 };

struct server {
	struct engine_config cfg;
	struct engine *engine;
	uint16_t port;
	const char *timeline;
	/* connections: the lock guards fds and live */
	pthread_mutex_t lock;
	pthread_cond_t gone;
	int fds[MAX_CONNS], live;
	unsigned long long next_id;
};

static struct server srv = {
	.cfg = { .wait = GPU_WAIT_SPIN, .t1_ms = 3.7, .prefill_tps = 11500, .host_us = 250,
		 .max_batch = 16, .seed = 1 },
	.lock = PTHREAD_MUTEX_INITIALIZER, .gone = PTHREAD_COND_INITIALIZER,
};

int serve_error(struct http *h, int status, const char *what)
{
	json_t *j = json_pack("{s:{s:s,s:s}}", "error", "message", what, "type",
			      status < 500 ? "invalid_request_error" : "server_error");
	char *text = json_dumps(j, JSON_COMPACT);
	int err = text ? http_reply(h, status, "application/json", text, status != 400) : -ENOMEM;

	free(text);
	json_decref(j);
	return err;
}

int serve_json(struct http *h, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9));
	int err = text ? http_reply(h, 200, "application/json", text, 1) : -ENOMEM;

	free(text);
	json_decref(j);
	return err;
}

/* a token is some four bytes of text; an array of token numbers is taken as is */
unsigned int serve_count_tokens(const json_t *prompt)
{
	size_t n = json_is_array(prompt) ? json_array_size(prompt) :
					   (json_string_length(prompt) + 3) / 4;

	burn_cpu(n * TOKENIZE_NS);
	return n ? n : 1;
}

const char *serve_limit(struct completion *c, const json_t *max)
{
	json_int_t n = max ? json_integer_value(max) : 16;

	if (max && (!json_is_integer(max) || n < 1 || n > MAX_TOKENS))
		return "max_tokens must be from 1 to 32768";
	c->rq.max_tokens = n;
	return NULL;
}

const char *serve_prompt(struct completion *c, unsigned int tokens)
{
	c->rq.prompt = tokens;
	return tokens > 262144 ? "the prompt is longer than 262144 tokens" : NULL;
}

static const char *parse_completion(struct completion *c, const char *body)
{
	json_t *j = json_loads(body, 0, NULL), *prompt;
	const char *wrong = NULL;

	if (!j)
		return "the body is not JSON";
	prompt = json_object_get(j, "prompt");
	if (!json_is_string(prompt) && !json_is_array(prompt))
		wrong = "prompt must be a string or an array of tokens";
	else
		wrong = serve_limit(c, json_object_get(j, "max_tokens"));
	if (!wrong) {
		wrong = serve_prompt(c, serve_count_tokens(prompt));
		c->stream = json_is_true(json_object_get(j, "stream"));
	}
	json_decref(j);
	return wrong;
}

/* Text that looks like text; which word comes is a function of its place. */
static const char *const words[] = {
	" the", " core", " that", " feeds", " it", " never", " waits", " for", " tools", ",",
	" and", " each", " agent", " runs", " where", " there", " is", " room", ".", " so",
};

static const char *token_text(unsigned long long id, unsigned int n)
{
	return words[(id * 7 + n * 13 + n / 20) % ARRAY_SIZE(words)];
}

json_t *serve_usage(const struct completion *c)
{
	return json_pack("{s:i,s:i,s:i,s:f}", "prompt_tokens", c->rq.prompt, "completion_tokens",
			 c->rq.published, "total_tokens", c->rq.prompt + c->rq.published,
			 "gpu_ms", c->rq.gpu_ns / 1e6);
}

static int send_token(struct http *h, const struct completion *c, unsigned int n, int last)
{
	char line[512];
	int len = snprintf(line, sizeof(line),
		"data: {\"id\":\"cmpl-%llu\",\"object\":\"text_completion\","
		"\"model\":\"" SERVE_MODEL "\","
		"\"choices\":[{\"index\":0,\"text\":\"%s\",\"finish_reason\":%s}]}\n\n",
		c->id, token_text(c->id, n), last ? "\"length\"" : "null");

	return http_send_chunk(h, line, len);
}

static int send_end(struct http *h, const struct completion *c, int ok)
{
	static const char done[] = "data: [DONE]\n\n";
	json_t *usage = serve_usage(c);
	char *text = json_dumps(usage, JSON_COMPACT), line[512];
	int len, err;

	len = snprintf(line, sizeof(line),
		       "data: {\"id\":\"cmpl-%llu\",\"choices\":[],%s\"usage\":%s}\n\n", c->id,
		       ok ? "" : "\"error\":\"the server is stopping\",", text ? text : "{}");
	err = http_send_chunk(h, line, len);
	if (!err)
		err = http_send_chunk(h, done, sizeof(done) - 1);
	if (!err)
		err = http_send_chunk(h, NULL, 0);
	free(text);
	json_decref(usage);
	return err;
}

/* Several tokens may be ready when this thread was late; each is sent by itself. */
static int stream_tokens(struct http *h, struct completion *c)
{
	unsigned int sent = 0, have;
	int finished = 0, err;

	err = http_begin_stream(h, "text/event-stream");
	while (!err && !finished) {
		have = engine_wait(srv.engine, &c->rq, sent, &finished);
		while (!err && sent < have) {
			err = send_token(h, c, sent, sent + 1 == c->rq.max_tokens);
			sent++;
		}
	}
	if (!finished)
		engine_cancel(srv.engine, &c->rq);
	if (!err)
		err = send_end(h, c, !c->rq.cancelled);
	return err;
}

json_t *serve_text(struct completion *c)
{
	unsigned int have = 0, i;
	int finished = 0;
	size_t len = 0;
	json_t *text;
	char *out;

	while (!finished)
		have = engine_wait(srv.engine, &c->rq, have, &finished);
	out = malloc((size_t)have * 8 + 1);
	if (c->rq.cancelled || !out) {
		free(out);
		return NULL;
	}
	for (i = 0; i < have; i++)
		len += sprintf(out + len, "%s", token_text(c->id, i));
	text = json_stringn(out, len);
	free(out);
	return text;
}

static int whole_answer(struct http *h, struct completion *c)
{
	json_t *text = serve_text(c), *j;
	char id[32];

	if (!text)
		return serve_error(h, 503, "the server is stopping");
	snprintf(id, sizeof(id), "cmpl-%llu", c->id);
	j = json_pack("{s:s,s:s,s:s,s:[{s:i,s:o,s:s}],s:o}", "id", id, "object",
		      "text_completion", "model", SERVE_MODEL, "choices", "index", 0, "text", text,
		      "finish_reason", "length", "usage", serve_usage(c));
	return serve_json(h, j);
}

int serve_run(struct http *h, struct completion *c,
	      int (*answer)(struct http *h, struct completion *c))
{
	int err;

	c->id = __atomic_add_fetch(&srv.next_id, 1, __ATOMIC_RELAXED);
	err = engine_submit(srv.engine, &c->rq);
	if (err)
		err = serve_error(h, 503, err == -EBUSY ? "the queue is full, try again later" :
							  "the server is stopping");
	else
		err = answer(h, c);
	pthread_cond_destroy(&c->rq.wake);
	return err;
}

static int completions(struct http *h, const char *body)
{
	struct completion c = { 0 };
	const char *wrong = parse_completion(&c, body);

	if (wrong)
		return serve_error(h, 400, wrong);
	return serve_run(h, &c, c.stream ? stream_tokens : whole_answer);
}

static int get_models(struct http *h, const char *body)
{
	(void)body;
	return serve_json(h, json_pack("{s:s,s:[{s:s,s:s,s:s}]}", "object", "list", "data", "id",
				       SERVE_MODEL, "object", "model", "owned_by", "starling"));
}

static int get_health(struct http *h, const char *body)
{
	(void)body;
	return serve_json(h, json_pack("{s:s}", "status", "ok"));
}

static int get_stats(struct http *h, const char *body)
{
	(void)body;
	return serve_json(h, engine_stats(srv.engine));
}

static int get_timeline(struct http *h, const char *body)
{
	(void)body;
	return serve_json(h, engine_timeline(srv.engine));
}

/* /stats and /timeline are ours, the rest is what OpenAI's clients expect */
static const struct endpoint {
	const char *method, *path;
	int (*handle)(struct http *h, const char *body);
} endpoints[] = {
	{ "POST", "/v1/completions", completions },
	{ "POST", "/v1/chat/completions", serve_chat },
	{ "GET", "/v1/models", get_models },
	{ "GET", "/health", get_health },
	{ "GET", "/stats", get_stats },
	{ "GET", "/timeline", get_timeline },
};

static int dispatch(struct http *h, const struct http_request *rq, const char *body)
{
	int known = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(endpoints); i++) {
		if (strcmp(rq->path, endpoints[i].path))
			continue;
		if (!strcmp(rq->method, endpoints[i].method))
			return endpoints[i].handle(h, body);
		known = 1;
	}
	return known ? serve_error(h, 405, "wrong method for this path") :
		       serve_error(h, 404, "no such path; POST /v1/completions is the main one");
}

/* 1: go on with this connection */
static int serve_one(struct http *h)
{
	struct http_request rq;
	int err = http_read_request(h, &rq);
	char *body;

	if (err == -EPROTO)
		serve_error(h, 400, "not an HTTP/1.1 request with a Content-Length");
	if (err <= 0)
		return 0;
	if (rq.length > HTTP_MAX_BODY) {
		serve_error(h, 413, "the body is longer than 1 MiB");
		return 0;
	}
	body = malloc(rq.length + 1);
	err = body ? http_read_body(h, body, rq.length) : -ENOMEM;
	if (!err)
		err = dispatch(h, &rq, body);
	free(body);
	return !err && rq.keep_alive;
}

/* Owns its slot of srv.fds until it has closed the socket. */
static void *connection(void *arg)
{
	int *slot = arg;
	struct http *h = malloc(sizeof(*h));

	pthread_setname_np(pthread_self(), "http");
	if (h) {
		http_init(h, *slot);
		while (!stop_flag && serve_one(h))
			;
	}
	free(h);
	pthread_mutex_lock(&srv.lock);
	close(*slot);
	*slot = -1;
	srv.live--;
	pthread_cond_signal(&srv.gone);
	pthread_mutex_unlock(&srv.lock);
	return NULL;
}

/* Without a free slot the connection is closed at once: the client may try again. */
static void accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), i;
	pthread_attr_t attr;
	pthread_t thread;

	if (fd < 0)
		return;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 << 10);
	pthread_mutex_lock(&srv.lock);
	for (i = 0; i < MAX_CONNS && srv.fds[i] >= 0; i++)
		;
	if (i < MAX_CONNS) {
		srv.fds[i] = fd;
		if (pthread_create(&thread, &attr, connection, &srv.fds[i]))
			srv.fds[i] = -1;
		else
			srv.live++;
	}
	if (i == MAX_CONNS || srv.fds[i] < 0)
		close(fd);
	pthread_mutex_unlock(&srv.lock);
	pthread_attr_destroy(&attr);
}

static void write_timeline(void)
{
	json_t *j = engine_timeline(srv.engine);

	if (json_dump_file(j, srv.timeline, JSON_COMPACT))
		warn("cannot write %s: %s", srv.timeline, strerror(errno));
	json_decref(j);
}

/* Connections wait for their sockets or for the engine: end both, then wait. */
static int stop_serving(void)
{
	int i, err;

	if (srv.timeline)
		write_timeline();
	pthread_mutex_lock(&srv.lock);
	for (i = 0; i < MAX_CONNS; i++)
		if (srv.fds[i] >= 0)
			shutdown(srv.fds[i], SHUT_RDWR);
	pthread_mutex_unlock(&srv.lock);
	err = engine_stop(srv.engine);
	pthread_mutex_lock(&srv.lock);
	while (srv.live)
		pthread_cond_wait(&srv.gone, &srv.lock);
	pthread_mutex_unlock(&srv.lock);
	engine_free(srv.engine);
	return err ? EXIT_FAIL : EXIT_OK;
}

static int serve(void)
{
	int i, listener = http_listen(&srv.port);
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	sigset_t set, old;

	if (listener == -EADDRINUSE)
		warn("port %u is in use: choose another with --port, 0 picks a free one", srv.port);
	else if (listener < 0)
		warn("cannot listen on 127.0.0.1:%u: %s", srv.port, strerror(-listener));
	if (listener < 0)
		return EXIT_FAIL;
	for (i = 0; i < MAX_CONNS; i++)
		srv.fds[i] = -1;
	/* signals only ever reach this thread, inside ppoll(): none is missed */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	stop_on_signals();
	pthread_sigmask(SIG_BLOCK, &set, &old);
	srv.engine = engine_start(&srv.cfg);
	if (!srv.engine)
		return EXIT_FAIL;
	printf("listening on http://127.0.0.1:%u, GPU: %s%s\n", srv.port,
	       engine_gpu(srv.engine)->name,
	       engine_gpu(srv.engine)->emulated ? " (EMULATED GPU)" : "");
	fflush(stdout);
	while (!stop_flag)
		if (ppoll(&pfd, 1, NULL, &old) > 0)
			accept_one(listener);
	close(listener);
	return stop_serving();
}

static void parse_serve(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "wait", required_argument, NULL, 'w' },
		{ "t1-ms", required_argument, NULL, 't' },
		{ "prefill-tps", required_argument, NULL, 'f' },
		{ "host-us", required_argument, NULL, 'u' },
		{ "eager", required_argument, NULL, 'e' },
		{ "max-batch", required_argument, NULL, 'b' },
		{ "timeline", required_argument, NULL, 'T' },
		{ "record", no_argument, NULL, 'R' },
		{ "with-parent", no_argument, NULL, 'P' },
		{ 0 },
	};
	struct engine_config *cfg = &srv.cfg;
	int c;

	srv.port = 8000;
	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (c) {
		case 'p':
			srv.port = opt_u64("port", optarg, 0, 65535);
			break;
		case 'w':
			cfg->wait = opt_gpu_wait(optarg);
			break;
		case 't':
			cfg->t1_ms = opt_double("t1-ms", optarg, 0.01, 1000);
			break;
		case 'f':
			cfg->prefill_tps = opt_double("prefill-tps", optarg, 1, 1e7);
			break;
		case 'u':
			cfg->host_us = opt_double("host-us", optarg, 0, 1e5);
			break;
		case 'e':
			cfg->eager = opt_u64("eager", optarg, 1, 4096);
			break;
		case 'b':
			cfg->max_batch = opt_u64("max-batch", optarg, 1, ENGINE_MAX_BATCH);
			break;
		case 'T':
			srv.timeline = optarg;
			cfg->timeline = 1;
			break;
		case 'R':
			cfg->timeline = 1;
			break;
		case 'P':
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		bad_usage("serve: what is '%s'?", argv[optind]);
}

int cmd_serve(int argc, char **argv)
{
	parse_serve(argc, argv);
	return serve();
}
