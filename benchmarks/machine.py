"""The machine that numbers were measured on, the versions, and the memory of a process."""

import os
import platform
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("keras", "jax", "jaxlib", "tensorflow", "torch", "numpy")


def machine() -> dict:
    """The system, the processor's name, its cores that may be used, and the memory in GB (1e9)."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
    }


def versions() -> dict:
    """Versions of Python, of this library with its commit, and of the packages installed."""
    installed = runpy.run_path(str(ROOT / "md4keras" / "version.py"))["installed"]
    return installed(PACKAGES) | {"commit": _commit()}


def peak_gb() -> float:
    """The most memory that this process has had in use so far, GB (1e9 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` would count what the parent held when it started this one
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) * 1024 / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def timed(act) -> dict:
    """`"seconds"` of a call, and the processor's `"busy"` ones, of all cores together."""
    begin, busy = time.perf_counter(), time.process_time()
    act()
    return {"seconds": time.perf_counter() - begin, "busy": time.process_time() - busy}


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        found = re.search(r"model name\s*:\s*(.*)", information.read_text())
        if found:
            return found[1].strip()
    return platform.processor() or "unknown"


def _commit() -> str | None:
    """The commit of the files, with a + where they have changed since; `None` without git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
