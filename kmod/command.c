// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands arrive here from ioctl(). What all of them have in common, size
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

static const struct starling_command *
command_find(const struct starling_command *table, size_t n, unsigned int cmd)
{
	for (; n; n--, table++)
		if (table->cmd == cmd)
			return table;
	return NULL;
}

long starling_command_run(const struct starling_command *table, size_t n,
			  struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct starling_command *c = command_find(table, n, cmd);
	void __user *user = (void __user *)arg;
	u64 buf[STARLING_ARG_MAX / sizeof(u64)];
	struct starling_head *head = (void *)buf;
	u32 size;
	long ret;

	if (!c)
		return -ENOTTY;
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < c->min_size)
		return -EINVAL;
	if (size > STARLING_SIZE_MAX)
		return -E2BIG;
	ret = copy_struct_from_user(buf, c->size, user, size);
	if (ret)
		return ret;
	if (head->flags & ~c->flags)
		return -EINVAL;
	/* It may have been changed since it was checked. */
	head->size = size;
	ret = c->fn(file, buf);
	if (ret < 0 || !c->out)
		return ret;
	return copy_to_user(user, buf, min_t(u32, size, c->size)) ? -EFAULT : ret;
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
