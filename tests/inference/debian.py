# SPDX-License-Identifier: GPL-2.0-only
"""llama.cpp's server as Debian builds it, and a model for it.

The packages are pinned in tests/vm/packages, with all that they need: what is made of
them is a tree of its own that the server is started in, as a container would be.
"""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import model
from inferlib import TOP, threads_of, wait_for

WORD = "llama"
CACHE = os.path.realpath(os.environ.get("STARLING_CACHE") or
                         os.path.expanduser("~/.cache/starling"))
PROMPT = "The quick brown fox jumps over the lazy dog."


class Missing(Exception):
    """Why there is no engine here."""


def packages():
    with open(os.path.join(TOP, "tests", "vm", "packages"), encoding="ascii") as f:
        return [line.split() for line in f if line.split()[:1] == [WORD]]


def unpack(rows, root):
    for _word, _suite, package, *_ in rows:
        subprocess.run(["dpkg-deb", "-x", os.path.join(CACHE, "debs", f"{package}.deb"), root],
                       check=True)


def merged(root):
    """As installed: the old folders are links, or a library's path depends on its package."""
    for name in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(os.path.join(root, "usr", name))
        os.symlink("usr/" + name, os.path.join(root, name))


def tree():
    """The tree with the server and the model; made once for each set of versions."""
    rows = packages()
    with open(model.__file__, "rb") as f:
        key = hashlib.sha256(json.dumps(rows).encode() + f.read()).hexdigest()[:12]
    root = os.path.join(CACHE, f"{WORD}-{key}")
    if os.path.exists(os.path.join(root, "model.gguf")):
        return root
    done = subprocess.run([os.path.join(TOP, "tests", "vm", "kernels"), "--fetch", WORD],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"no packages of llama.cpp: {(done.stderr.strip() or '?').splitlines()[-1]}")
    shutil.rmtree(root, ignore_errors=True)
    merged(root)
    unpack(rows, root)
    for name in ("dev", "proc", "sys", "tmp"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    model.write(os.path.join(root, "model.gguf"))
    return root


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def arrivals(answer, seconds):
    """(tokens so far, when) as they come. A token need not make text of its own."""
    end = None
    for line in answer:
        if not line.startswith(b"data: "):
            continue
        now = time.monotonic()
        yield json.loads(line[6:]).get("tokens_predicted", 0), now
        end = end or now + seconds
        if now > end:
            break


class Server:
    """llama-server in its tree, with @threads that compute."""

    def __init__(self, threads, log=subprocess.DEVNULL):
        self.root, self.threads, self.log = tree(), threads, log
        self.proc = None

    def __enter__(self):
        self.url = f"http://127.0.0.1:{free_port()}"
        # a mount namespace of its own ends with it
        inside = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && ' \
            'mount --rbind /sys "$1/sys" && root=$1 && shift && exec chroot "$root" "$@"'
        self.proc = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", inside, "sh", self.root,
             "/usr/bin/llama-server", "-m", "/model.gguf", "-t", str(self.threads), "-tb",
             str(self.threads), "-c", "1024", "-np", "1", "--host", "127.0.0.1", "--port",
             self.url.rsplit(":", 1)[1]],
            stdout=self.log, stderr=self.log, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        up, _ = wait_for(lambda: self.proc.poll() is not None or self.is_up(), 60, 0.1)
        if not up or self.proc.poll() is not None:
            self.__exit__()
            raise Missing(f"llama-server does not start (exit status {self.proc.returncode})")
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(20)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()

    @property
    def pid(self):
        return self.proc.pid

    def is_up(self):
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as r:
                return r.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def generate(self, tokens, seconds=60.0):
        """An answer of so many tokens, cut short after so long: tokens a second after the
        first one, and seconds to that."""
        body = {"prompt": PROMPT, "n_predict": tokens, "ignore_eos": True, "temperature": 0,
                "cache_prompt": False, "stream": True}
        r = urllib.request.Request(self.url + "/completion", json.dumps(body).encode(),
                                   {"Content-Type": "application/json"})
        begin = time.monotonic()
        with urllib.request.urlopen(r, timeout=180) as answer:
            seen = list(arrivals(answer, seconds))
        if not seen:
            return 0, time.monotonic() - begin
        (first, at), (last, end) = seen[0], seen[-1]
        return (last - first) / (end - at) if end > at else 0, at - begin

    def run_ms(self):
        """What each thread has run so far."""
        out = {}
        for t in threads_of(self.pid):
            try:
                with open(f"/proc/{self.pid}/task/{t}/schedstat", encoding="ascii") as f:
                    out[t] = int(f.read().split()[0]) / 1e6
            except OSError:
                pass
        return out
