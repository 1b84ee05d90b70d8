# SPDX-License-Identifier: GPL-2.0-only
"""unittest with TAP as its output, and the module under test."""
import os
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
OUT = os.path.join(TOP, os.environ.get("O", "build"))
sys.path.insert(0, os.path.join(TOP, "python"))
os.environ.setdefault("STARLING_LIB", os.path.join(OUT, "lib", "libstarling.so.0"))


class Tap(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.trouble = ""

    def addError(self, test, err):
        super().addError(test, err)
        self.trouble = self.errors[-1][1]

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.trouble = self.failures[-1][1]

    def stopTest(self, test):
        for line in self.trouble.splitlines():
            print("#", line)
        name = test.id().rsplit(".", 1)[-1]
        print(f"{'not ok' if self.trouble else 'ok'} {self.testsRun} - {name}", flush=True)
        super().stopTest(test)


def main(module):
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    print(f"TAP version 13\n1..{suite.countTestCases()}", flush=True)
    result = Tap()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
