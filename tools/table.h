/* SPDX-License-Identifier: GPL-2.0-only */
/* table.h - rows of JSON objects as a table for people. */
#ifndef STARLING_TABLE_H
#define STARLING_TABLE_H

#include <jansson.h>
#include <libsmartcols.h>
#include <stdbool.h>
#include <stddef.h>

/* One column; an array of them ends with one without @head. "-": not known. */
struct column {
	const char *head;
	const char *key;
	int flags;	/* SCOLS_FL_x */
	/* NULL: the field's text as it is */
	void (*format)(const json_t *row, const char *key, char *buf, size_t len);
};

void table_int(const json_t *row, const char *key, char *buf, size_t len);
void table_real(const json_t *row, const char *key, char *buf, size_t len);
void table_yes(const json_t *row, const char *key, char *buf, size_t len);

/* Prints it. @head: with headings. 0 or -errno. */
int table_print(const struct column *columns, const json_t *rows, bool head);

#endif
