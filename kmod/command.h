/* SPDX-License-Identifier: GPL-2.0-only */
/* command.h - the commands, one row each in table.c. */
#ifndef STARLING_COMMAND_H
#define STARLING_COMMAND_H

#include <linux/build_bug.h>
#include <linux/fs.h>
#include <uapi/linux/starling.h>

#include "wait.h"

struct io_uring_cmd;

#define STARLING_ARG_MAX	312
/* The most that is looked through for something not known here. */
#define STARLING_SIZE_MAX	4096

/* On which kind of file there is a command. */
#define STARLING_ON_DEVICE	1
#define STARLING_ON_AGENT	2
#define STARLING_ON_BOTH	3

/**
 * struct starling_command - one command; the table has it at its number
 * @cmd:	its number
 * @size:	of its argument as known here
 * @min_size:	of its argument in the first version of the ABI
 * @reserved:	what is between here and @min_size must be zero, in words
 * @pad:	so must these four bytes; 0: there are none
 * @on:		STARLING_ON_x
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
	u16 reserved;
	u16 pad;
	u32 flags;
	u8 on;
	u16 out_at;
	bool out;
	bool slow;
	long (*fn)(struct file *file, void *arg);
	starling_start_t start;
	void (*undo)(struct file *file, void *arg);
};

const struct starling_command *starling_command_find(const struct file *file, unsigned int cmd);
long starling_command_read(const struct starling_command *c, const void __user *user, void *arg);
long starling_command_write(const struct starling_command *c, struct file *file,
			    void __user *user, void *arg, long ret);
long starling_command_do(const struct starling_command *c, struct file *file,
			 void __user *user);
long starling_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
int starling_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

int starling_record_out(u64 to, u32 to_size, const void *from, size_t size);
long starling_get_info(struct file *file, void *arg);

#endif
