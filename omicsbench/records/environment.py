"""What a record says of the machine and of the source it ran from."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from importlib.metadata import version
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
def git_state(home: Path) -> tuple[str, bool | None]:
    """Commit of the repository that code at ``home`` (a folder or a file) is kept in, and whether that code differs
    from it; ("", None) where it is in none, as in an installed wheel."""
    folder = home if home.is_dir() else home.parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    try:
        # A repository around an environment (site-packages within a checkout) does not keep what is installed there.
        if not git("ls-files", "--", str(home)).strip():
            return "", None
        return git("rev-parse", "HEAD").strip(), bool(git("status", "--porcelain", "--", str(home)).strip())
    except (OSError, subprocess.SubprocessError, UnicodeError):
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


def environment(threads: int, packages: dict[str, str], gpu: str, home: Path) -> Environment:
    """The environment of a cell that loaded ``packages`` and saw ``gpu`` (empty on the CPU); plugin at ``home``."""
    import psutil

    commit, dirty = git_state(home)
    _, harness_dirty = git_state(Path(__file__).parent.parent)
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cpu=cpu_name(),
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        threads=threads,
        packages={"omicsbench": version("omicsbench"), **packages},
        gpu=gpu,
        driver=next((driver for name, driver in gpus()), "") if gpu else "",
        git_commit=commit,
        git_dirty=True if harness_dirty else dirty,
    )
