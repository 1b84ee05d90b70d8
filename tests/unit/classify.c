// SPDX-License-Identifier: GPL-2.0-only
/* Who is taken for what. */
#include "tests/unit/unit.h"
#include "tests/unit/scene.h"

static struct scene s;

enum { SERVER = 100, HTTP = 101, TOKENIZER = 102, STRANGER = 109,
	CLIENT = 200, AGENT = 300, TOOL = 310 };

static uint16_t role(uint32_t tid)
{
	return scene_verdict(&s, tid)->role;
}

/* A server with its request path, and a feeder that waits in @style. */
static void server(uint16_t style)
{
	scene_init(&s, 4, 1);
	scene_feeder(&s, SERVER, SERVER, style);
	scene_task(&s, HTTP, SERVER);
	scene_task(&s, TOKENIZER, SERVER);
	scene_talk(&s, HTTP, SERVER, 30);
	scene_talk(&s, TOKENIZER, HTTP, 5);
}

static void agent(bool root_talks)
{
	scene_task(&s, AGENT, AGENT)->agent_id = 7;
	s.task[s.snap.ntask - 1].agent_root = true;
	for (int i = 0; i < 3; i++) {
		struct snap_task *t = scene_task(&s, TOOL + i, TOOL + i);

		t->agent_id = 7;
		t->ppid = AGENT;
		t->execed = true;
	}
	if (root_talks)
		scene_talk(&s, AGENT, HTTP, 10);
}

static void each_style_is_a_feeder(void **x)
{
	for (uint16_t style = 0; style <= STARLING_WAIT_YIELD; style++) {
		server(style);
		scene_classify(&s);
		assert_int_equal(role(SERVER), STARLING_ROLE_FEEDER);
		assert_int_equal(scene_verdict(&s, SERVER)->role_source, STARLING_BY_DETECTION);
		assert_int_equal(scene_verdict(&s, SERVER)->why, WHY_GPU_WAIT);
	}
	(void)x;
}

static void the_path_is_two_hops(void **x)
{
	server(STARLING_WAIT_YIELD);
	scene_task(&s, 103, SERVER);
	scene_talk(&s, 103, TOKENIZER, 50);
	scene_classify(&s);
	assert_int_equal(role(HTTP), STARLING_ROLE_SERVICE);
	assert_int_equal(scene_verdict(&s, HTTP)->why, WHY_WAKES_FEEDER);
	assert_int_equal(scene_verdict(&s, HTTP)->why_tid, SERVER);
	assert_int_equal(role(TOKENIZER), STARLING_ROLE_SERVICE);
	assert_int_equal(scene_verdict(&s, TOKENIZER)->why, WHY_WAKES_SERVICE);
	assert_int_equal(scene_verdict(&s, TOKENIZER)->why_tid, HTTP);
	assert_int_equal(role(103), STARLING_ROLE_NONE);
	(void)x;
}

static void one_direction_is_enough_inside_the_process(void **x)
{
	server(STARLING_WAIT_SPIN);
	scene_task(&s, 103, SERVER);
	scene_wakes(&s, SERVER, 103, 10);
	scene_classify(&s);
	assert_int_equal(role(103), STARLING_ROLE_SERVICE);
	(void)x;
}

static void a_rare_wake_is_no_path(void **x)
{
	server(STARLING_WAIT_SPIN);
	scene_task(&s, 103, SERVER);
	scene_wakes(&s, SERVER, 103, 1);
	scene_classify(&s);
	assert_int_equal(role(103), STARLING_ROLE_NONE);
	/* but enough to stay on it */
	s.task[s.snap.ntask - 1].role = STARLING_ROLE_SERVICE;
	s.task[s.snap.ntask - 1].role_source = STARLING_BY_DETECTION;
	scene_classify(&s);
	assert_int_equal(role(103), STARLING_ROLE_SERVICE);
	(void)x;
}

static void a_short_window_proves_nothing(void **x)
{
	server(STARLING_WAIT_SPIN);
	scene_task(&s, 103, SERVER);
	s.snap.window_ns = 10 * MS;
	s.edge[s.snap.nedge++] = (struct snap_edge){ SERVER, 103, 1 };
	scene_classify(&s);
	assert_int_equal(role(103), STARLING_ROLE_NONE);
	(void)x;
}

/* API server <-> engine: parent and child, both on the path. */
static void a_servers_other_processes_serve(void **x)
{
	server(STARLING_WAIT_BLOCK);
	s.task[0].ppid = 90;
	scene_task(&s, 90, 90);
	scene_talk(&s, 90, SERVER, 40);
	scene_task(&s, 110, 110)->ppid = SERVER;
	scene_talk(&s, 110, SERVER, 40);
	scene_classify(&s);
	assert_int_equal(role(90), STARLING_ROLE_SERVICE);
	assert_int_equal(role(110), STARLING_ROLE_SERVICE);
	/* an agent's process never serves, whoever its parent is */
	s.task[s.snap.ntask - 1].agent_id = 5;
	s.task[s.snap.ntask - 1].agent_root = true;
	scene_classify(&s);
	assert_int_equal(role(110), STARLING_ROLE_ORCHESTRATOR);
	(void)x;
}

