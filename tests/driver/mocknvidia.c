// SPDX-License-Identifier: GPL-2.0-only
/*
 * mocknvidia: NVIDIA's kernel driver as seen from outside, for tests: its devices'
 * numbers, and functions of the same names behind them. It drives nothing.
 *
 * A write of MICROSECONDS has the file's event come after that time; poll() tells it,
 * once, as the real one does. An ioctl takes as many microseconds as its argument says.
 * One page can be mapped. A read tells what was done so far, by all: "OPENS IOCTLS
 * IOCTL-NS MAPS PASSES", the last being calls of the poll function.
 */
#include <linux/cdev.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define MOCK_MAJOR	195
#define MOCK_MINORS	256
#define MOCK_US_MAX	5000000

struct mock_file {
	wait_queue_head_t queue;
	struct delayed_work event;
	atomic_t pending;
};

static struct {
	struct cdev cdev;
	struct page *page;
	atomic64_t opens;
	atomic64_t ioctls;
	atomic64_t ioctl_ns;
	atomic64_t maps;
	atomic64_t passes;
} mock;

static void mock_event(struct work_struct *work)
{
	struct mock_file *f = container_of(to_delayed_work(work), struct mock_file, event);

	atomic_set(&f->pending, 1);
	wake_up_interruptible(&f->queue);
}

static noinline int nvidia_open(struct inode *inode, struct file *file)
{
	struct mock_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	init_waitqueue_head(&f->queue);
	INIT_DELAYED_WORK(&f->event, mock_event);
	file->private_data = f;
	atomic64_inc(&mock.opens);
	return 0;
}

static int nvidia_close(struct inode *inode, struct file *file)
{
	struct mock_file *f = file->private_data;

	cancel_delayed_work_sync(&f->event);
	kfree(f);
	return 0;
}

static noinline long nvidia_unlocked_ioctl(struct file *file, unsigned int cmd, unsigned long us)
{
	ktime_t begin = ktime_get();

	if (us > MOCK_US_MAX)
		return -EINVAL;
	if (us)
		usleep_range(us, us + us / 16 + 1);
	atomic64_inc(&mock.ioctls);
	atomic64_add(ktime_to_ns(ktime_sub(ktime_get(), begin)), &mock.ioctl_ns);
	return 0;
}

static noinline int nvidia_mmap(struct file *file, struct vm_area_struct *vma)
{
	atomic64_inc(&mock.maps);
	if (vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;
	return vm_insert_page(vma, vma->vm_start, mock.page);
}

static noinline __poll_t nvidia_poll(struct file *file, poll_table *wait)
{
	struct mock_file *f = file->private_data;

	atomic64_inc(&mock.passes);
	if (!(file->f_flags & O_NONBLOCK))
		poll_wait(file, &f->queue, wait);
	return atomic_xchg(&f->pending, 0) ? EPOLLIN | EPOLLPRI : 0;
}

static ssize_t mock_write(struct file *file, const char __user *text, size_t len, loff_t *pos)
{
	struct mock_file *f = file->private_data;
	unsigned int us;
	int err = kstrtouint_from_user(text, len, 10, &us);

	if (err)
		return err;
	if (us > MOCK_US_MAX)
		return -EINVAL;
	schedule_delayed_work(&f->event, usecs_to_jiffies(us));
	return len;
}

static ssize_t mock_read(struct file *file, char __user *text, size_t len, loff_t *pos)
{
	char buf[128];
	int n = scnprintf(buf, sizeof(buf), "%lld %lld %lld %lld %lld\n",
			  (long long)atomic64_read(&mock.opens),
			  (long long)atomic64_read(&mock.ioctls),
			  (long long)atomic64_read(&mock.ioctl_ns),
			  (long long)atomic64_read(&mock.maps),
			  (long long)atomic64_read(&mock.passes));

	return simple_read_from_buffer(text, len, pos, buf, n);
}

static const struct file_operations mock_fops = {
	.owner = THIS_MODULE,
	.open = nvidia_open,
	.release = nvidia_close,
	.unlocked_ioctl = nvidia_unlocked_ioctl,
	.mmap = nvidia_mmap,
	.poll = nvidia_poll,
	.read = mock_read,
	.write = mock_write,
};

static int __init mock_init(void)
{
	dev_t first = MKDEV(MOCK_MAJOR, 0);
	int err;

	mock.page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!mock.page)
		return -ENOMEM;
	err = register_chrdev_region(first, MOCK_MINORS, "nvidia");
	if (err)
		goto out_page;
	cdev_init(&mock.cdev, &mock_fops);
	mock.cdev.owner = THIS_MODULE;
	err = cdev_add(&mock.cdev, first, MOCK_MINORS);
	if (!err)
		return 0;
	unregister_chrdev_region(first, MOCK_MINORS);
out_page:
	__free_page(mock.page);
	return err;
}

static void __exit mock_exit(void)
{
	cdev_del(&mock.cdev);
	unregister_chrdev_region(MKDEV(MOCK_MAJOR, 0), MOCK_MINORS);
	__free_page(mock.page);
}

module_init(mock_init);
module_exit(mock_exit);
MODULE_DESCRIPTION("NVIDIA's kernel driver as seen from outside, for tests");
MODULE_LICENSE("GPL");
