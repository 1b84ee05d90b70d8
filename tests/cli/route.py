# SPDX-License-Identifier: GPL-2.0-only
"""The router of Documentation/guide.rst, word for word; its answer is printed."""
import re
import sys

with open("Documentation/guide.rst", encoding="utf-8") as f:
    text = re.search(r"^\timport json, subprocess\n(?:\t.*\n|\n)*", f.read(), re.M).group()
code = re.sub(r"^\t", "", text, flags=re.M).replace('"starling"', repr(sys.argv[1]))
names = {}
exec(compile(code, "guide.rst", "exec"), names)     # pylint: disable=exec-used
print(names["place"]("interactive"))
