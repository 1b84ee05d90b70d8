// SPDX-License-Identifier: GPL-2.0-only
#include "harness.h"

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
