// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon wakes for three things: the clock (four times a second while a
 * feeder is active or a model is computed, once a second otherwise), events
 * that cannot wait, and people on the control socket.
 */
#include "daemon/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include "daemon/log.h"
#include "daemon/manage.h"

enum {
	TICK_ACTIVE_US = 250 * 1000,
	TICK_QUIET_US = 1000 * 1000,
	TICK_SOON_US = 50 * 1000,
	PULSE_US = 500 * 1000,		/* a scheduler that is put out is missed by then */
};

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void once_in(sd_event_source *source, uint64_t us)
{
	sd_event_source_set_time_relative(source, us);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Between rounds that are far apart, a placer that may lose its means is looked after. */
static void tick_in(struct daemon *d, uint64_t us)
{
	once_in(d->tick, us);
	if (us > PULSE_US && d->placer && d->placer_ops->beat)
		once_in(d->pulse, PULSE_US);
}

/*
 * While a feeder or an engine is active the clock is fast enough for what time alone
 * changes; while all are quiet, sleep no longer than until then.
 */
static uint64_t next_tick_us(const struct daemon *d)
{
	uint64_t now = now_ns(), at = d->plan.recheck_ns, us = TICK_QUIET_US;

	if (d->plan.feeders_active || d->plan.inference_active || d->moved)
		return TICK_ACTIVE_US;
	if (at && at < now + us * 1000)
		us = at > now ? (at - now) / 1000 : 0;
	return us > TICK_SOON_US ? us : TICK_SOON_US;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *d = ctx;

	(void)source;
	(void)usec;
	manage_round(d);
	tick_in(d, next_tick_us(d));
	return 0;
}

static int on_pulse(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	manage_beat(ctx);
	return 0;
}

static int on_sense(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct daemon *d = ctx;
	uint64_t begin = now_ns();
	int err = sense_dispatch(d->sense);

	(void)fd;
	(void)events;
	if (err < 0) {
		log_warn("no more events: %s; going on by the clock alone",
			 strerror(-err));
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	manage_slow("events", begin);
	if (d->hurry) {
		/* the path around a new feeder is worth an early look */
		manage_hurry(d);
		tick_in(d, TICK_SOON_US);
	}
	return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *si,
		   void *ctx)
{
	struct daemon *d = ctx;

	(void)source;
	log_debug("stopping on signal %u", si->ssi_signo);
	return sd_event_exit(d->event, 0);
}

/* There is no configuration to read again: said once, for who expects it. */
static int on_hup(sd_event_source *source, const struct signalfd_siginfo *si,
		  void *ctx)
{
	(void)source;
	(void)si;
	(void)ctx;
	log_info("SIGHUP: there is no configuration to read again");
	return 0;
}

static int add_signals(struct daemon *d)
{
	static const struct {
		int signo;
		sd_event_signal_handler_t fn;
	} table[] = {
		{ SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_hup },
	};
	sigset_t set;
	int err;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		sigaddset(&set, table[i].signo);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		err = sd_event_add_signal(d->event, NULL, table[i].signo,
					  table[i].fn, d);
		if (err < 0)
			return err;
	}
	return 0;
}

int loop_open(struct daemon *d)
{
	int err = sd_event_new(&d->event);

	if (err < 0)
		return err;
	err = add_signals(d);
	if (err >= 0)
		err = sd_event_add_time_relative(d->event, &d->tick, CLOCK_MONOTONIC,
						 0, 1000, on_tick, d);
	if (err >= 0)
		err = sd_event_add_time_relative(d->event, &d->pulse, CLOCK_MONOTONIC,
						 0, 1000, on_pulse, d);
	if (err >= 0 && sense_fd(d->sense) >= 0)
		err = sd_event_add_io(d->event, NULL, sense_fd(d->sense), EPOLLIN,
				      on_sense, d);
	if (err < 0)
		return err;
	sd_event_set_watchdog(d->event, true);
	return 0;
}

int loop_run(struct daemon *d)
{
	int err;

	sd_notify(0, "READY=1");
	err = sd_event_loop(d->event);
	sd_notify(0, "STOPPING=1");
	return err;
}

void loop_close(struct daemon *d)
{
	sd_event_source_unref(d->pulse);
	sd_event_source_unref(d->tick);
	sd_event_unref(d->event);
}
