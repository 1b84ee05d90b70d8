/* SPDX-License-Identifier: GPL-2.0-only */
/* unit.h - cmocka with what it wants included first, output as TAP. */
#ifndef STARLING_TESTS_UNIT_H
#define STARLING_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define unit_run(tests) \
	(cmocka_set_message_output(CM_OUTPUT_TAP), \
	 cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0)

#define MS 1000000ULL
#define S (1000 * MS)

#endif
