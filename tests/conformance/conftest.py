"""A good one-file plugin, to be broken in one way at a time."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from omicsbench.conformance import Examination, subject_of
from omicsbench.plugins import discover
from omicsbench.templates import render

Examine = Callable[..., Examination]
COUNT = itertools.count()


def good(name: str) -> str:
    """The source of the model that ``new-plugin --single-file`` writes."""
    module = name.replace("-", "_")
    return render("plugin/single.py.j2", name=name, package=module, module=module, kind="Relaxation", distribution="")


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Examine]:
    """``examine((old, new), ...)``: an examination of the good plugin with these pieces of its source replaced."""
    monkeypatch.setenv("OMICSBENCH_PLUGINS", "")
    begun: list[Examination] = []

    def start(*breaks: tuple[str, str], timeout: float = 60.0, **parameters: Any) -> Examination:
        name = f"broken-{next(COUNT)}"
        source = good(name)
        for old, new in breaks:
            assert old in source, f"nothing to break: {old!r} is not in the template"
            source = source.replace(old, new)
        (tmp_path / f"{name.replace('-', '_')}.py").write_text(source)
        registry = discover([tmp_path])
        assert not registry.problems
        begun.append(Examination(subject_of(registry, name, {"rates": 5, **parameters}), timeout))
        return begun[-1]

    yield start
    for examination in begun:
        examination.close()
