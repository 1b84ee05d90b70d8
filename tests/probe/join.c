// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe-join ROLE CMD...: runs CMD as an agent of the module's, as a framework
 * would make one. The descriptor is inherited, so the agent lives as long as
 * CMD does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/starling.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	struct starling_agent_create create = { .size = sizeof(create), .name = "probe" };
	struct starling_agent_task join = { .size = sizeof(join) };
	struct starling_task_role role = { .size = sizeof(role) };
	int dev, agent;

	if (argc < 3) {
		fprintf(stderr, "usage: probe-join ROLE CMD...\n");
		return 2;
	}
	dev = open(STARLING_DEVICE, O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return fail(STARLING_DEVICE);
	agent = ioctl(dev, STARLING_IOC_AGENT_CREATE, &create);
	if (agent < 0 || ioctl(agent, STARLING_IOC_AGENT_JOIN, &join))
		return fail("join");
	role.role = atoi(argv[1]);
	if (role.role && ioctl(agent, STARLING_IOC_TASK_SET_ROLE, &role))
		return fail("role");
	fcntl(agent, F_SETFD, 0);
	execvp(argv[2], argv + 2);
	return fail(argv[2]);
}
