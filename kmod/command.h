/* SPDX-License-Identifier: GPL-2.0-only */
/* command.h - the commands of a descriptor, one table row each. */
#ifndef STARLING_COMMAND_H
#define STARLING_COMMAND_H

#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/stddef.h>
#include <uapi/linux/starling.h>

#include "wait.h"

#define STARLING_ARG_MAX	312
/* The most that is looked through for something not known here. */
#define STARLING_SIZE_MAX	4096

/**
 * struct starling_command - one command; a table has it at its number
 * @cmd:	its number
 * @size:	of its argument as known here
 * @min_size:	of its argument in the first version of the ABI
 * @flags:	those known
 * @out:	the argument is written back on success, from @out_at on
 * @fn:		does it; @arg is a copy in kernel memory
 * @start:	the same for one that may wait: it begins it, and @fn is NULL
 * @undo:	takes back what it did when its caller cannot be told; may be NULL
 * @slow:	may take long and does not ask who the caller is: io_uring has a
 *		worker do it
 */
struct starling_command {
	u32 cmd;
	u16 size;
	u16 min_size;
	u32 flags;
	u16 out_at;
	bool out;
	bool slow;
	long (*fn)(struct file *file, void *arg);
	starling_start_t start;
	void (*undo)(struct file *file, void *arg);
};

/* What follows are further members. */
#define STARLING_COMMAND_ROW(_cmd, _struct, _last, _flags, ...)	\
	[_IOC_NR(_cmd)] = {						\
		.cmd = (_cmd),						\
		.size = sizeof(struct _struct) +			\
			BUILD_BUG_ON_ZERO(sizeof(struct _struct) > STARLING_ARG_MAX) + \
			BUILD_BUG_ON_ZERO(sizeof(struct _struct) % sizeof(u64)), \
		.min_size = offsetofend(struct _struct, _last),		\
		.flags = (_flags),					\
		__VA_ARGS__						\
	}

#define STARLING_COMMAND(_cmd, _fn, _struct, _last, _flags, _out)	\
	STARLING_COMMAND_ROW(_cmd, _struct, _last, _flags, .fn = (_fn), .out = (_out))

/* The same for a command that goes through long lists. */
#define STARLING_COMMAND_SLOW(_cmd, _fn, _struct, _last, _flags)	\
	STARLING_COMMAND_ROW(_cmd, _struct, _last, _flags, .fn = (_fn), .out = true, \
			     .slow = true)

/* The same for a command that may wait; what follows are further members. */
#define STARLING_COMMAND_WAIT(_cmd, _start, _struct, _last, _flags, ...) \
	STARLING_COMMAND_ROW(_cmd, _struct, _last, _flags, .start = (_start), .out = true, \
			     ##__VA_ARGS__)

/* Reserved fields and names, in whole words. */
static inline bool starling_words_are_zero(const u64 *word, size_t n)
{
	u64 any = 0;

	while (n--)
		any |= *word++;
	return !any;
}

#define starling_is_zero(field)						\
	starling_words_are_zero((const u64 *)&(field), sizeof(field) / sizeof(u64) + \
				BUILD_BUG_ON_ZERO(sizeof(field) % sizeof(u64)))

/* NULL: there is none in this table, @n rows long. */
static inline const struct starling_command *
starling_command_find(const struct starling_command *table, size_t n, unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd);

	if (nr >= n)
		return NULL;
	table += array_index_nospec(nr, n);
	return table->cmd == cmd ? table : NULL;
}

long starling_command_read(const struct starling_command *c, const void __user *user, void *arg);
long starling_command_write(const struct starling_command *c, struct file *file,
			    void __user *user, void *arg, long ret);
long starling_command_do(const struct starling_command *c, struct file *file,
			 void __user *user);

int starling_record_out(u64 to, u32 to_size, const void *from, size_t size);
long starling_get_info(struct file *file, void *arg);

#endif
