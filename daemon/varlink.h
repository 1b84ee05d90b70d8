/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * varlink.h - the wire format between starlingd and its clients.
 *
 * varlink.org: one JSON object a message, ended by a NUL byte. Calls carry
 * "method" and "parameters", replies "parameters" or "error" + "parameters".
 * The daemon and the tools both use this file, and only this file.
 */
#ifndef STARLING_VARLINK_H
#define STARLING_VARLINK_H

#include <jansson.h>
#include <stddef.h>

#define VARLINK_REQUEST_MAX	(64 * 1024)
#define VARLINK_REPLY_MAX	(8 * 1024 * 1024)

#define CONTROL_INTERFACE	"org.starling.Control"
#define VARLINK_INTERFACE	"org.varlink.service"

/* Errors of ours; the caller's exit code follows from the name. */
#define CONTROL_ERR_PERMISSION	CONTROL_INTERFACE ".PermissionDenied"
#define CONTROL_ERR_NO_TASK	CONTROL_INTERFACE ".NoSuchTask"
#define CONTROL_ERR_FAILED	CONTROL_INTERFACE ".Failed"

/*
 * Messages. The make functions steal @params (NULL: none) and return a new
 * reference or NULL when out of memory.
 */
json_t *varlink_make_call(const char *method, json_t *params);
json_t *varlink_make_reply(json_t *params);
json_t *varlink_make_error(const char *name, json_t *params);

/* @msg as text with its NUL; *@len counts the NUL. free() it. NULL: no memory */
char *varlink_encode(const json_t *msg, size_t *len);
/* One message of @len bytes, without the NUL. NULL: no JSON object */
json_t *varlink_decode(const char *text, size_t len);

/*
 * One call, one answer, over the socket at @path. Steals @params. Returns 0
 * and the reply's parameters in *@out; 1 and the error's parameters with its
 * name added as "error"; or -errno when nobody answers.
 */
int varlink_call(const char *path, const char *method, json_t *params,
		 json_t **out);
/*
 * The same where the answer is the administrator's word, and @path perhaps whoever's:
 * -EPERM, and nothing is asked, if it is not root who listens there.
 */
int varlink_call_root(const char *path, const char *method, json_t *params,
		      json_t **out);

#endif
