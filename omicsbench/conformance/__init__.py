"""The plugin interface in executable form: what ``omicsbench check`` runs, and the same from pytest.

A contributor's test file is one line::

    from omicsbench.conformance import conformance_tests

    test_conformance = conformance_tests("my-model", steps=50)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from omicsbench.conformance.catalogue import CHECKS
from omicsbench.conformance.contract import Check, Result
from omicsbench.conformance.examination import Examination, subject_of
from omicsbench.parameters import Value

__all__ = ["CHECKS", "Check", "Examination", "Result", "conformance_tests", "subject_of"]


def conformance_tests(model: str, /, *, plugins_dir: Path | None = None, **parameters: Value) -> Callable[[str], None]:
    """A pytest test, parametrised by the checks of the contract, of the model of that name.

    ``parameters`` are those of the model, to make it quick; ``plugins_dir`` holds one-file plugins. A check that
    needs a device that is not here is skipped with its reason.
    """
    import pytest

    found: list[Examination] = []

    def examination() -> Examination:
        if not found:
            from omicsbench.plugins import discover

            registry = discover([] if plugins_dir is None else [plugins_dir])
            found.append(Examination(subject_of(registry, model, parameters)))
        return found[0]

    @pytest.mark.parametrize("name", list(CHECKS))
    def test_conformance(name: str) -> None:
        result = examination().result(name)
        if len(found[0].results) == len(CHECKS):
            found[0].close()
        if result.status == "skipped":
            pytest.skip(result.reason)
        if result.status == "failed":
            pytest.fail(str(result), pytrace=False)

    return test_conformance
