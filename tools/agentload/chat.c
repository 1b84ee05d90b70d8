// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chat endpoint, for frameworks that know no other. The model has one
 * habit: offered tools, it calls the first one, once for each thing its user
 * said; with the tool's answer before it, it talks.
 */
#include "agentload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve.h"
#include "util.h"

static const char *role_of(const json_t *message)
{
	const char *role = json_string_value(json_object_get(message, "role"));

	return role ? role : "";
}

/* Content is a string, or parts of which some have text. */
static unsigned int count_content(const json_t *content)
{
	unsigned int n = 0;
	json_t *part;
	size_t i;

	if (json_is_string(content))
		return serve_count_tokens(content);
	json_array_foreach(content, i, part)
		n += serve_count_tokens(json_object_get(part, "text"));
	return n;
}

static unsigned int count_messages(const json_t *messages)
{
	unsigned int n = 0;
	json_t *message;
	size_t i;

	json_array_foreach(messages, i, message)
		n += count_content(json_object_get(message, "content"));
	return n ? n : 1;
}

static json_t *first_tool(const json_t *body)
{
	const json_t *messages = json_object_get(body, "messages");
	const json_t *last = json_array_get(messages, json_array_size(messages) - 1);

	if (strcmp(role_of(last), "user"))
		return NULL;
	return json_object_get(json_array_get(json_object_get(body, "tools"), 0), "function");
}

/* Something of the right type for everything that the tool must have. */
static json_t *make_arguments(const json_t *tool)
{
	const json_t *parameters = json_object_get(tool, "parameters");
	const json_t *properties = json_object_get(parameters, "properties");
	json_t *out = json_object(), *name;
	const char *type;
	size_t i;

	json_array_foreach(json_object_get(parameters, "required"), i, name) {
		type = json_string_value(json_object_get(
			json_object_get(properties, json_string_value(name)), "type"));
		json_object_set_new(out, json_string_value(name),
				    type && !strcmp(type, "string") ? json_string("core") :
								      json_integer(1));
	}
	return out;
}

static json_t *tool_message(const json_t *tool, unsigned long long id)
{
	json_t *arguments = make_arguments(tool), *message;
	char *text = json_dumps(arguments, JSON_COMPACT), call[32];

	snprintf(call, sizeof(call), "call-%llu", id);
	message = json_pack("{s:s,s:n,s:[{s:s,s:s,s:{s:s?,s:s?}}]}", "role", "assistant", "content",
			    "tool_calls", "id", call, "type", "function", "function", "name",
			    json_string_value(json_object_get(tool, "name")), "arguments", text);
	free(text);
	json_decref(arguments);
	return message;
}

static int answer(struct http *h, struct completion *c)
{
	json_t *text = serve_text(c), *tool = first_tool(c->ctx), *message;
	char id[32];

	if (!text)
		return serve_error(h, 503, "the server is stopping");
	message = tool ? tool_message(tool, c->id) :
		json_pack("{s:s,s:O}", "role", "assistant", "content", text);
	json_decref(text);
	snprintf(id, sizeof(id), "chatcmpl-%llu", c->id);
	return serve_json(h, json_pack("{s:s,s:s,s:i,s:s,s:[{s:i,s:o,s:s}],s:o}", "id", id,
				       "object", "chat.completion", "created",
				       (int)time(NULL), "model",
				       SERVE_MODEL, "choices", "index", 0, "message", message,
				       "finish_reason", tool ? "tool_calls" : "stop", "usage",
				       serve_usage(c)));
}

static const char *parse(struct completion *c, const json_t *body)
{
	const json_t *messages = json_object_get(body, "messages");
	const json_t *max = json_object_get(body, "max_completion_tokens");
	const char *wrong;

	if (!json_array_size(messages))
		return "messages must be an array with at least one message";
	if (json_is_true(json_object_get(body, "stream")))
		return "chat is not streamed here; /v1/completions is";
	wrong = serve_limit(c, json_is_null(max) || !max ?
			    json_object_get(body, "max_tokens") : max);
	return wrong ? wrong : serve_prompt(c, count_messages(messages));
}

int serve_chat(struct http *h, const char *text)
{
	json_t *body = json_loads(text, 0, NULL);
	struct completion c = { .ctx = body };
	const char *wrong = body ? parse(&c, body) : "the body is not JSON";
	int err;

	err = wrong ? serve_error(h, 400, wrong) : serve_run(h, &c, answer);
	json_decref(body);
	return err;
}