static void a_client_founds_an_agent(void **x)
{
	server(STARLING_WAIT_YIELD);
	scene_task(&s, CLIENT, CLIENT);
	/* streams: woken for each token, wakes the server once a request */
	scene_wakes(&s, HTTP, CLIENT, 30);
	scene_wakes(&s, CLIENT, HTTP, 0.5);
	scene_classify(&s);
	assert_int_equal(role(CLIENT), STARLING_ROLE_ORCHESTRATOR);
	assert_int_equal(scene_verdict(&s, CLIENT)->why, WHY_CLIENT);
	assert_int_equal(scene_verdict(&s, CLIENT)->why_tid, HTTP);
	(void)x;
}

/* A hog runs while interrupts wake the feeder: it seems to wake it. */
static void interrupts_make_no_path(void **x)
{
	server(STARLING_WAIT_BLOCK);
	for (int i = 0; i < 8; i++) {
		scene_task(&s, 400 + i, 400 + i)->d_run_ns = s.snap.window_ns / 4;
		scene_wakes(&s, 400 + i, SERVER, 40);
		scene_wakes(&s, 400 + i, HTTP, 40);
	}
	/* and a sleeper seems woken by the feeder that spins beside it */
	scene_task(&s, 410, 410)->d_nvcsw = 1000;
	scene_wakes(&s, SERVER, 410, 200);
	scene_classify(&s);
	for (int i = 0; i < 8; i++)
		assert_int_equal(role(400 + i), STARLING_ROLE_NONE);
	assert_int_equal(role(410), STARLING_ROLE_NONE);
	(void)x;
}

/* The same among an agent's tools, even when both directions show up. */
static void a_busy_tool_is_no_client(void **x)
{
	server(STARLING_WAIT_SPIN);
	agent(true);
	scene_wakes(&s, SERVER, TOOL, 100);
	scene_wakes(&s, TOOL, SERVER, 3);
	s.task[4].d_nvcsw = 100 * 2 * 5;	/* sleeps five times as often */
	scene_classify(&s);
	assert_int_equal(role(TOOL), STARLING_ROLE_TOOL);
	assert_int_equal(role(AGENT), STARLING_ROLE_ORCHESTRATOR);
	(void)x;
}

/* `run -- sh -c 'python agent.py'`: the client is not the first process. */
static void a_client_below_the_root_orchestrates(void **x)
{
	server(STARLING_WAIT_SPIN);
	agent(false);
	scene_wakes(&s, HTTP, TOOL, 30);
	scene_wakes(&s, TOOL, HTTP, 1);
	s.task[4].d_nvcsw = 80;
	scene_classify(&s);
	assert_int_equal(role(TOOL), STARLING_ROLE_ORCHESTRATOR);
	assert_int_equal(role(TOOL + 1), STARLING_ROLE_TOOL);
	/* it waits for its tools now: still one */
	s.task[4].role = STARLING_ROLE_ORCHESTRATOR;
	s.task[4].role_source = STARLING_BY_DETECTION;
	s.snap.nedge = 0;
	scene_classify(&s);
	assert_int_equal(role(TOOL), STARLING_ROLE_ORCHESTRATOR);
	(void)x;
}

static void lineage(void **x)
{
	server(STARLING_WAIT_BLOCK);
	agent(true);
	scene_task(&s, 301, AGENT)->agent_id = 7;	/* thread of the root */
	s.task[s.snap.ntask - 1].agent_root = true;
	scene_task(&s, 330, 330)->agent_id = 7;		/* forked by a tool */
	s.task[s.snap.ntask - 1].role = STARLING_ROLE_TOOL;
	s.task[s.snap.ntask - 1].role_source = STARLING_BY_LINEAGE;
	scene_task(&s, 340, 340)->agent_id = 7;		/* fork of the root, no exec yet */
	scene_classify(&s);
	assert_int_equal(role(AGENT), STARLING_ROLE_ORCHESTRATOR);
	assert_int_equal(role(301), STARLING_ROLE_ORCHESTRATOR);
	assert_int_equal(role(TOOL), STARLING_ROLE_TOOL);
	assert_int_equal(scene_verdict(&s, TOOL)->why, WHY_LINEAGE_EXEC);
	assert_int_equal(role(330), STARLING_ROLE_TOOL);
	assert_int_equal(role(340), STARLING_ROLE_ORCHESTRATOR);
	assert_int_equal(scene_verdict(&s, 340)->role_source, STARLING_BY_LINEAGE);
	(void)x;
}

static void precedence(void **x)
{
	static const struct { uint16_t source, expect, why; } row[] = {
		{ STARLING_BY_LINEAGE, STARLING_ROLE_FEEDER, WHY_GPU_WAIT },
		{ STARLING_BY_DETECTION, STARLING_ROLE_FEEDER, WHY_GPU_WAIT },
		{ STARLING_BY_OWNER, STARLING_ROLE_BACKGROUND, WHY_SET_BY_OWNER },
		{ STARLING_BY_SELF, STARLING_ROLE_BACKGROUND, WHY_SET_BY_SELF },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		server(STARLING_WAIT_SPIN);
		s.task[0].agent_id = 7;
		s.task[0].role = STARLING_ROLE_BACKGROUND;
		s.task[0].role_source = row[i].source;
		scene_classify(&s);
		assert_int_equal(role(SERVER), row[i].expect);
		assert_int_equal(scene_verdict(&s, SERVER)->why, row[i].why);
	}
	(void)x;
}

