// SPDX-License-Identifier: GPL-2.0-only
/*
 * mockgpu: a GPU that does nothing but take its time, behind the kernel's own GPU
 * scheduler. What is seen of it from outside is what a real one shows.
 *
 * Each open file of /dev/mockgpu is a client. A write of "COUNT MICROSECONDS" queues
 * that many jobs of that length, and returns when they are done. A read tells what
 * the client's jobs have had: "JOBS QUEUED-NS RUN-NS", the times that they waited for
 * the device and were in work on it.
 */
#include <linux/dma-fence.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <drm/gpu_scheduler.h>

/* Jobs that the device is handed at once: it does them one after the other. */
#define MOCK_DEPTH	3
#define MOCK_COUNT_MAX	1000
#define MOCK_US_MAX	5000000

struct mock_client {
	struct drm_sched_entity entity;
	struct kref ref;
	wait_queue_head_t idle;
	unsigned int pending;		/* these four: mock.lock */
	u64 jobs;
	u64 queue_ns;
	u64 run_ns;
};

/* Outlives its job, as the scheduler may still look at it. */
struct mock_fence {
	struct dma_fence base;		/* first: freed by its address */
	spinlock_t lock;
};

struct mock_job {
	struct drm_sched_job base;
	struct mock_client *client;
	struct mock_fence *fence;
	struct list_head link;
	unsigned int us;
	ktime_t queued;
	ktime_t began;
};

static struct {
	struct drm_gpu_scheduler sched;
	u64 context;
	atomic_t seqno;
	spinlock_t lock;
	struct list_head jobs;		/* handed over; the first is in work */
	struct hrtimer timer;
} mock;

static const char *mock_driver_name(struct dma_fence *fence)
{
	return "mockgpu";
}

static const char *mock_timeline_name(struct dma_fence *fence)
{
	return "mock0";
}

static const struct dma_fence_ops mock_fence_ops = {
	.get_driver_name = mock_driver_name,
	.get_timeline_name = mock_timeline_name,
};

static void mock_client_free(struct kref *ref)
{
	kfree(container_of(ref, struct mock_client, ref));
}

/* -- the device --------------------------------------------------------------- */

/* mock.lock is held. */
static void mock_begin(struct mock_job *job, ktime_t now)
{
	job->began = now;
	hrtimer_start(&mock.timer, ktime_add_us(now, job->us), HRTIMER_MODE_ABS);
}

/* mock.lock is held. */
static void mock_account(struct mock_job *job, ktime_t now)
{
	struct mock_client *c = job->client;

	c->jobs++;
	c->queue_ns += ktime_to_ns(ktime_sub(job->began, job->queued));
	c->run_ns += ktime_to_ns(ktime_sub(now, job->began));
	c->pending--;
	wake_up(&c->idle);
}

static enum hrtimer_restart mock_done(struct hrtimer *timer)
{
	ktime_t now = ktime_get();
	struct mock_job *job, *next;
	struct mock_fence *fence;
	unsigned long flags;

	spin_lock_irqsave(&mock.lock, flags);
	job = list_first_entry(&mock.jobs, struct mock_job, link);
	list_del(&job->link);
	fence = job->fence;
	mock_account(job, now);
	next = list_first_entry_or_null(&mock.jobs, struct mock_job, link);
	if (next)
		mock_begin(next, now);
	spin_unlock_irqrestore(&mock.lock, flags);
	/* from here on the job may be freed */
	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
	return HRTIMER_NORESTART;
}

static struct dma_fence *mock_run_job(struct drm_sched_job *base)
{
	struct mock_job *job = container_of(base, struct mock_job, base);
	struct mock_fence *fence = job->fence;
	unsigned long flags;

	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &mock_fence_ops, &fence->lock, mock.context,
		       atomic_inc_return(&mock.seqno));
	/* one reference is the device's, the other the scheduler's */
	dma_fence_get(&fence->base);
	spin_lock_irqsave(&mock.lock, flags);
	list_add_tail(&job->link, &mock.jobs);
	if (list_is_singular(&mock.jobs))
		mock_begin(job, ktime_get());
	spin_unlock_irqrestore(&mock.lock, flags);
	return &fence->base;
}

static void mock_free_job(struct drm_sched_job *base)
{
	struct mock_job *job = container_of(base, struct mock_job, base);

	drm_sched_job_cleanup(base);
	kref_put(&job->client->ref, mock_client_free);
	kfree(job);
}

/* No job takes as long as the timeout. */
static enum drm_gpu_sched_stat mock_timedout_job(struct drm_sched_job *base)
{
	WARN_ON(1);
	return DRM_GPU_SCHED_STAT_ENODEV;
}

static const struct drm_sched_backend_ops mock_ops = {
	.run_job = mock_run_job,
	.timedout_job = mock_timedout_job,
	.free_job = mock_free_job,
};

/* -- its clients -------------------------------------------------------------- */

