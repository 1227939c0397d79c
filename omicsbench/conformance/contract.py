"""What a check is, and what can come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
