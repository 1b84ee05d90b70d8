// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's tables and wire format, without a daemon around them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/agent.h"
#include "daemon/edge.h"
#include "daemon/paths.h"
#include "daemon/procfs.h"
#include "daemon/roles.h"
#include "daemon/rules.h"
#include "daemon/task.h"
#include "daemon/varlink.h"

#define S 1000000000ULL

static struct starling_task_record record(uint32_t tid, uint64_t start, uint64_t run)
{
	return (struct starling_task_record){
		.tid = tid, .tgid = tid, .start_ns = start, .run_ns = run,
		.gpu_waits = run / 10, .comm = "x",
	};
}

static void task_counts_changes(void **state)
{
	struct task_table t = { 0 };
	struct starling_task_record r = record(7, 1, 1000);
	struct task *task = task_get(&t, 7);

	(void)state;
	task_update(task, &r);
	assert_true(task->d_run_ns == 0);	/* its past is not this window's */
	r = record(7, 1, 1500);
	task_update(task, &r);
	assert_true(task->d_run_ns == 500 && task->d_gpu_waits == 50);
	assert_ptr_equal(task_get(&t, 7), task);
	task_table_free(&t);
}

static void task_tid_is_used_again(void **state)
{
	struct task_table t = { 0 };
	struct starling_task_record r = record(7, 1, 5000);
	struct task *task = task_get(&t, 7);

	(void)state;
	task->role = STARLING_ROLE_TOOL;
	task->real_time = true;
	task_update(task, &r);
	r = record(7, 2, 100);
	task_update(task, &r);
	assert_ptr_equal(task_find(&t, 7), task);
	assert_int_equal(task->role, STARLING_ROLE_NONE);
	assert_false(task->real_time);
	assert_true(task->d_run_ns == 0);
	task_table_free(&t);
}

static void task_event_is_newer_than_record(void **state)
{
	struct task_table t = { 0 };
	struct starling_task_record r = record(7, 1, 0);
	struct task *task = task_get(&t, 7);

	(void)state;
	task->rec.gpu_last_ns = 50;
	r.gpu_last_ns = 40;
	task_update(task, &r);
	assert_int_equal(task->rec.gpu_last_ns, 50);
	task_table_free(&t);
}

static void task_table_is_bounded(void **state)
{
	struct task_table t = { 0 };

	(void)state;
	for (uint32_t i = 1; i <= TASK_TABLE_MAX; i++)
		assert_non_null(task_get(&t, i));
	assert_null(task_get(&t, TASK_TABLE_MAX + 1));
	assert_non_null(task_get(&t, 1));
	assert_int_equal(t.overflow, 1);
	task_table_free(&t);
}

static void edge_rate_holds_while_it_fades(void **state)
{
	struct sense_edge in = { .waker = 1, .wakee = 2, .count = 100 };
	struct edge_table t = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		edge_fade(&t, S / 4);
		edge_add(&t, &in, 1);
	}
	/* 400 a second go in: count over window must say so */
	assert_in_range((int)(t.head->count / (t.window_ns / S)), 380, 460);
	assert_true(t.window_ns < 3 * S);
	for (int i = 0; i < 100; i++)
		edge_fade(&t, S / 4);
	assert_null(t.head);
	edge_table_free(&t);
}

static void agent_ids_never_collide(void **state)
{
	struct agent_table t = { 0 };
	struct agent *module = agent_get(&t, 1, S);
	struct agent *own = agent_make(&t, AGENT_FROM_RUN, getpid(), "mine", S);
	char buf[24];

	(void)state;
	assert_int_not_equal(module->id, own->id);
	assert_int_equal(module->origin, AGENT_FROM_MODULE);
	assert_string_equal(agent_label(module->id, buf, sizeof(buf)), "m1");
	assert_string_equal(agent_label(own->id, buf, sizeof(buf)), "d1");
	assert_ptr_equal(agent_by_label(&t, "d1"), own);
	assert_ptr_equal(agent_by_label(&t, "m1"), module);
	assert_null(agent_by_label(&t, "1"));
	assert_int_equal(agent_weight(&t, own->id), 100);
	own->tasks = 1;
	agent_expire(&t, 100 * S, 60 * S);
	assert_null(agent_find(&t, 1));
	assert_non_null(agent_find(&t, own->id));
	agent_table_free(&t);
}

static void varlink_messages(void **state)
{
	json_t *call = varlink_make_call("a.b", NULL), *back;
	size_t len;
	char *text = varlink_encode(call, &len);

	(void)state;
	assert_int_equal(text[len - 1], '\0');
	back = varlink_decode(text, len - 1);
	assert_true(json_equal(call, back));
	assert_null(varlink_decode("[]", 2));
	assert_null(varlink_decode("{", 1));
	assert_null(varlink_decode("{}x", 3));
	free(text);
	json_decref(call);
	json_decref(back);
}

