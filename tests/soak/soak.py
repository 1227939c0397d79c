#!/usr/bin/env python
"""Cells that fail in every way, drawn at random, between cells that do not, through the real runner.

    python tests/soak/soak.py [--faults 1000] [--seed 0] [--jobs 2] [--timeout 5]

Prints what became of them: each cell leaves one record, the record of a good cell holds that cell's answer, that of a
fault names the fault, and neither a process nor a temporary file is left. The exit code is 1 where this is not so.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLUGINS = HERE / "plugins"
MARK = "OMICSBENCH_SOAK"

FINE: dict[str, tuple[str, ...]] = {"ok": ()}
FAULT = {"failed": ("WorkerFault",)}
DEATH = {"failed": ("WorkerDied",)}
HANG = {"timeout": ("TimeoutError",)}


def each(names: str, may_be: dict[str, tuple[str, ...]]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The same for several faults."""
    return dict.fromkeys(names.split(), may_be)


FAULTS = {
    # What is broken: what its record may say, as status and types of error.
    **each("threads_report thread_reports_for_ever leave_a_thread fork_comes_back_twice fork_lives_on", FINE),
    **each("leave_children leave_an_orphan close_output close_stdout output_elsewhere print", FINE),
    **each("chdir umask error_state unprintable_details", FINE),
    # The alarm may ring before its own cell is done, and never in another.
    "alarm": FINE | DEATH,
    **each("garbage garbage_message huge_message another_job another_number unknown_message", FAULT),
    **each("go ask_twice forged_result", FAULT),
    # It takes what follows for its rest, which makes no message, or waits for it.
    "part_of_a_message": FAULT | HANG,
    # It may come before all is said, or after it; the next cell then gets another process.
    "garbage_at_the_end": FAULT | FINE,
    **each("fork_holds_the_line die_with_children kill_the_keeper exit killed segfault abort", DEATH),
    **each("close_all close_the_line exit_in_timing stop_the_keeper", DEATH),
    **each("shape nan large_details large_number", {"failed": ("ContractError",)}),
    "nested_details": {"failed": ("RecordError",)},
    "raise_a_long_name": {"failed": ("Long" * 50,)},
    "deep_details": {"failed": ("RecursionError", "ContractError")},
    "sys_exit": {"failed": ("SystemExit",)},
    "interrupt": {"failed": ("KeyboardInterrupt",)},
    **each("raise raise_a_book", {"failed": ("ValueError",)}),
    "raise_unprintable": {"failed": ("FileNotFoundError",)},
    "raise_nameless": {"failed": ("Nameless",)},
    "recursion": {"failed": ("RecursionError",)},
    **each("hang hang_stopped hang_in_c hang_deaf hang_reporting hang_with_children hang_in_timing", HANG),
    "part_of_a_message_and_hang": HANG,
}
ENDLESS = [name for name, wanted in FAULTS.items() if "timeout" in wanted]
ENDLESS_SHARE = 0.05

TASK = """\
title = "Made up"
citation = "nobody 2026"
licence = "CC0-1.0"
horizon = 8.0
final_product = "P"
states = [{ name = "A", unit = "mM" }, { name = "P", unit = "g/L" }]
controls = [{ name = "E", unit = "counts" }]
folds = [{ name = "S1", held_out = ["S1"], published = true }]

[source]
file = "made-up.csv"
sha256 = "SHA256"
strain_column = "Strain"
time_column = "Hour"
"""
TABLE = "Strain,Hour,E,A,P\nS1,0,1,1.5,0\nS1,8,3,2.5,4\nS2,0,2,1,1\nS2,8,5,3,6\nS3,0,2,2,1\nS3,8,9,4,9\n"
START = (1.5, 0.0)


@dataclass(frozen=True)
class Outcome:
    """What a soak came to; ``lost``, ``wrong``, ``processes`` and ``files`` name what should not be."""

    faults: int
    cells: int
    seconds: float
    lost: list[str]
    wrong: list[str]
    processes: list[str]
    files: list[str]

    @property
    def good(self) -> bool:
        return not (self.lost or self.wrong or self.processes or self.files)


def draw(faults: int, seed: int) -> list[str]:
    """Names of faults, each kind before any comes again, with a good cell after every second one or so."""
    dice = random.Random(seed)
    drawn: list[str] = []
    kinds: list[str] = []
    quick = [name for name in FAULTS if name not in ENDLESS]
    for _ in range(faults):
        if dice.random() < ENDLESS_SHARE:
            drawn.append(dice.choice(ENDLESS))
        else:
            kinds = kinds or dice.sample(quick, len(quick))
            drawn.append(kinds.pop())
        if dice.random() < 0.5:
            drawn.append("none")
    return drawn


