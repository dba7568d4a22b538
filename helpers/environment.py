"""Is this machine ready for the course? Each finding comes with what to do about it.

Knows what the course needs of Python, packages, disk, memory and processor; changes nothing.
"""

import importlib.metadata
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from workbook import display, paths
from workbook.lab import client

PYTHON = (3, 11)
# Weights as fetched, converted, and a dozen tuned models: see README, "What it needs".
DISK_GB = 2.0
MEMORY_GB = 6.0
# Below this the training jobs still work, but a minute becomes five.
SLOW_GFLOPS = 20.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, whether that will do, and otherwise the fix."""

    subject: str
    state: str
    fine: bool = True
    fix: str = ""


def check() -> None:
    """Show every finding as a table, and one sentence that sums them up."""
    findings = look()
    display.table(
        {
            "Looked at": f"{'✔' if finding.fine else '✘'} {finding.subject}",
            "Found": finding.state,
            "What to do": finding.fix,
        }
        for finding in findings
    )
    amiss = [finding.subject for finding in findings if not finding.fine]
    if amiss:
        display.box(f"Mend these first: {', '.join(amiss)}.", "warning")
    else:
        display.box("This machine is ready for the course.", "right")


def look() -> list[Finding]:
    """All findings, in the order in which a student would mend them."""
    looks: list[Callable[[], Finding]] = [python, packages, disk, memory, lab, processor]
    return [look_at() for look_at in looks]


def python() -> Finding:
    """The interpreter's version."""
    version = platform.python_version()
    if sys.version_info >= PYTHON:
        return Finding("Python", version)
    lowest = ".".join(map(str, PYTHON))
    return Finding("Python", version, False, f"Install Python {lowest} or newer; make a new .venv.")


def packages() -> Finding:
    """Every package of requirements-colab.txt (the lower bounds), in the version it needs."""
    from packaging.requirements import Requirement

    text = (paths.ROOT / "requirements-colab.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    amiss = []
    for requirement in map(Requirement, lines):
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            amiss.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            amiss.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    if amiss:
        fix = "Run pip install -r requirements.txt in the course's .venv, then restart the kernel."
        return Finding("Packages", "; ".join(amiss), False, fix)
    return Finding("Packages", f"all {len(lines)} present")


def disk() -> Finding:
    """Room for the lab's files, where they are kept."""
    free = shutil.disk_usage(paths.home()).free / 1e9
    state = f"{free:.1f} GB free"
    if free >= DISK_GB:
        return Finding("Disk", state)
    fix = f"Free {DISK_GB:.0f} GB, or set WORKBOOK_HOME to a folder on another disk."
    return Finding("Disk", state, False, fix)


def memory() -> Finding:
    """Memory of the machine."""
    total = psutil.virtual_memory().total / 1e9
    state = f"{total:.0f} GB"
    if total >= MEMORY_GB:
        return Finding("Memory", state)
    return Finding("Memory", state, False, "Close other programs before the training notebooks.")


def lab() -> Finding:
    """Whether the lab answers. It only runs when the lab is the backend."""
    if server := client.running():
        return Finding("Lab", f"running, version {server['version']}")
    return Finding("Lab", "not running", True, "The set-up cell starts it when it is needed.")


def processor() -> Finding:
    """Cores, and the speed of a matrix multiplication: what training time depends on.

    The lab measures it when it starts, in the number format it trains with; else it is done here.
    """
    lab = client.running() or {}
    speed = lab.get("gflops") or matmul_gflops()
    state = f"{os.cpu_count()} cores, {speed:,.0f} billion operations a second"
    if lab.get("dtype"):
        state += f" in {lab['dtype']}"
    if speed >= SLOW_GFLOPS:
        return Finding("Processor", state)
    return Finding("Processor", state, True, "Slow: expect training to take several times longer.")


def matmul_gflops(size: int = 1024, tries: int = 5) -> float:
    """Best of a few float32 multiplications of two (size, size) matrices, in 10⁹ operations/s."""
    import numpy

    matrix = numpy.ones((size, size), dtype=numpy.float32)
    best = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9