static void role_words(void **state)
{
	(void)state;
	for (int i = STARLING_ROLE_FEEDER; i < __STARLING_ROLE_MAX; i++)
		assert_int_equal(role_parse(role_name(i)), i);
	assert_int_equal(role_parse("none"), -EINVAL);
	assert_int_equal(role_parse(""), -EINVAL);
	assert_string_equal(role_name(99), "unknown");
}

static void proc_of_an_odd_name(void **state)
{
	struct proc_stat st;

	(void)state;
	prctl(PR_SET_NAME, ") R 1 (x");
	assert_int_equal(proc_stat_read(getpid(), &st), 0);
	assert_string_equal(st.comm, ") R 1 (x");
	assert_int_equal(st.tgid, getpid());
	assert_int_equal(st.ppid, getppid());
	assert_false(st.kthread);
	assert_int_equal(st.uid, getuid());
	assert_int_equal(proc_stat_read(4194305, &st), -ESRCH);
}

static void proc_family(void **state)
{
	uint32_t pid[4];
	pid_t child = fork();

	(void)state;
	if (!child) {
		pause();
		_exit(0);
	}
	assert_int_equal(proc_descendants(getpid(), pid, 4), 1);
	assert_int_equal(pid[0], child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(proc_descendants(getpid(), pid, 4), 0);
}

static void socket_path(void **state)
{
	char buf[108], longer[200];

	(void)state;
	unsetenv("STARLING_SOCKET");
	setenv("STARLING_RUNDIR", "/a", 1);
	assert_int_equal(path_socket(NULL, NULL, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/a/control");
	setenv("STARLING_SOCKET", "/b", 1);
	assert_int_equal(path_socket(NULL, NULL, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/b");
	assert_int_equal(path_socket("/c", NULL, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/c");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(path_socket(longer, NULL, buf, sizeof(buf)), -ENAMETOOLONG);
}

static void lease_rules(void **state)
{
	struct starling_lease_policy p = { 0 };
	char why[160];

	(void)state;
	assert_int_equal(rules_parse("slots=64", &p, why, sizeof(why)), 0);
	assert_int_equal(p.flags, STARLING_POLICY_SLOTS);
	assert_int_equal(rules_parse("memory=16G,limit=500ms,notice=1ms,aging=2s,starve=3600s",
				     &p, why, sizeof(why)), 0);
	assert_int_equal(p.flags, 2 * STARLING_POLICY_STARVE - 1);
	assert_int_equal(p.slots, 64);
	assert_int_equal(p.memory_bytes, 16ULL << 30);
	assert_int_equal(p.max_hold_ns, S / 2);
	assert_int_equal(p.notice_ns, S / 1000);
	assert_int_equal(p.aging_ns, 2 * S);
	assert_int_equal(p.starve_ns, 3600 * S);
	assert_int_equal(rules_parse("memory=0", &p, why, sizeof(why)), 0);
	assert_int_equal(p.memory_bytes, 0);
}

static void lease_rules_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "no lease rule ''" },
		{ "slots=1,", "no lease rule ''" },
		{ "slot=1", "no lease rule 'slot=1'" },
		{ "slots", "'slots'" },
		{ "slots=", "from 1 to 64" },
		{ "slots=0", "from 1 to 64" },
		{ "slots=65", "from 1 to 64" },
		{ "slots=-1", "from 1 to 64" },
		{ "slots=2K", "from 1 to 64" },
		{ "slots=1,memory=1Q", "'memory=1Q'" },
		{ "memory=1025T", "at most 1024T" },
		{ "memory=99999999999999999999", "at most 1024T" },
		{ "limit=3", "from 1ms to 3600s" },
		{ "limit=0s", "from 1ms to 3600s" },
		{ "limit=3601s", "from 1ms to 3600s" },
		{ "limit=1 s", "from 1ms to 3600s" },
	};
	struct starling_lease_policy p;
	char why[160];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&p, 0, sizeof(p));
		assert_int_equal(rules_parse(bad[i].text, &p, why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, bad[i].why));
		assert_null(strchr(why, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_counts_changes),
		cmocka_unit_test(task_tid_is_used_again),
		cmocka_unit_test(task_event_is_newer_than_record),
		cmocka_unit_test(task_table_is_bounded),
		cmocka_unit_test(edge_rate_holds_while_it_fades),
		cmocka_unit_test(agent_ids_never_collide),
		cmocka_unit_test(varlink_messages),
		cmocka_unit_test(role_words),
		cmocka_unit_test(proc_of_an_odd_name),
		cmocka_unit_test(proc_family),
		cmocka_unit_test(socket_path),
		cmocka_unit_test(lease_rules),
		cmocka_unit_test(lease_rules_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
