"""What a worker process can be given to do. Light: a process that does something light imports nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

Result_co = TypeVar("Result_co", covariant=True)


class Quiet(Protocol):
    """A context within which nothing else of the suite runs."""

    def __call__(self) -> AbstractContextManager[object]: ...


class Assignment(Protocol[Result_co]):
    """Picklable, and annotated with the type of its result: a dataclass, a struct, arrays or JSON values."""

    def run(self, progress: Callable[..., None], quiet: Quiet) -> Result_co:
        """Do it, in the worker."""

    def check(self, result: Any) -> None:
        """Raise ``ContractError``, in the runner, where a result of that type cannot be that of this assignment."""
