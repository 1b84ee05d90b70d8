/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - what differs between kernels 6.1 and 7.3. Kbuild finds out by
 * looking at the headers and defines HAVE_*.
 */
#ifndef STARLING_COMPAT_H
#define STARLING_COMPAT_H

#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched.h>

#ifdef HAVE_VM_FLAGS_MOD
#define starling_vm_flags(vma, set, clear)	vm_flags_mod(vma, set, clear)
#else
static inline void starling_vm_flags(struct vm_area_struct *vma,
				     unsigned long set, unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

/*
 * pidfd_pid() is not there for modules. A pidfd is the one kind of file on
 * pidfs; before that file system it was an anonymous inode, told from others
 * by a name that only the kernel gives.
 */
#ifdef HAVE_PIDFS
static inline struct pid *starling_pidfd_pid(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	return inode->i_sb->s_magic == PID_FS_MAGIC ? inode->i_private : NULL;
}
#else
static inline struct pid *starling_pidfd_pid(const struct file *file)
{
	const struct dentry *dentry = file->f_path.dentry;

	if (dentry->d_sb->s_magic != ANON_INODE_FS_MAGIC ||
	    strcmp(dentry->d_name.name, "[pidfd]"))
		return NULL;
	return file->private_data;
}
#endif

/* Threads that the kernel made for a process: they see no fork hook. */
#ifdef PF_USER_WORKER
#define STARLING_PF_WORKER	(PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER)
#else
#define STARLING_PF_WORKER	(PF_KTHREAD | PF_IO_WORKER)
#endif

/* Arguments of the sched_process_exit tracepoint, for its probe. */
#ifdef HAVE_EXIT_GROUP_DEAD
#define STARLING_EXIT_ARGS	void *data, struct task_struct *task, bool group_dead
#else
#define STARLING_EXIT_ARGS	void *data, struct task_struct *task
#endif

#endif
