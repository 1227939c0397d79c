"""Plugins on trial: each is imported and asked once in a process of its own, before it may be in this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from omicsbench.known import Source
from omicsbench.running.work import Quiet

LIMIT = 20.0
"""Seconds in which a plugin must be imported and must have said what it offers."""


@dataclass(frozen=True)
class Trial:
    """What a worker process does with a plugin: all that ``discover`` will do with it in the harness's own."""

    source: Source

    def run(self, progress: Callable[..., None], quiet: Quiet) -> str:
        """Why it may not be in the harness's process; nothing if it may, even if it raises."""
        from omicsbench.plugins import try_out

        return try_out(self.source)

    def check(self, result: str) -> None:
        """Any text will do."""


def on_trial(sources: Iterable[Source]) -> Iterator[tuple[Source, str]]:
    """Why each may not be in this process, or nothing; one process for as many as leave it as it was."""
    from omicsbench.records import Failure
    from omicsbench.running.machine import MACHINE
    from omicsbench.running.supervisor import WorkerProcess

    worker = None
    try:
        with MACHINE.shared() as share:
            for source in sources:
                if worker is None or not worker.reusable:
                    if worker is not None:
                        worker.stop()
                    worker = WorkerProcess("plugins", "cpu", threads=1)
                found = worker.run(Trial(source), LIMIT, share)
                if isinstance(found, Failure):
                    found = (
                        f"its import takes more than {LIMIT:g} s"
                        if found.type == "TimeoutError"
                        else f"its import fails: {found.type}: {found.message}"
                    )
                yield source, found
    finally:
        if worker is not None:
            worker.stop()
