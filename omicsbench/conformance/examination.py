"""One model, examined: its checks run in a process of their own, so that a crash or a hang is a failed check."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec
import psutil

from omicsbench.conformance.bench import Bench, Subject
from omicsbench.conformance.catalogue import CHECKS
from omicsbench.conformance.child import examine
from omicsbench.conformance.contract import Check, Result
from omicsbench.errors import ContractError, RequestError
from omicsbench.isolation import device_environment
from omicsbench.parameters import Value, resolve
from omicsbench.plugins import Offer, Registry

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


class Examination:
    """Runs checks of one model as they are asked for, each once. Close it, or use it as a context.

    ``timeout`` is the seconds that one check may take.
    """

    def __init__(self, subject: Subject, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self.bench = Bench(subject, {"timeout": str(timeout)})
        self.results: dict[str, Result] = {}
        self._blocked: dict[str, str] = {}
        self._child: _Child | None = None

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
        answer = examine(check, self.bench) if check.outside else self._ask_child(check)
        self.bench.facts.update(answer["facts"])
        return self._say(check, answer["status"], answer["reason"])

    def _say(self, check: Check, status: Any, reason: str) -> Result:
        return Result(check.name, status, reason, check.expected, check.where)

    def _ask_child(self, check: Check) -> dict[str, Any]:
        if self._child is None:
            self._child = _Child(self.bench.subject, self.bench.facts)
        answer = self._child.ask(check.name, self.timeout)
        if isinstance(answer, str):
            self.close()
            return {"status": "failed", "reason": answer, "facts": {}}
        return answer

    def close(self) -> None:
        """End the process of the checks."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> Examination:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Child:
    """A process that runs checks, and the way to talk to it."""

    def __init__(self, subject: Subject, facts: Mapping[str, str]) -> None:
        handle, log = tempfile.mkstemp(prefix="omicsbench-check-", suffix=".log")
        self._log = Path(log)
        answers, theirs = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "omicsbench.conformance.child", str(theirs)],
            env={**os.environ, **device_environment("cpu", 1), **_findable()},
            stdin=subprocess.PIPE,
            stdout=handle,
            stderr=handle,
            pass_fds=(theirs,),
            start_new_session=True,
            text=True,
        )
        os.close(handle)
        os.close(theirs)
        self._answers: IO[str] = open(answers, encoding="utf-8")  # noqa: SIM115 - closed by close
        self.close = weakref.finalize(self, _end, self._process, self._answers, self._log)
        self._send(json.dumps({"paths": sys.path, "subject": msgspec.to_builtins(subject), "facts": dict(facts)}))

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def ask(self, name: str, timeout: float) -> dict[str, Any] | str:
        """The answer to a check, or why there is none and will be none."""
        try:
            self._send(name)
        except BrokenPipeError:
            return self._gone()
        if not select.select([self._answers], [], [], timeout)[0]:
            return f"not finished after {timeout:g} s"
        line = self._answers.readline()
        return json.loads(line) if line.endswith("\n") else self._gone()

    def _gone(self) -> str:
        code = self._process.wait(10)
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        printed = self._log.read_text(errors="replace").strip().splitlines()
        last = f"; the last it printed: {printed[-1][:200]}" if printed else ""
        return f"the process was {how}{last}" if code < 0 else f"the process {how}{last}"


def _findable() -> dict[str, str]:
    """The package is found by a fresh interpreter as it was found by this one."""
    home = str(Path(__file__).parents[2])
    return {"PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))}


def _end(process: subprocess.Popen[str], answers: IO[str], log: Path) -> None:
    family = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    answers.close()
    log.unlink(missing_ok=True)
