"""The one bootstrap: folds, then seeds within them, the same for ranks and for claims."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omicsbench.leaderboard import claims
from omicsbench.results import bootstrap, ranking
from omicsbench.results.bootstrap import interval

FOLDS = st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=7).map(np.array), min_size=1, max_size=5)


def test_claims_and_ranks_have_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    by_fold = [np.array([0.1, 0.3, 0.2]), np.array([0.5]), np.array([0.4, 0.9])]
    cells = {str(n): dict(enumerate(values)) for n, values in enumerate(by_fold)}
    spread = claims.spread(by_fold)
    assert (spread.lower, spread.upper) == ranking.interval(cells) == interval(by_fold)
    # Not two that happen to agree: whoever changes the one changes both.
    monkeypatch.setattr(bootstrap, "interval", lambda by_fold: (-7.0, 7.0))
    monkeypatch.setattr(claims, "interval", bootstrap.interval)
    assert ranking.interval(cells) == (-7.0, 7.0)
    for module in (claims, ranking):
        assert "default_rng" not in inspect.getsource(module)


def test_nothing_has_no_interval() -> None:
    assert np.isnan(interval([])).all()


def test_a_single_value_is_its_own_interval() -> None:
    assert interval([np.array([0.25])]) == (0.25, 0.25)


def test_of_a_single_fold_the_seeds_are_drawn() -> None:
    low, high = interval([np.arange(20.0)])
    assert 0 < low < 9.5 < high < 19
    # As many of one value as are drawn have no spread.
    assert interval([np.full(20, 3.0)]) == (3.0, 3.0)


def test_many_seeds_of_few_folds_are_no_new_strains() -> None:
    """Two folds that disagree stay as wide as they are, however many seeds each has."""
    few, many = ([np.full(n, 0.0), np.full(n, 1.0)] for n in (1, 500))
    assert interval(few) == interval(many) == (0.0, 1.0)


def test_folds_of_unequal_seeds_weigh_the_same() -> None:
    """A fold of a hundred seeds is drawn as often as one of a single seed."""
    low, high = interval([np.full(100, 1.0), np.array([0.0]), np.array([0.0])])
    assert (low, high) == (0.0, 1.0)
    # Every value of the larger fold can be drawn, and no fold is drawn beyond its own.
    assert interval([np.array([1.0, 1.0, 5.0]), np.array([1.0])])[1] > 1.0
    assert interval([np.array([1.0, 2.0]), np.array([1.0, 2.0, 1.0, 2.0])]) == (1.0, 2.0)


def test_differences_of_rounding_are_none() -> None:
    assert interval([np.array([1e-13, -1e-14]), np.array([3e-12])]) == (0.0, 0.0)


@given(FOLDS)
def test_bounds_lie_within_the_values(by_fold: list[np.ndarray]) -> None:
    low, high = interval(by_fold)
    values = np.round(np.concatenate(by_fold), 9)
    assert values.min() <= low <= high <= values.max()


@given(FOLDS, st.randoms(use_true_random=False))
def test_neither_the_order_of_folds_nor_that_of_seeds_matters(by_fold: list[np.ndarray], random: Any) -> None:
    turned = [values.copy() for values in by_fold]
    for values in turned:
        random.shuffle(values)
    random.shuffle(turned)
    assert interval(by_fold) == interval(turned) == interval(by_fold)