static void owner_may_name_a_feeder_and_a_service(void **x)
{
	server(STARLING_WAIT_SPIN);
	s.task[1].role = STARLING_ROLE_TOOL;
	s.task[1].role_source = STARLING_BY_OWNER;
	scene_classify(&s);
	assert_int_equal(role(HTTP), STARLING_ROLE_TOOL);
	/* the path does not go through a tool */
	assert_int_equal(role(TOKENIZER), STARLING_ROLE_NONE);
	(void)x;
}

static void a_tool_with_a_gpu_is_a_server(void **x)
{
	server(STARLING_WAIT_SPIN);
	agent(true);
	s.task[4].gpu_last_ns = s.snap.now_ns;		/* TOOL */
	scene_task(&s, 320, TOOL)->agent_id = 7;	/* its other thread */
	s.task[s.snap.ntask - 1].role = STARLING_ROLE_TOOL;
	s.task[s.snap.ntask - 1].role_source = STARLING_BY_LINEAGE;
	scene_classify(&s);
	assert_int_equal(role(TOOL), STARLING_ROLE_FEEDER);
	assert_int_equal(role(320), STARLING_ROLE_NONE);
	assert_int_equal(role(TOOL + 1), STARLING_ROLE_TOOL);
	(void)x;
}

static void a_feeder_is_forgotten(void **x)
{
	server(STARLING_WAIT_BLOCK);
	s.task[0].role = STARLING_ROLE_FEEDER;
	s.task[0].role_source = STARLING_BY_DETECTION;
	s.snap.now_ns += s.set.feeder_forget_ns;
	scene_classify(&s);
	assert_int_equal(role(SERVER), STARLING_ROLE_FEEDER);
	s.snap.now_ns += 1;
	scene_classify(&s);
	assert_int_equal(role(SERVER), STARLING_ROLE_NONE);
	assert_int_equal(role(HTTP), STARLING_ROLE_NONE);
	(void)x;
}

static void kernel_threads_and_init_never(void **x)
{
	server(STARLING_WAIT_BLOCK);
	scene_task(&s, 1, 1);
	scene_task(&s, 50, 50)->kthread = true;
	scene_talk(&s, 1, SERVER, 100);
	scene_talk(&s, 50, SERVER, 1000);
	s.task[s.snap.ntask - 1].gpu_last_ns = s.snap.now_ns;
	scene_classify(&s);
	assert_int_equal(role(1), STARLING_ROLE_NONE);
	assert_int_equal(role(50), STARLING_ROLE_NONE);
	(void)x;
}

static void nothing_without_a_gpu(void **x)
{
	server(STARLING_WAIT_BLOCK);
	s.task[0].gpu_last_ns = 0;
	scene_task(&s, CLIENT, CLIENT);
	scene_talk(&s, CLIENT, HTTP, 30);
	scene_classify(&s);
	for (size_t i = 0; i < s.snap.ntask; i++)
		assert_int_equal(s.verdict[i].role, STARLING_ROLE_NONE);
	(void)x;
}

static void an_empty_snapshot(void **x)
{
	scene_init(&s, 1, 1);
	scene_classify(&s);
	assert_int_equal(scene_step(&s, 1)->feeders, 0);
	(void)x;
}

static void every_reason_has_words(void **x)
{
	for (int why = 0; why < __WHY_MAX; why++)
		assert_non_null(policy_reason_text(why));
	assert_string_equal(policy_reason_text(__WHY_MAX), "unknown");
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_style_is_a_feeder),
		cmocka_unit_test(the_path_is_two_hops),
		cmocka_unit_test(one_direction_is_enough_inside_the_process),
		cmocka_unit_test(a_rare_wake_is_no_path),
		cmocka_unit_test(a_short_window_proves_nothing),
		cmocka_unit_test(a_servers_other_processes_serve),
		cmocka_unit_test(a_client_founds_an_agent),
		cmocka_unit_test(interrupts_make_no_path),
		cmocka_unit_test(a_busy_tool_is_no_client),
		cmocka_unit_test(a_client_below_the_root_orchestrates),
		cmocka_unit_test(lineage),
		cmocka_unit_test(precedence),
		cmocka_unit_test(owner_may_name_a_feeder_and_a_service),
		cmocka_unit_test(a_tool_with_a_gpu_is_a_server),
		cmocka_unit_test(a_feeder_is_forgotten),
		cmocka_unit_test(kernel_threads_and_init_never),
		cmocka_unit_test(nothing_without_a_gpu),
		cmocka_unit_test(an_empty_snapshot),
		cmocka_unit_test(every_reason_has_words),
	};

	return unit_run(tests);
}
