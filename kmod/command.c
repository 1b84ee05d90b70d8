// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands arrive here from ioctl() and uring.c. What all have in common, size
 * and flags, reserved fields and copying, is done once by table.c. A command
 * function knows nothing of user memory except the arrays its argument points
 * to.
 */
#include <linux/minmax.h>
#include <linux/uaccess.h>

#include "command.h"

/* What every argument starts with. */
struct starling_head {
	u32 size;
	u32 flags;
};

/*
 * Arguments are a few words, and most callers know the structure as it is here:
 * for so little a general copy would cost more than the command. Returns 1
 * when the structure has another size.
 */
static __always_inline int words_in(u64 *to, const u64 __user *from, size_t size)
{
	const struct starling_head *head = (void *)to;
	size_t i, n = size / sizeof(u64);

	if (!user_read_access_begin(from, size))
		return -EFAULT;
	unsafe_get_user(to[0], from, fault);
	if (head->size != size)
		n = 1;
#pragma GCC unroll 4
	for (i = 1; i < n; i++)
		unsafe_get_user(to[i], from + i, fault);
	user_read_access_end();
	return n == 1;
fault:
	user_read_access_end();
	return -EFAULT;
}

static __always_inline int words_out(u64 __user *to, const u64 *from, size_t size)
{
	size_t i;

	if (!user_write_access_begin(to, size))
		return -EFAULT;
#pragma GCC unroll 4
	for (i = 0; i < size / sizeof(u64); i++)
		unsafe_put_user(from[i], to + i, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static noinline long read_other(const struct starling_command *c, const void __user *user,
		       struct starling_head *head)
{
	u32 size = head->size;
	int err;

	if (size < c->min_size)
		return -EINVAL;
	if (size > STARLING_SIZE_MAX)
		return -E2BIG;
	err = copy_struct_from_user(head, c->size, user, size);
	/* It may have been changed since it was checked. */
	head->size = size;
	return err;
}

/* Whole words, but for the padding. */
static __always_inline bool is_zero(const struct starling_command *c, const void *arg)
{
	const u64 *word = arg + c->reserved, *end = arg + c->min_size;
	u64 any = c->pad ? *(const u32 *)(arg + c->pad) : 0;

	while (word < end)
		any |= *word++;
	return !any;
}

static __always_inline long command_read(const struct starling_command *c,
					 const void __user *user, void *arg)
{
	struct starling_head *head = arg;
	long err = words_in(arg, user, c->size);

	if (err > 0)
		err = read_other(c, user, arg);
	if (!err && (head->flags & ~c->flags || !is_zero(c, arg)))
		err = -EINVAL;
	return err;
}

static __always_inline long command_write(const struct starling_command *c, struct file *file,
					  void __user *user, void *arg, long ret)
{
	const struct starling_head *head = arg;
	u32 at = c->out_at, size = head->size;
	bool bad;

	if (ret < 0 || !c->out)
		return ret;
	if (size == c->size)
		bad = words_out(user + at, arg + at, size - at);
	else
		bad = copy_to_user(user + at, arg + at, min_t(u32, size, c->size) - at);
	if (!bad)
		return ret;
	if (c->undo)
		c->undo(file, arg);
	return -EFAULT;
}

/* A checked copy into @arg, which has room for STARLING_ARG_MAX bytes. */
long starling_command_read(const struct starling_command *c, const void __user *user, void *arg)
{
	return command_read(c, user, arg);
}

/* What the caller is told: @ret, unless it cannot be given what it asked for. */
long starling_command_write(const struct starling_command *c, struct file *file,
			    void __user *user, void *arg, long ret)
{
	return command_write(c, file, user, arg, ret);
}

long starling_command_do(const struct starling_command *c, struct file *file,
			 void __user *user)
{
	u64 arg[STARLING_ARG_MAX / sizeof(u64)] __uninitialized;
	long ret;

	if (!c)
		return -ENOTTY;
	ret = command_read(c, user, arg);
	if (ret)
		return ret;
	if (c->start)
		ret = starling_wait_ioctl(c->start, file, arg);
	else
		ret = c->fn(file, arg);
	return command_write(c, file, user, arg, ret);
}

long starling_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return starling_command_do(starling_command_find(file, cmd), file, (void __user *)arg);
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
