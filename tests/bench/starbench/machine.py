# SPDX-License-Identifier: GPL-2.0-only
"""What the figures were measured on."""
import os
import platform
import time


def _read(path, default=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return default


def cpu_model():
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith(("model name", "Model", "cpu model")):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def emulated_cpu():
    """True where QEMU interprets the CPU: then a latency means nothing."""
    return "TCG" in cpu_model() or "TCG" in _read("/sys/class/dmi/id/product_version") \
        or "qemu virtual cpu" in cpu_model().lower()


def memory_gib():
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 2**20, 1)
    return None


def distribution():
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return "unknown"


def governor():
    return _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None


def _kernel_setting(name):
    text = _read(f"/proc/sys/kernel/{name}").strip()
    return int(text) if text.lstrip("-").isdigit() else None


def describe(gpu):
    return {
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": memory_gib(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "system": distribution(),
        "governor": governor(),
        "rt_runtime_us": _kernel_setting("sched_rt_runtime_us"),
        "autogroup": _kernel_setting("sched_autogroup_enabled"),
        "emulated_cpu": emulated_cpu(),
        "load_before": os.getloadavg()[0],
        "gpu": gpu,
        "when": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def line(info):
    governor_text = f", governor {info['governor']}" if info["governor"] else ""
    return (f"{info['cpus']} x {info['cpu']}{governor_text}, {info['memory_gib']} GiB, "
            f"Linux {info['kernel']}, {info['system']}")
