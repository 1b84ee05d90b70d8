/* SPDX-License-Identifier: GPL-2.0-only */
/* command.h - the commands of a descriptor, one table row each. */
#ifndef STARLING_COMMAND_H
#define STARLING_COMMAND_H

#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <uapi/linux/starling.h>

#define STARLING_ARG_MAX	256
/* The most that is looked through for something not known here. */
#define STARLING_SIZE_MAX	4096

/**
 * struct starling_command - one command
 * @cmd:	its number
 * @size:	of its argument as known here
 * @min_size:	of its argument in the first version of the ABI
 * @flags:	those known
 * @out:	the argument is written back on success
 * @fn:		does it; @arg is a copy in kernel memory
 */
struct starling_command {
	u32 cmd;
	u16 size;
	u16 min_size;
	u32 flags;
	bool out;
	long (*fn)(struct file *file, void *arg);
};

#define STARLING_COMMAND(_cmd, _fn, _struct, _last, _flags, _out) {	\
	.cmd = (_cmd),							\
	.size = sizeof(struct _struct) +				\
		BUILD_BUG_ON_ZERO(sizeof(struct _struct) > STARLING_ARG_MAX), \
	.min_size = offsetofend(struct _struct, _last),			\
	.flags = (_flags),						\
	.out = (_out),							\
	.fn = (_fn),							\
}

#define starling_is_zero(field)	(!memchr_inv(&(field), 0, sizeof(field)))

long starling_command_run(const struct starling_command *table, size_t n,
			  struct file *file, unsigned int cmd, unsigned long arg);

int starling_record_out(u64 to, u32 to_size, const void *from, size_t size);
long starling_get_info(struct file *file, void *arg);

#endif
