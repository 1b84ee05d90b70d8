/* SPDX-License-Identifier: GPL-2.0-only */
/* command.h - the commands of a descriptor, one table row each. */
#ifndef STARLING_COMMAND_H
#define STARLING_COMMAND_H

#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <uapi/linux/starling.h>

#include "wait.h"

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
	bool out;
	long (*fn)(struct file *file, void *arg);
	starling_start_t start;
	void (*undo)(struct file *file, void *arg);
	bool slow;
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

/* The same for a command that goes through long lists. */
#define STARLING_COMMAND_SLOW(_cmd, _fn, _struct, _last, _flags) {	\
	.cmd = (_cmd),							\
	.size = sizeof(struct _struct) +				\
		BUILD_BUG_ON_ZERO(sizeof(struct _struct) > STARLING_ARG_MAX), \
	.min_size = offsetofend(struct _struct, _last),			\
	.flags = (_flags),						\
	.out = true,							\
	.fn = (_fn),							\
	.slow = true,							\
}

/* The same for a command that may wait; what follows are further members. */
#define STARLING_COMMAND_WAIT(_cmd, _start, _struct, _last, _flags, ...) { \
	.cmd = (_cmd),							\
	.size = sizeof(struct _struct) +				\
		BUILD_BUG_ON_ZERO(sizeof(struct _struct) > STARLING_ARG_MAX), \
	.min_size = offsetofend(struct _struct, _last),			\
	.flags = (_flags),						\
	.out = true,							\
	.start = (_start),						\
	__VA_ARGS__							\
}

#define starling_is_zero(field)	(!memchr_inv(&(field), 0, sizeof(field)))

const struct starling_command *
starling_command_find(const struct starling_command *table, size_t n, unsigned int cmd);
long starling_command_read(const struct starling_command *c, const void __user *user, void *arg);
long starling_command_write(const struct starling_command *c, struct file *file,
			    void __user *user, void *arg, long ret);
long starling_command_do(const struct starling_command *c, struct file *file,
			 void __user *user);
long starling_command_run(const struct starling_command *table, size_t n,
			  struct file *file, unsigned int cmd, unsigned long arg);

int starling_record_out(u64 to, u32 to_size, const void *from, size_t size);
long starling_get_info(struct file *file, void *arg);

#endif
