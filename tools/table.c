// SPDX-License-Identifier: GPL-2.0-only
#include "tools/table.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include "tools/cli.h"

void table_int(const json_t *row, const char *key, char *buf, size_t len)
{
	if (field_known(row, key))
		snprintf(buf, len, "%lld", field_int(row, key));
}

void table_real(const json_t *row, const char *key, char *buf, size_t len)
{
	if (field_known(row, key))
		snprintf(buf, len, "%.2f", field_real(row, key));
}

void table_yes(const json_t *row, const char *key, char *buf, size_t len)
{
	if (field_known(row, key))
		snprintf(buf, len, "%s", json_is_true(json_object_get(row, key)) ? "yes" : "no");
}

static int add_row(struct libscols_table *tb, const struct column *columns,
		   const json_t *row)
{
	struct libscols_line *line = scols_table_new_line(tb, NULL);
	char buf[128];

	if (!line)
		return -ENOMEM;
	for (size_t i = 0; columns[i].head; i++) {
		const struct column *c = &columns[i];

		strcpy(buf, "-");
		if (c->format)
			c->format(row, c->key, buf, sizeof(buf));
		else
			snprintf(buf, sizeof(buf), "%s", field_text(row, c->key));
		if (scols_line_set_data(line, i, buf))
			return -ENOMEM;
	}
	return 0;
}

int table_print(const struct column *columns, const json_t *rows, bool head)
{
	struct libscols_table *tb = scols_new_table();
	const json_t *row;
	size_t i;
	int err = tb ? 0 : -ENOMEM;

	for (i = 0; !err && columns[i].head; i++)
		if (!scols_table_new_column(tb, columns[i].head, 0, columns[i].flags))
			err = -ENOMEM;
	json_array_foreach(rows, i, row)
		if (!err)
			err = add_row(tb, columns, row);
	if (!err) {
		scols_table_enable_noheadings(tb, !head);
		err = scols_print_table(tb);
	}
	scols_unref_table(tb);
	return err;
}