static int mock_submit(struct mock_client *c, unsigned int us)
{
	struct mock_job *job = kzalloc(sizeof(*job), GFP_KERNEL);
	struct mock_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	int err = job && fence ? 0 : -ENOMEM;

	if (!err)
		err = drm_sched_job_init(&job->base, &c->entity, 1, NULL, (uintptr_t)c);
	if (err) {
		kfree(fence);
		kfree(job);
		return err;
	}
	kref_get(&c->ref);
	job->client = c;
	job->fence = fence;
	job->us = us;
	spin_lock_irq(&mock.lock);
	c->pending++;
	spin_unlock_irq(&mock.lock);
	drm_sched_job_arm(&job->base);
	job->queued = ktime_get();
	drm_sched_entity_push_job(&job->base);
	return 0;
}

static bool mock_is_idle(struct mock_client *c)
{
	bool idle;

	spin_lock_irq(&mock.lock);
	idle = !c->pending;
	spin_unlock_irq(&mock.lock);
	return idle;
}

static ssize_t mock_write(struct file *file, const char __user *text, size_t len, loff_t *pos)
{
	struct mock_client *c = file->private_data;
	unsigned int count, us;
	char buf[32] = {};
	int err = 0;

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, text, len))
		return -EFAULT;
	if (sscanf(buf, "%u %u", &count, &us) != 2 || !count || count > MOCK_COUNT_MAX ||
	    !us || us > MOCK_US_MAX)
		return -EINVAL;
	while (count-- && !err)
		err = mock_submit(c, us);
	wait_event(c->idle, mock_is_idle(c));
	return err ? err : len;
}

static ssize_t mock_read(struct file *file, char __user *text, size_t len, loff_t *pos)
{
	struct mock_client *c = file->private_data;
	char buf[96];
	int n;

	spin_lock_irq(&mock.lock);
	n = scnprintf(buf, sizeof(buf), "%llu %llu %llu\n", c->jobs, c->queue_ns, c->run_ns);
	spin_unlock_irq(&mock.lock);
	return simple_read_from_buffer(text, len, pos, buf, n);
}

static int mock_open(struct inode *inode, struct file *file)
{
	struct mock_client *c = kzalloc(sizeof(*c), GFP_KERNEL);
	struct drm_gpu_scheduler *list = &mock.sched;
	int err;

	if (!c)
		return -ENOMEM;
	kref_init(&c->ref);
	init_waitqueue_head(&c->idle);
	err = drm_sched_entity_init(&c->entity, DRM_SCHED_PRIORITY_NORMAL, &list, 1, NULL);
	if (err) {
		kfree(c);
		return err;
	}
	file->private_data = c;
	return 0;
}

static int mock_release(struct inode *inode, struct file *file)
{
	struct mock_client *c = file->private_data;

	drm_sched_entity_destroy(&c->entity);
	kref_put(&c->ref, mock_client_free);
	return 0;
}

static const struct file_operations mock_fops = {
	.owner = THIS_MODULE,
	.open = mock_open,
	.release = mock_release,
	.read = mock_read,
	.write = mock_write,
};

static struct miscdevice mock_misc = {
	.minor = MISC_DYNAMIC_MINOR, .name = "mockgpu", .fops = &mock_fops, .mode = 0666,
};

static int mock_sched_init(struct device *dev)
{
#ifdef HAVE_SCHED_INIT_ARGS
	const struct drm_sched_init_args args = {
		.ops = &mock_ops, .num_rqs = DRM_SCHED_PRIORITY_COUNT,
		.credit_limit = MOCK_DEPTH, .timeout = MAX_SCHEDULE_TIMEOUT,
		.name = "mock0", .dev = dev,
	};

	return drm_sched_init(&mock.sched, &args);
#else
	return drm_sched_init(&mock.sched, &mock_ops, NULL, DRM_SCHED_PRIORITY_COUNT, MOCK_DEPTH,
			      0, MAX_SCHEDULE_TIMEOUT, NULL, NULL, "mock0", dev);
#endif
}

static void mock_timer_init(void)
{
#ifdef HAVE_HRTIMER_SETUP
	hrtimer_setup(&mock.timer, mock_done, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
#else
	hrtimer_init(&mock.timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	mock.timer.function = mock_done;
#endif
}

static int __init mock_init(void)
{
	int err;

	spin_lock_init(&mock.lock);
	INIT_LIST_HEAD(&mock.jobs);
	mock.context = dma_fence_context_alloc(1);
	mock_timer_init();
	err = misc_register(&mock_misc);
	if (err)
		return err;
	err = mock_sched_init(mock_misc.this_device);
	if (err)
		misc_deregister(&mock_misc);
	return err;
}

static void __exit mock_exit(void)
{
	misc_deregister(&mock_misc);
	drm_sched_fini(&mock.sched);
	hrtimer_cancel(&mock.timer);
}

module_init(mock_init);
module_exit(mock_exit);
MODULE_DESCRIPTION("A GPU that takes its time, behind the kernel's GPU scheduler");
MODULE_LICENSE("GPL");
