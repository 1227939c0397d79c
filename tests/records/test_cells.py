"""What a cell is: what is in its key, what is in its seed, and what of two settings is not alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omicsbench.records import Cell, Record, Setting, path_of

AXES = ("task", "protocol", "fold", "model", "parameters", "seed", "device")
OTHER = {"parameters": {"width": 9}, "seed": 1, "device": "cuda", "setting": Setting(data="e" * 64)}


@pytest.mark.parametrize("name", [*AXES, "setting", "code"])
def test_all_that_can_change_an_answer_is_in_the_key(cell: Cell, name: str) -> None:
    changed = msgspec.structs.replace(cell, **{name: OTHER.get(name, "abc")})
    assert changed.key != cell.key
    # A cell whose content changed takes the place of its record; a cell of other axes has a place of its own.
    assert (changed.axes != cell.axes) == (name in AXES)
    assert (path_of(changed, Path()) != path_of(cell, Path())) == (name in AXES)


@pytest.mark.parametrize("name", Setting.__struct_fields__)
def test_every_part_of_a_setting_is_in_the_key(cell: Cell, name: str) -> None:
    setting = msgspec.structs.replace(cell.setting, **{name: "0123"})
    assert msgspec.structs.replace(cell, setting=setting).key != cell.key


@pytest.mark.parametrize("name", ["distribution", "version"])
def test_names_of_code_are_not_in_the_key(cell: Cell, name: str) -> None:
    assert msgspec.structs.replace(cell, **{name: "other"}).key == cell.key


def test_no_field_of_a_cell_is_forgotten() -> None:
    assert set(Cell.__struct_fields__) == {*AXES, "setting", "code", "distribution", "version"}


def test_the_order_of_parameters_is_not_in_the_key(cell: Cell) -> None:
    turned = msgspec.structs.replace(cell, parameters=dict(reversed(cell.parameters.items())))
    assert turned.key == cell.key


def test_seeds_come_from_the_axes_alone(cell: Cell) -> None:
    def seed(**fields: Any) -> int:
        return msgspec.structs.replace(cell, **fields).model_seed

    assert seed() == seed(device="cuda") == seed(parameters={}) == seed(code="") == seed(setting=Setting())
    others = [seed(task="x"), seed(protocol="x"), seed(fold="x"), seed(model="x"), seed(seed=1)]
    assert len({seed(), *others}) == 6
    assert all(0 <= number < 2**32 for number in others)
    assert seed() == 950973348  # another way to make seeds would leave no record that can be run again


def test_settings_differ_where_both_know_and_do_not_agree() -> None:
    one = Setting(data="aa", horizon="24 h", strains="bb")
    assert one.differences(one) == []
    assert one.differences(Setting(data="ab", horizon="24 h")) == ["data"]  # strains are not known: no difference
    assert one.differences(Setting()) == []
    assert not one.known
    assert Setting(**dict.fromkeys(Setting.__struct_fields__, "1")).known


def test_a_record_is_known_by_its_headline(predicting: Callable[..., Record], make: Callable[..., Record]) -> None:
    import numpy as np

    record = predicting(np.ones((1, 2, 1)))
    assert record.headline is record.scores["measured"]
    assert make().headline is None
