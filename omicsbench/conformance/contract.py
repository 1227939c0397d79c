"""What a check is, and what can come of it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from omicsbench.texts import plain, say

if TYPE_CHECKING:
    from omicsbench.conformance.bench import Bench

GUIDE = "docs/bring-a-model.md"
Status = Literal["passed", "failed", "skipped"]


class Broken(Exception):
    """The model does not do what was expected. Says what it did instead."""


class NoHardware(Exception):
    """The check needs a device that is not here."""


@dataclass(frozen=True)
class Check:
    """One promise of the plugin interface.

    ``run`` returns a remark on a model that keeps it (empty if there is none, the reason where the promise does not
    apply) and raises on one that does not. ``needs`` names the checks without which it says nothing. Checks run in a
    process of the model's own, and ``outside`` ones beside it because they start processes themselves.
    """

    name: str
    expected: str
    section: str
    run: Callable[[Bench], str]
    needs: tuple[str, ...] = ()
    outside: bool = False

    @property
    def where(self) -> str:
        """Where to read about it."""
        return f"{GUIDE}#{self.section}"


@dataclass(frozen=True)
class Answer:
    """What came of a check where it ran, with the facts that it left for later ones."""

    status: Status
    reason: str
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What came of a check. ``reason`` may be empty for a passed one."""

    name: str
    status: Status
    reason: str
    expected: str
    where: str

    def __str__(self) -> str:
        parts = [self.reason] if self.reason else []
        return f"{self.name:22} {self.status:8} {'; '.join([*parts, f'expected: {self.expected}'])} ({self.where})"


def check(
    name: str, expected: str, section: str, needs: Sequence[str] = (), outside: bool = False
) -> Callable[[Callable[[Bench], str]], Check]:
    """Make a ``Check`` of a function."""
    return lambda run: Check(name, expected, section, run, tuple(needs), outside)


def examine(check: Check, bench: Bench) -> Answer:
    """Run a check here, and say what came of it."""
    status: Status
    try:
        status, reason = "passed", check.run(bench)
    except Broken as broken:
        status, reason = "failed", str(broken)
    except NoHardware as missing:
        status, reason = "skipped", str(missing)
    except Exception as error:
        status, reason = "failed", f"raised {say(error)} {_place(error, bench.subject.factory)}"
    return Answer(status, plain(reason), bench.facts)


def _place(error: Exception, factory: str) -> str:
    """The line of the plugin, or where it was raised if no line of the plugin was involved."""
    frames = traceback.extract_tb(error.__traceback__)
    home = getattr(sys.modules.get(factory.partition(":")[0]), "__file__", None)
    folder = os.path.dirname(home) if home else None
    within = [frame for frame in frames if folder and os.path.dirname(frame.filename) == folder]
    frame = (within or frames)[-1]
    return f"({os.path.basename(frame.filename)}, line {frame.lineno})"
