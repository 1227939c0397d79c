"""The machine is shared by fits and had alone by timings, whatever is raised in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from omicsbench.running.machine import Impatient, MachineLock


def free(machine: MachineLock) -> bool:
    """Whether it can be shared and had alone at once, that is, nothing has leaked."""
    done = threading.Event()

    def take() -> None:
        with machine.shared() as share, share.alone(5.0, lambda: None):
            done.set()

    threading.Thread(target=take, daemon=True).start()
    return done.wait(10.0)


def fail(*_: object) -> None:
    raise ValueError("no luck")


def test_nothing_leaks_when_anything_raises() -> None:
    machine = MachineLock()
    with pytest.raises(ValueError, match="no luck"), machine.shared():
        fail()
    with pytest.raises(ValueError, match="no luck"), machine.shared() as share, share.alone(5.0, lambda: None):
        fail()
    assert free(machine)


def hold(machine: MachineLock) -> tuple[threading.Event, threading.Thread]:
    """Somebody who shares the machine until the event is set."""
    holding, release = threading.Event(), threading.Event()

    def share() -> None:
        with machine.shared():
            holding.set()
            release.wait(30)

    thread = threading.Thread(target=share)
    thread.start()
    assert holding.wait(10)
    return release, thread


@pytest.mark.parametrize(("check", "error"), [(lambda: None, Impatient), (fail, ValueError)])
def test_a_timing_does_not_wait_for_ever(
    check: Callable[[], None], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omicsbench.running.machine.LOOK", 0.05)
    machine = MachineLock()
    release, thread = hold(machine)
    with pytest.raises(error), machine.shared() as share, share.alone(0.2, check):
        pytest.fail("it was not alone")
    release.set()
    thread.join(10)
    assert free(machine)


def test_a_timing_that_gave_up_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omicsbench.running.machine.LOOK", 0.05)
    machine = MachineLock()
    release, thread = hold(machine)
    errors: list[Any] = []

    def impatient() -> None:
        try:
            with machine.shared() as share, share.alone(0.2, lambda: None):
                pass
        except Impatient as error:
            errors.append(error)

    waiting = threading.Thread(target=impatient)
    waiting.start()
    waiting.join(10)
    assert [str(error) for error in errors] == ["the machine was not free for a timing in 0.2 s"]
    second, other = hold(machine)
    for event, one in ((release, thread), (second, other)):
        event.set()
        one.join(10)
    assert free(machine)
