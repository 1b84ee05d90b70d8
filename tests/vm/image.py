# SPDX-License-Identifier: GPL-2.0-only
"""The guest's file system: an uncompressed cpio archive that the kernel unpacks.

Files come from the build root (programs and the libraries they need) and from
the checkout, which lies at /src in guests as it does in the build root.
"""

import os
import re
import stat

DIRS = ("dev", "proc", "sys", "run", "root", "tmp", "etc", "mnt", "vm", "src",
        "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
LIBDIR = "/usr/lib/x86_64-linux-gnu"
# Of another machine than the build root's, whose loader cannot be asked.
ARM64_LIBDIR, ARM64_LOADER = "/usr/lib/aarch64-linux-gnu", "/lib/ld-linux-aarch64.so.1"
# Not useful to a test, and half of the size.
PYTHON_LEAVES = {"test", "idlelib", "ensurepip", "tkinter", "turtledemo", "lib2to3",
                 "pydoc_data", "dist-packages", "_pyrepl", "wsgiref"}
REAL_TOOLS = ("bash", "grep", "gzip", "sort", "sed", "find", "xargs", "sqlite3", "tcc",
              "python3", "wc", "head", "cat", "cut", "tr", "uniq", "sha256sum", "env",
              "setpriv", "chrt", "taskset", "stat", "timeout")
REAL_ADMIN_TOOLS = ("capsh",)


class Image:
    """Collects files, then writes them; later additions win. IN_ROOT runs a command
    in the build root and returns its output."""

    def __init__(self, root, in_root):
        self.root = root
        self.in_root = in_root
        self.files = {}
        self.links = dict(LINKS)
        self.texts = {}
        self.elves = []

    def add_text(self, dest, text, mode=0o644):
        self.texts[dest.lstrip("/")] = (text.encode(), mode)

    def add_file(self, host, dest):
        dest = dest.lstrip("/")
        for short, full in LINKS.items():
            if dest.startswith(short + "/"):
                dest = full + dest[len(short):]
        self.links.pop(dest, None)
        self.files[dest] = host

    def add_program(self, host, dest, inside):
        """INSIDE is where the build root sees HOST; its libraries are added too."""
        self.add_file(host, dest)
        self.elves.append(inside)

    def add_tree(self, host, dest, inside=None, want=lambda path: True,
                 keep_out=frozenset((".git", "__pycache__"))):
        for base, dirs, names in os.walk(host):
            dirs[:] = sorted(d for d in dirs if d not in keep_out)
            rel = os.path.relpath(base, host)
            for name in names:
                path = os.path.join(base, name)
                if not os.path.isfile(path) or not want(path):
                    continue
                tail = os.path.normpath(os.path.join(rel, name))
                if inside and is_elf(path):
                    self.add_program(path, f"{dest}/{tail}", f"{inside}/{tail}")
                else:
                    self.add_file(path, f"{dest}/{tail}")

    def add_root_file(self, path):
        """A file of the build root, at the same place; links are followed."""
        self.add_file(resolve(self.root, path), path)

    def add_busybox(self, own=None):
        """OWN: for another machine than the build root's, which lists what it does."""
        if own:
            self.add_file(own, "/usr/bin/busybox")
        else:
            self.add_root_file("/usr/bin/busybox")
        names = self.in_root("busybox", "--list").split()
        for name in names:
            self.links.setdefault(f"usr/bin/{name}", "busybox")

    def add_tools(self):
        """Real programs instead of busybox's, with Python's and tcc's own files."""
        for path in [f"/usr/bin/{name}" for name in REAL_TOOLS] + \
                [f"/usr/sbin/{name}" for name in REAL_ADMIN_TOOLS]:
            self.add_program(resolve(self.root, path), path, path)
        # busybox's shell runs its own applets whatever PATH has.
        self.add_program(self.root + "/usr/bin/dash", "/usr/bin/sh", "/usr/bin/dash")
        base = self.root + "/usr/lib"
        python = [d for d in os.listdir(base) if d.startswith("python3.")][0]
        self.add_tree(f"{base}/{python}", f"/usr/lib/{python}", f"/usr/lib/{python}",
                      lambda p: not PYTHON_LEAVES & set(p[len(base):].split("/")), {".git"})
        self.add_tree(self.root + LIBDIR + "/tcc", LIBDIR + "/tcc")
        for name in ("crt1.o", "crti.o", "crtn.o", "libc.so", "libc_nonshared.a", "libm.so",
                     "libm.so.6", "libmvec.so.1", "ld-linux-x86-64.so.2"):
            self.add_root_file(f"{LIBDIR}/{name}")
        include = self.root + "/usr/include"
        for part in ("x86_64-linux-gnu/bits", "x86_64-linux-gnu/sys", "x86_64-linux-gnu/gnu",
                     "x86_64-linux-gnu/asm", "asm-generic"):
            self.add_tree(f"{include}/{part}", f"/usr/include/{part}")
        for name in os.listdir(include):
            if name.endswith(".h"):
                self.add_root_file(f"/usr/include/{name}")
        for name in ("errno", "limits", "types", "posix_types", "stddef"):
            self.add_root_file(f"/usr/include/linux/{name}.h")

    def _own(self):
        return {os.path.basename(path) for path in self.files}

    def add_libraries(self):
        """What the dynamic loader of the build root would load for all programs."""
        for path in libraries(self.in_root, self.elves, self._own()):
            if not path.startswith("/src/"):
                self.add_root_file(path)

    def add_arm64_libraries(self):
        for name in needed(self.in_root, self.elves, ARM64_LIBDIR, self._own()):
            self.add_root_file(f"{ARM64_LIBDIR}/{name}")
        self.add_root_file(ARM64_LOADER)

    def write(self, out):
        archive = Cpio(out)
        for path in DIRS:
            archive.directory(path)
        archive.node("dev/console", 5, 1)
        archive.node("dev/null", 1, 3)
        for dest, target in sorted(self.links.items()):
            archive.link(dest, target)
        for dest, host in sorted(self.files.items()):
            with open(host, "rb") as f:
                archive.file(dest, f.read(), os.stat(host).st_mode & 0o777)
        for dest, (data, mode) in sorted(self.texts.items()):
            archive.file(dest, data, mode)
        archive.end()


class Cpio:
    """Writer of the kernel's initramfs format ("newc")."""

    def __init__(self, out):
        self.out = out
        self.ino = 1
        self.dirs = set()

    def entry(self, name, mode, data=b"", major=0, minor=0):
        self.ino += 1
        encoded = name.encode() + b"\0"
        fields = (self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(encoded), 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + encoded
        self.out.write(head + b"\0" * (-len(head) % 4))
        self.out.write(data)
        self.out.write(b"\0" * (-len(data) % 4))

    def directory(self, path):
        if path and path not in self.dirs:
            self.directory(os.path.dirname(path))
            self.dirs.add(path)
            self.entry(path, stat.S_IFDIR | (0o1777 if path == "tmp" else 0o755))

    def file(self, path, data, mode):
        self.directory(os.path.dirname(path))
        self.entry(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.directory(os.path.dirname(path))
        self.entry(path, stat.S_IFLNK | 0o777, target.encode())

    def node(self, path, major, minor):
        self.entry(path, stat.S_IFCHR | 0o600, b"", major, minor)

    def end(self):
        self.entry("TRAILER!!!", 0)


def is_elf(path):
    with open(path, "rb") as f:
        head = f.read(18)
    # Programs and shared objects only, not .o and .ko.
    return head[:4] == b"\x7fELF" and head[16:17] in (b"\x02", b"\x03")


def resolve(root, path):
    """PATH of the build root as this machine sees it, all links followed inside."""
    for _ in range(40):
        parts, done = path.strip("/").split("/"), ""
        for i, part in enumerate(parts):
            here = f"{done}/{part}"
            if os.path.islink(root + here):
                target = os.readlink(root + here)
                path = os.path.normpath(os.path.join(done or "/", target, *parts[i + 1:]))
                break
            done = here
        else:
            return root + done
    raise OSError(f"too many links: {path}")


def libraries(in_root, programs, own):
    """Paths of the libraries that PROGRAMS need; OWN: names that come with the build."""
    found = set()
    if not programs:
        return found
    # ldd's status only says that one of them is static.
    text = in_root("sh", "-c", 'ldd "$@" 2>/dev/null || :', "ldd", *programs)
    for line in text.splitlines():
        words = line.split()
        if "=>" in words and len(words) > 2 and words[2].startswith("/"):
            found.add(words[2])
        elif words and words[0].startswith("/") and line[0].isspace():
            found.add(words[0])
        elif "not" in words and "found" in words and words[0] not in own:
            raise OSError(f"missing in the build root: {words[0]}")
    return found


def needed(in_root, programs, libdir, own):
    """Names of the libraries in LIBDIR that PROGRAMS and these need; OWN: not from there."""
    found, new = set(), programs
    while new:
        text = in_root("readelf", "-d", *new)
        names = set(re.findall(r"\(NEEDED\).*\[(.*)\]", text)) - own - found
        found |= names
        new = [f"{libdir}/{name}" for name in sorted(names)]
    return found
