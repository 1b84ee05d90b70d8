// SPDX-License-Identifier: GPL-2.0-only
/* Whose GPU time and energy it is: each part of it once. */
#include <string.h>
#include "daemon/account.h"
#include "daemon/machine.h"
#include "daemon/sense/gpu/gpus.h"
#include "daemon/sense/gpu/ledger.h"
#include "daemon/sense/gpu/link.h"
#include "tests/unit/unit.h"

/* What the daemon would have from its other parts. */
static struct gpu_ledger ledger;
static struct gpu_sample sample;
static bool silent;
static struct gpu_account account[2];

const struct gpus *sense_gpus(const struct sense *s)
{
	(void)s;
	return (const struct gpus *)&ledger;
}

const struct gpu_link *gpus_link(const struct gpus *g)
{
	return (const struct gpu_link *)g;
}

const struct gpu_ledger *gpus_ledger(const struct gpus *g)
{
	(void)g;
	return &ledger;
}

const struct gpu_sample *gpu_link_sample(const struct gpu_link *l)
{
	(void)l;
	return silent ? NULL : &sample;
}

int sense_leases(struct sense *s, uint32_t gpu, struct starling_lease_stat *stat,
		 const struct starling_lease_record **lease, size_t *n)
{
	(void)s;
	(void)gpu;
	(void)stat;
	(void)lease;
	(void)n;
	return -1;
}

void machine_mark(struct recent *idle, uint64_t now)
{
	(void)idle;
	(void)now;
}

/* -- a scene: a server and two agents --------------------------------------------- */

enum { SERVER = 10, ONE = 20, TWO = 30 };

static struct daemon d;
static uint64_t now;

static void put_task(uint32_t pid, uint64_t agent)
{
	struct task *t = task_get(&d.tasks, pid);

	t->tgid = t->rec.tid = t->rec.tgid = pid;
	t->rec.agent_id = agent;
	if (agent)
		agent_get(&d.agents, agent, S);
}

static struct agent *agent(uint64_t id)
{
	return agent_find(&d.agents, id);
}

static int set_up(void **state)
{
	(void)state;
	memset(&d, 0, sizeof(d));
	memset(&ledger, 0, sizeof(ledger));
	memset(account, 0, sizeof(account));
	memset(&sample, 0, sizeof(sample));
	d.topo.ncpu = 4;
	ledger.ndevice = 1;
	silent = false;
	now = 100 * S;
	put_task(SERVER, 0);
	put_task(ONE, 1);
	put_task(TWO, 2);
	cost_round(&d, now);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	HASH_CLEAR(hh, ledger.head);
	task_table_free(&d.tasks);
	agent_table_free(&d.agents);
	edge_table_free(&d.edges);
	return 0;
}

static struct gpu_value value(uint64_t n, bool estimated, unsigned int source)
{
	return (struct gpu_value){
		.n = n, .known = true, .estimated = estimated, .source = source,
	};
}

static void wakes(uint32_t waker, uint32_t wakee, uint64_t count)
{
	struct sense_edge e = {
		.waker = waker, .waker_tgid = waker, .wakee = wakee, .wakee_tgid = wakee,
		.count = count,
	};

	edge_add(&d.edges, &e, 1);
}

/* A second passes in which agent 1 ran for that long. */
static void pass(uint64_t run_ns)
{
	now += S;
	agent(1)->run_ns += run_ns;
	cost_round(&d, now);
}

/* In which the driver tells of process @pid as well; it used a joule. */
static void work(unsigned int i, uint32_t pid, uint64_t busy_ns, uint64_t run_ns)
{
	struct gpu_account *a = &account[i];

	if (!a->pid) {
		a->pid = pid;
		HASH_ADD(hh, ledger.head, pid, sizeof(a->pid), a);
	}
	a->seen = ++ledger.round;
	a->busy = value(a->busy.n + busy_ns, false, STARLING_FROM_DRIVER);
	a->energy = value(a->energy.n + 1000000, true, STARLING_FROM_DRIVER);
	a->new_busy = busy_ns;
	a->new_energy = 1000000;
	ledger.device[0].busy = value(ledger.device[0].busy.n + busy_ns, false,
					STARLING_FROM_DRIVER);
	sample.from_ns = now;
	sample.to_ns = now + S;
	pass(run_ns);
}

static void assert_near(double is, double is_to_be)
{
	if (is < is_to_be * 0.999 - 1e-9 || is > is_to_be * 1.001 + 1e-9)
		fail_msg("%f, not %f", is, is_to_be);
}

static double gpu_s(uint64_t id)
{
	struct gpu_value v = agent_gpu(agent(id));

	assert_true(v.known);
	return v.n / 1e9;
}

/* -- tests -------------------------------------------------------------------------- */

static void test_unknown(void **state)
{
	(void)state;
	pass(S);
	assert_false(agent_gpu(agent(1)).known);
	assert_true(cost_of_agent(agent(1), now).ever == 0);
	assert_true(cost_of_machine(&d, now).ever == 0);
	assert_false(cost_gpu(&d).known);
	assert_false(agent(1)->cost.energy.known || agent(1)->cost.cpu_energy.known);
}

static void test_own(void **state)
{
	(void)state;
	work(0, ONE, S / 2, S / 4);
	assert_near(gpu_s(1), 0.5);
	assert_false(agent_gpu(agent(1)).estimated);
	assert_int_equal(agent_gpu(agent(1)).source, STARLING_FROM_DRIVER);
	assert_near(agent(1)->cost.energy.n, 1e6);
	/* no new sample: nothing is booked twice */
	pass(S / 4);
	assert_near(gpu_s(1), 0.5);
	assert_near(cost_of_agent(agent(1), now).ever, 1);
	assert_near(cost_of_machine(&d, now).ever, 1);
	assert_near(cost_of_machine(&d, now).recent, 1);
}

