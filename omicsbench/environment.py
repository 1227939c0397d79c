"""What a record says of the machine and of the source it ran from."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from pathlib import Path

from omicsbench.records import Environment


@functools.cache
def cpu_name() -> str:
    """The processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@functools.cache
def git_state() -> tuple[str, bool | None]:
    """Commit of the checkout the suite runs from and whether it is dirty; ("", None) for an installed wheel."""
    root = Path(__file__).parent.parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout

    try:
        if Path(git("rev-parse", "--show-toplevel").strip()) != root.resolve():
            return "", None
        return git("rev-parse", "HEAD").strip(), bool(git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return "", None


@functools.cache
def gpus() -> tuple[tuple[str, str], ...]:
    """Name and driver version of each NVIDIA GPU, by nvidia-smi; empty where there is none."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [line.split(",") for line in text.splitlines() if "," in line]
    return tuple((name.strip(), driver.strip()) for name, driver in rows)


def environment(threads: int, packages: dict[str, str], gpu: str) -> Environment:
    """The environment of a cell that loaded ``packages`` and saw ``gpu`` (empty on the CPU)."""
    import psutil

    commit, dirty = git_state()
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cpu=cpu_name(),
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        threads=threads,
        packages=packages,
        gpu=gpu,
        driver=next((driver for name, driver in gpus()), "") if gpu else "",
        git_commit=commit,
        git_dirty=dirty,
    )
