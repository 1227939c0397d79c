"""The one bootstrap of the suite: folds, then seeds within them, for every interval and every rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omicsbench.trajectory import Array

RESAMPLES = 2000
_DECIMALS = 9  # of values and bounds: beyond them processors may differ, and zero must be zero on each


def interval(by_fold: Sequence[Array]) -> tuple[float, float]:
    """2.5 % and 97.5 % quantiles of the median of values, one array a fold: folds drawn with replacement, then seeds
    within each. Seeds of one fold are no new strains.

    The generator is seeded anew each time, so that an interval depends on its values alone. NaN of nothing.
    """
    if not by_fold:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    sizes = np.array([values.size for values in by_fold])
    most = int(sizes.max())
    table = np.stack([np.resize(np.sort(np.round(values, _DECIMALS)), most) for values in by_fold])
    fold = rng.integers(len(by_fold), size=(RESAMPLES, len(by_fold), 1))
    seed = (rng.random((RESAMPLES, len(by_fold), most)) * sizes[fold]).astype(np.int64)
    medians = np.median(table[fold, seed].reshape(RESAMPLES, -1), axis=1)
    low, high = np.round(np.quantile(medians, (0.025, 0.975)), _DECIMALS)
    return float(low), float(high)