def write_task(folder: Path) -> Path:
    """A small measured task."""
    home = folder / "made-up"
    home.mkdir()
    (home / "made-up.csv").write_text(TABLE)
    digest = hashlib.sha256(TABLE.encode()).hexdigest()
    (home / "task.toml").write_text(TASK.replace("SHA256", digest))
    return home


def soak(drawn: Sequence[str], folder: Path, jobs: int, timeout: float) -> Outcome:
    """Run a cell of each fault, in that order, and look at what is left."""
    from omicsbench.data.tasks import load_task
    from omicsbench.plugins import discover
    from omicsbench.running.planning import Request, plan
    from omicsbench.running.runner import Settings, run

    registry = discover([PLUGINS])
    task, temporary, out = load_task(write_task(folder)), folder / "tmp", folder / "results"
    temporary.mkdir()
    cells = []
    for number, fault in enumerate(drawn):
        given: dict[str, Any] = {"chaos": {"fault": fault, "number": number}}
        cells += [p for p in plan(Request([task], ["chaos"], given=given), registry) if p.cell.model == "chaos"]
    before, mark = tempfile.tempdir, uuid.uuid4().hex
    tempfile.tempdir, os.environ[MARK], os.environ["TMPDIR"] = str(temporary), mark, str(temporary)
    began = time.monotonic()
    try:
        with ThreadPoolExecutor(jobs) as executor:
            settings = Settings(timeout=timeout, latency_budget=0.005)
            records = list(run(cells, out, executor, jobs, settings, registry))
        seconds = time.monotonic() - began
        processes = _carriers(mark)
    finally:
        tempfile.tempdir = before
        del os.environ[MARK], os.environ["TMPDIR"]
    return Outcome(
        faults=sum(fault != "none" for fault in drawn),
        cells=len(cells),
        seconds=seconds,
        lost=_lost([cell.cell.key for cell in cells], records, out),
        wrong=[reason for record in records if (reason := _fault(record))],
        processes=processes,
        files=[str(path) for path in (*temporary.rglob("*"), *out.rglob("*.tmp"))],
    )


def _lost(keys: Sequence[str], records: Sequence[Any], out: Path) -> list[str]:
    """Cells without a record, with two, or with one that is not on disk as it came."""
    from omicsbench.errors import RecordError
    from omicsbench.records import load, path_of

    count = Counter(record.key for record in records)
    lost = [f"{key}: {count[key]} records" for key in keys if count[key] != 1]
    for record in records:
        try:
            if load(path_of(record.cell, out)) != record:
                lost.append(f"{record.key}: another record is on disk")
        except RecordError as error:
            lost.append(f"{record.key}: {error}")
    return lost


def _fault(record: Any) -> str:
    """What is wrong with a record; nothing if it is as it must be."""
    fault, number = record.cell.parameters["fault"], record.cell.parameters["number"]
    wanted = FAULTS.get(fault, FINE)
    name = f"{fault} (cell {number})"
    if record.status not in wanted:
        return f"{name}: {record.status}, {record.error}"
    if record.status != "ok":
        error = record.error
        if error is None or error.type not in wanted[record.status] or not error.type or "\n" in error.message:
            return f"{name}: {error}"
        return (
            ""
            if not record.scores and record.timing is None and not record.details and record.prediction is None
            else f"{name}: has scores"
        )
    wrong = [x for x in record.prediction.x[0].tolist() if x != [value + number for value in START]]
    if wrong or record.details["number"] != number:
        return f"{name}: {wrong}, {record.details}"
    return "" if record.timing is not None else f"{name}: no timing"


def _carriers(mark: str) -> list[str]:
    """Processes but this one that carry the mark; those that are going get a second to do so."""
    import psutil

    end = time.monotonic() + 1.0
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                    found.append(f"{process.pid}: {' '.join(process.cmdline())[:120]}")
            except psutil.Error:
                continue
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)


def main() -> int:
    """Draw, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=5.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw(asked.faults, asked.seed)
        found = soak(drawn, Path(folder), asked.jobs, asked.timeout)
    print(f"{found.faults} faults in {found.cells} cells, seed {asked.seed}, {found.seconds:.0f} s")
    for name in ("lost", "wrong", "processes", "files"):
        things = getattr(found, name)
        print(f"{'records ' if name in ('lost', 'wrong') else ''}{name}: {len(things)}", *things[:20], sep="\n  ")
    return 0 if found.good else 1


if __name__ == "__main__":
    os.environ["OMICSBENCH_PLUGINS"] = ""
    sys.path.insert(0, str(HERE.parents[1]))
    sys.exit(main())
