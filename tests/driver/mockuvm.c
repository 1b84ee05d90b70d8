// SPDX-License-Identifier: GPL-2.0-only
/*
 * mockuvm: the second module of mocknvidia, with a device number of its own as the real
 * one. An ioctl returns at once; nothing can be mapped.
 */
#include <linux/fs.h>
#include <linux/module.h>

static int mock_major;

static noinline int uvm_open_entry(struct inode *inode, struct file *file)
{
	return 0;
}

static noinline long uvm_unlocked_ioctl_entry(struct file *file, unsigned int cmd,
					      unsigned long arg)
{
	return cmd ? -EINVAL : 0;
}

static noinline int uvm_mmap_entry(struct file *file, struct vm_area_struct *vma)
{
	return vma->vm_pgoff ? -EINVAL : -ENODEV;
}

static const struct file_operations mock_fops = {
	.owner = THIS_MODULE,
	.open = uvm_open_entry,
	.unlocked_ioctl = uvm_unlocked_ioctl_entry,
	.mmap = uvm_mmap_entry,
};

static int __init mock_init(void)
{
	mock_major = register_chrdev(0, "nvidia-uvm", &mock_fops);
	return mock_major < 0 ? mock_major : 0;
}

static void __exit mock_exit(void)
{
	unregister_chrdev(mock_major, "nvidia-uvm");
}

module_init(mock_init);
module_exit(mock_exit);
MODULE_DESCRIPTION("The second module of NVIDIA's kernel driver, for tests");
MODULE_LICENSE("GPL");
