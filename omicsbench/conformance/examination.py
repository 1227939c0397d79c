"""One model, examined: its checks run in a process of their own, so that a crash or a hang is a failed check."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any

import msgspec

from omicsbench.conformance.bench import Bench, Subject
from omicsbench.conformance.catalogue import CHECKS
from omicsbench.conformance.contract import Answer, Check, Result, examine
from omicsbench.errors import ContractError, RequestError
from omicsbench.parameters import Value, resolve
from omicsbench.plugins import Offer, Registry
from omicsbench.records import Failure
from omicsbench.running.machine import MACHINE
from omicsbench.running.supervisor import WorkerProcess
from omicsbench.running.work import Quiet

TIMEOUT = 300.0


def subject_of(registry: Registry, model: str, given: Mapping[str, Value | str]) -> Subject:
    """The model of that name with its parameters. Raises ``RequestError`` where there is no such model or parameter.

    A class whose parameters cannot be read has none here: that is a finding of the checks.
    """
    offer: Offer = registry.model(model)
    spec = offer.spec
    if spec.role == "oracle":
        raise RequestError(
            f"model {model!r} is an oracle: it is shown the truth and promises nothing that can be checked"
        )
    try:
        parameters = resolve(spec.name, spec.factory, given)
    except ContractError:
        parameters = {}
    module = registry.manager.get_plugin(offer.plugin)
    return Subject(
        model=spec.name,
        factory=spec.factory,
        module=module.__name__ if module is not None else offer.plugin,
        file=None if offer.file is None else str(offer.file),
        parameters=parameters,
        role=spec.role,
        devices=spec.devices,
    )


@cache
def _bench_of(subject: bytes) -> Bench:
    """The bench that the checks of one worker process share, with its fitted model."""
    return Bench(msgspec.json.decode(subject, type=Subject))


@dataclass(frozen=True)
class Inside:
    """A check that runs in the process of the model. ``facts`` are those of the checks before it."""

    name: str
    subject: Subject
    facts: dict[str, str]

    def run(self, progress: Callable[..., None], quiet: Quiet) -> Answer:
        if self.subject.file is not None and (folder := os.path.dirname(self.subject.file)) not in sys.path:
            sys.path.append(folder)
        bench = _bench_of(msgspec.json.encode(self.subject))
        bench.facts.update(self.facts)
        return examine(CHECKS[self.name], bench)

    def check(self, result: Answer) -> None:
        """Any answer may be that of a check."""


class Examination:
    """Runs checks of one model as they are asked for, each once. Close it, or use it as a context.

    ``timeout`` is the seconds that one check may take.
    """

    def __init__(self, subject: Subject, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self.bench = Bench(subject, {"timeout": str(timeout)})
        self.results: dict[str, Result] = {}
        self._blocked: dict[str, str] = {}
        self._worker: WorkerProcess | None = None

    def result(self, name: str) -> Result:
        """What came of a check; those that it needs run first."""
        if name not in self.results:
            self.results[name] = self._run(CHECKS[name])
        return self.results[name]

    def _run(self, check: Check) -> Result:
        for need in check.needs:
            if self.result(need).status != "passed":
                root = self._blocked[check.name] = self._blocked.get(need, need)
                return self._say(
                    check, "skipped", f"not reached, because the check {root} was {self.results[root].status}"
                )
        answer = examine(check, self.bench) if check.outside else self._inside(check)
        self.bench.facts.update(answer.facts)
        return self._say(check, answer.status, answer.reason)

    def _say(self, check: Check, status: Any, reason: str) -> Result:
        return Result(check.name, status, reason, check.expected, check.where)

    def _inside(self, check: Check) -> Answer:
        if self._worker is not None and not self._worker.reusable:
            self.close()
        with MACHINE.shared() as share:
            if self._worker is None:
                self._worker = WorkerProcess(self.bench.subject.model, "cpu", threads=1)
            work = Inside(check.name, self.bench.subject, self.bench.facts)
            answer = self._worker.run(work, self.timeout, share)
        if isinstance(answer, Failure):
            printed = answer.output.strip().splitlines()
            last = f"; the last it printed: {printed[-1][:200]}" if printed else ""
            return Answer("failed", f"{answer.type}: {answer.message}{last}")
        return answer

    def close(self) -> None:
        """End the process of the checks."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def __enter__(self) -> Examination:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