/* What a process has had stays its agent's; also what is told after its end. */
static void test_ended(void **state)
{
	(void)state;
	account[0].agent_id = 1;
	work(0, ONE, S / 2, 0);
	task_drop(&d.tasks, task_find(&d.tasks, ONE));
	work(0, ONE, S / 4, 0);
	assert_near(gpu_s(1), 0.75);
	HASH_CLEAR(hh, ledger.head);
	pass(0);
	assert_near(gpu_s(1), 0.75);
}

static void test_server(void **state)
{
	(void)state;
	wakes(ONE, SERVER, 30);
	wakes(SERVER, TWO, 10);
	work(0, SERVER, S / 2, 0);
	assert_near(gpu_s(1), 0.375);
	assert_near(gpu_s(2), 0.125);
	assert_true(agent_gpu(agent(1)).estimated);
	assert_int_equal(agent_gpu(agent(1)).source, STARLING_FROM_DRIVER | STARLING_FROM_MODEL);
	assert_near(agent(2)->cost.energy.n, 0.25e6);
}

/* A server that is an agent's itself: what it did for others is theirs alone. */
static void test_server_agent(void **state)
{
	(void)state;
	put_task(SERVER, 3);
	wakes(ONE, SERVER, 10);
	work(0, SERVER, S / 2, 0);
	assert_near(gpu_s(1), 0.5);
	assert_near(gpu_s(3), 0);
	assert_near(agent(3)->cost.for_others_ns / 1e9, 0.5);
	assert_near(gpu_s(1) + gpu_s(3), cost_gpu(&d).n / 1e9);
	/* nobody asks it for anything: it is its own */
	edge_table_free(&d.edges);
	memset(&d.edges, 0, sizeof(d.edges));
	work(0, SERVER, S / 4, 0);
	assert_near(gpu_s(3), 0.25);
	assert_near(gpu_s(1) + gpu_s(3), cost_gpu(&d).n / 1e9);
}

/* Who asks now and then does not have what the server does for its own agent. */
static void test_server_of_own(void **state)
{
	enum { LOOP = 77 };

	(void)state;
	put_task(SERVER, 3);
	put_task(LOOP, 3);
	wakes(LOOP, SERVER, 90);
	wakes(ONE, SERVER, 10);
	work(0, SERVER, S / 2, 0);
	assert_near(gpu_s(3), 0.45);
	assert_near(gpu_s(1), 0.05);
	assert_near(agent(3)->cost.energy.n, 0.9e6);
	assert_true(agent_gpu(agent(3)).estimated);
	assert_near(gpu_s(1) + gpu_s(3), cost_gpu(&d).n / 1e9);
}

/* No driver tells: what threads waited, and each part of it once, too. */
static void test_waited(void **state)
{
	struct task *server;

	(void)state;
	put_task(SERVER, 3);
	server = task_find(&d.tasks, SERVER);
	wakes(ONE, SERVER, 10);
	agent(3)->gpu_ns = S / 2;
	agent(3)->gpu_waits = 9;
	cost_waited(&d, server, S / 2);
	assert_near(gpu_s(1), 0.5);
	assert_near(gpu_s(3), 0);
	assert_true(agent_gpu(agent(1)).estimated && agent_gpu(agent(3)).estimated);
	assert_true(agent_gpu(agent(3)).source & STARLING_FROM_PROBE);
	assert_near(cost_gpu(&d).n / 1e9, 0.5);
	/* and what a driver says goes before; of two that use the GPU none is a server */
	server->rec.gpu_waits = 9;
	work(0, ONE, S / 4, 0);
	assert_near(gpu_s(1), 0.25);
	assert_near(cost_gpu(&d).n / 1e9, 0.25);
}

static void test_recent(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		work(0, ONE, S / 10, S / 10);
	assert_near(cost_of_agent(agent(1), now).recent, 1);
	for (int i = 0; i < 100; i++)
		work(0, ONE, S / 10, S);
	assert_near(cost_of_agent(agent(1), now).recent, 10);
	assert_near(cost_of_agent(agent(1), now).ever, 5.5);
	assert_in_range(cost_of_agent(agent(1), now).recent_ns, 29 * S, 61 * S);
	/* nothing is told: a ratio would only grow */
	silent = true;
	pass(S);
	assert_int_equal(cost_of_agent(agent(1), now).recent_ns, 0);
	assert_near(cost_of_machine(&d, now).recent, 0);
}

/* One core of four, for half of the time, of 80 J: an eighth. */
static void test_package(void **state)
{
	(void)state;
	work(0, SERVER, 0, 0);
	assert_false(agent(1)->cost.cpu_energy.known);
	ledger.package = value(80000000, false, STARLING_FROM_KERNEL);
	work(0, SERVER, 0, S / 2);
	assert_near(agent(1)->cost.cpu_energy.n, 10e6);
	assert_true(agent(1)->cost.cpu_energy.estimated);
	assert_near(agent(2)->cost.cpu_energy.n, 0);
	/* sums of the living and the dead are not of one moment */
	agent(1)->run_ns -= S / 10;
	ledger.package.n += 80000000;
	work(0, SERVER, 0, 0);
	work(0, SERVER, 0, S / 10);
	assert_near(agent(1)->cost.cpu_energy.n, 10e6);
	assert_near(d.cost.cpu_ns, S / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unknown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_server_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_server_of_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_recent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_package, set_up, tear_down),
	};

	return unit_run(tests);
}
