// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steps are at fixed times, so how late a change is follows from its own time.
 * What counts as oscillation is a turn, from more to fewer or back: two feeders
 * that come at once may be seen one after the other.
 */
#include "tools/sim/step.h"

#include "tools/sim/check.h"

#define WARM_NS	(20 * S)	/* the first steps teach what a gap is */

/*
 * Taken back by the next wait: the feeder's work before it, then half a
 * millisecond and the daemon's delay. Lent when quiet for 100 ms, seen by one
 * of the rounds, four a second.
 */
#define BACK_MAX_NS	(20 * MS)
#define LENT_MAX_NS	(400 * MS)

static struct {
	uint64_t ns;
	unsigned int most, changes, turns, cpus;
	int way;		/* of the last change: 1 more, -1 fewer */
	uint64_t back_ns, lent_ns;	/* longest */
} st;

void step_expect(uint64_t ns, unsigned int most)
{
	st.ns = ns;
	st.most = most;
}

/* Flaps are to be bridged, so only what lasts is followed in time. */
static void note_delay(int way)
{
	uint64_t late = sim.now % st.ns, max = way > 0 ? BACK_MAX_NS : LENT_MAX_NS;
	uint64_t *longest = way > 0 ? &st.back_ns : &st.lent_ns;

	if (sim.now < WARM_NS || st.ns <= LENT_MAX_NS)
		return;
	if (late > *longest)
		*longest = late;
	if (late > max)
		check_failed("%u CPUs are protected %llu ms after a step, %llu at most are due",
			     st.cpus, (unsigned long long)(late / MS),
			     (unsigned long long)(max / MS));
}

void step_size(unsigned int cpus)
{
	int way = cpus > st.cpus ? 1 : -1;

	if (!st.ns || cpus == st.cpus)
		return;
	st.changes++;
	st.turns += way != st.way;
	st.way = way;
	st.cpus = cpus;
	note_delay(way);
	if (st.turns == st.most + 1)
		check_failed("protection turns for the %uth time", st.turns);
}

json_t *step_report(void)
{
	if (!st.ns)
		return NULL;
	return json_pack("{s:f,s:i,s:i,s:f,s:f}", "every_s", st.ns / 1e9, "changes",
			 (int)st.changes, "turns", (int)st.turns, "back_ms_max",
			 st.back_ns / 1e6, "lent_ms_max", st.lent_ns / 1e6);
}
