/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mappings of the GPU driver's library, and of ggml's part that computes on CPUs
 * (llama.cpp, whisper.cpp, ollama), wherever a copy lies: the daemon has to put
 * probes into each before the program waits or computes for long.
 *
 * A mapping can be seen as it is made, where the kernel lets functions be
 * traced, or else just before, when its file is read.
 */
#ifndef STARLING_LIBRARY_BPF_H
#define STARLING_LIBRARY_BPF_H

static __always_inline bool is_cuda(const char *name)
{
	return name[0] == 'c' && name[1] == 'u' && name[2] == 'd' && name[3] == 'a' &&
	       name[4] == '.' && name[5] == 's' && name[6] == 'o';
}

/* One a kind of CPU: libggml-cpu.so, libggml-cpu-haswell.so. */
static __always_inline bool is_ggml(const char *name)
{
	return name[0] == 'g' && name[1] == 'g' && name[2] == 'm' && name[3] == 'l' &&
	       name[4] == '-' && name[5] == 'c' && name[6] == 'p' && name[7] == 'u';
}

static __always_inline bool known_name(const unsigned char *at)
{
	char name[16] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), at);
	return name[0] == 'l' && name[1] == 'i' && name[2] == 'b' &&
	       (is_cuda(name + 3) || is_ggml(name + 3));
}

/*
 * Each process once, until the daemon has put probes in: one that only read the
 * file, as a backup, must not hide the next one, which uses it. The daemon
 * forgets those that it could not probe.
 */
static __always_inline void report_library(struct inode *inode)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct probe_lib lib = {};
	struct probe_event *ev;
	u32 me = p->tgid, *last;

	lib.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	lib.ino = BPF_CORE_READ(inode, i_ino);
	last = bpf_map_lookup_elem(&libs, &lib);
	if (last && (!*last || *last == me))
		return;
	ev = event_new(PROBE_LIB_MAPPED);
	if (!ev)
		return;
	ev->tid = p->pid;
	ev->tgid = me;
	ev->dev = lib.dev;
	ev->ino = lib.ino;
	bpf_map_update_elem(&libs, &lib, &me, BPF_ANY);
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
}

/* After each new mapping. */
SEC("fentry/perf_event_mmap")
int BPF_PROG(on_mmap, struct vm_area_struct *vma)
{
	struct file *file = vma->vm_file;

	if (file && known_name(BPF_CORE_READ(file, f_path.dentry, d_name.name)))
		report_library(BPF_CORE_READ(file, f_inode));
	return 0;
}

/*
 * At reads of a file's start: loaders read the header before they map. Files
 * too small to be one of these are most of what is read, and not looked at.
 */
#define LIBRARY_MIN_BYTES	16384

SEC("tp_btf/mm_filemap_get_pages")
int BPF_PROG(on_read, struct address_space *mapping, unsigned long index)
{
	struct inode *inode;
	const unsigned char *name;

	if (index)
		return 0;
	inode = mapping->host;
	if (inode->i_size < LIBRARY_MIN_BYTES)
		return 0;
	name = inode_name(inode);
	if (name && known_name(name))
		report_library(inode);
	return 0;
}

#endif
