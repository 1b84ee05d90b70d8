# SPDX-License-Identifier: GPL-2.0-only
"""vmlinux.py IN OUT: the uncompressed kernel inside a bzImage.

An emulated CPU needs more than a second to unpack a kernel; QEMU can start an
uncompressed one through its PVH entry point.
"""

import subprocess
import sys

FORMATS = ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"))


def unpacked(data):
    for magic, tool in FORMATS:
        at = data.find(magic)
        while at >= 0:
            # What follows the compressed part makes the tools fail: not an error.
            out = subprocess.run([tool, "-dc"], input=data[at:], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, check=False).stdout
            if out[:4] == b"\x7fELF":
                return out
            at = data.find(magic, at + 1)
    return None


def main():
    with open(sys.argv[1], "rb") as f:
        data = unpacked(f.read())
    if data is None:
        sys.exit("vmlinux.py: no kernel of a known format in " + sys.argv[1])
    with open(sys.argv[2], "wb") as f:
        f.write(data)


main()
