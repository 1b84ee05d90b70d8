# SPDX-License-Identifier: GPL-2.0-only
"""CPUs as a GB10 has them: two clusters that each mix two kinds of core.

The emulator's "virt" machine has CPUs of one kind. Its device tree is dumped and
given back with capacities and caches; what a core is called (MIDR) is not in it,
and the guest's /init lays the names over those of the emulated cores. All run
equally fast: places can be judged, speeds cannot.
"""

import itertools
import re

A725, X925 = 0x410FD871, 0x410FD851
# CPUs in order: how many, capacity, name, KiB of L2. Boost bins differ within a kind.
BINS = ((5, 718, A725, 512), (5, 997, X925, 2048),
        (5, 731, A725, 512), (4, 1017, X925, 2048), (1, 1024, X925, 2048))
CPUS = [b[1:] for b in BINS for _ in range(b[0])]
NCPUS = len(CPUS)
PER_CLUSTER = 10
L3_KIB = (8192, 16384)
SMP = f"{NCPUS},sockets=1,clusters={NCPUS // PER_CLUSTER},cores={PER_CLUSTER},threads=1"


def identities():
    """For the guest's /init: a CPU and its MIDR a line, as /sys has it."""
    return "".join(f"{i} {midr:#018x}\n" for i, (_, midr, _) in enumerate(CPUS))


def cache(label, level, kib, above=""):
    return (f'{label}: {label.replace("_", "-")} {{ compatible = "cache"; cache-unified; '
            f"cache-level = <{level}>; cache-size = <{kib << 10}>; {above}}};\n")


def caches():
    text = "".join(cache(f"l3_{i}", 3, kib) for i, kib in enumerate(L3_KIB))
    for i, (_, _, kib) in enumerate(CPUS):
        text += cache(f"l2_{i}", 2, kib, f"next-level-cache = <&l3_{i // PER_CLUSTER}>; ")
    return text


def edit(source):
    """SOURCE: the device tree of the emulated machine, as text."""
    number = itertools.count()  # the kernel, too, numbers them in their order there

    def cpu(match):
        i = next(number) % NCPUS
        return (f"{match[0]}\ncapacity-dmips-mhz = <{CPUS[i][0]}>;\n"
                f"next-level-cache = <&l2_{i}>;\n")

    source, n = re.subn(r"\bcpu@[0-9a-f]+ \{", cpu, source)
    if n != NCPUS:
        raise OSError(f"the emulator's device tree has {n} CPUs, not {NCPUS}")
    return re.sub(r"(\bcpus \{.*?)(?=cpu-map \{)", lambda m: m[1] + caches(), source, flags=re.S)


def device_tree(in_root, emulator, work):
    """Makes it in WORK for a guest started by EMULATOR, its command so far."""
    dumped, text, made = (f"{work}/{name}" for name in ("virt.dtb", "gb10.dts", "gb10.dtb"))
    in_root(*emulator, "-machine", f"dumpdtb={dumped}")
    source = edit(in_root("dtc", "-q", "-I", "dtb", "-O", "dts", dumped))
    with open(text, "w") as f:
        f.write(source)
    in_root("dtc", "-q", "-I", "dts", "-O", "dtb", "-o", made, text)
    return made
