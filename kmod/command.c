// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands arrive here from ioctl() and uring.c. What all have in common, size
 * and flags and copying, is done once by table; see "Commands" in
 * uapi/linux/starling.h for the rules. A command function knows nothing of
 * user memory except the arrays its argument points to.
 */
#include <linux/minmax.h>
#include <linux/uaccess.h>

#include "command.h"

/* What every argument starts with. */
struct starling_head {
	u32 size;
	u32 flags;
};

const struct starling_command *
starling_command_find(const struct starling_command *table, size_t n, unsigned int cmd)
{
	for (; n; n--, table++)
		if (table->cmd == cmd)
			return table;
	return NULL;
}

/* A checked copy into @arg, which has room for STARLING_ARG_MAX bytes. */
long starling_command_read(const struct starling_command *c, const void __user *user, void *arg)
{
	struct starling_head *head = arg;
	u32 size;
	int err;

	if (get_user(size, (const u32 __user *)user))
		return -EFAULT;
	if (size < c->min_size)
		return -EINVAL;
	if (size > STARLING_SIZE_MAX)
		return -E2BIG;
	err = copy_struct_from_user(arg, c->size, user, size);
	if (err)
		return err;
	if (head->flags & ~c->flags)
		return -EINVAL;
	/* It may have been changed since it was checked. */
	head->size = size;
	return 0;
}

/* What the caller is told: @ret, unless it cannot be given what it asked for. */
long starling_command_write(const struct starling_command *c, struct file *file,
			    void __user *user, void *arg, long ret)
{
	const struct starling_head *head = arg;

	if (ret < 0 || !c->out)
		return ret;
	if (!copy_to_user(user, arg, min_t(u32, head->size, c->size)))
		return ret;
	if (c->undo)
		c->undo(file, arg);
	return -EFAULT;
}

long starling_command_do(const struct starling_command *c, struct file *file,
			 void __user *user)
{
	u64 arg[STARLING_ARG_MAX / sizeof(u64)];
	long ret = starling_command_read(c, user, arg);

	if (ret)
		return ret;
	if (c->start)
		ret = starling_wait_ioctl(c->start, file, arg);
	else
		ret = c->fn(file, arg);
	return starling_command_write(c, file, user, arg, ret);
}

long starling_command_run(const struct starling_command *table, size_t n,
			  struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct starling_command *c = starling_command_find(table, n, cmd);

	return c ? starling_command_do(c, file, (void __user *)arg) : -ENOTTY;
}

/* One record into an array whose owner may know a longer or a shorter one. */
int starling_record_out(u64 to, u32 to_size, const void *from, size_t size)
{
	void __user *user = u64_to_user_ptr(to);

	if (copy_to_user(user, from, min_t(size_t, to_size, size)))
		return -EFAULT;
	if (to_size > size && clear_user(user + size, to_size - size))
		return -EFAULT;
	return 0;
}
