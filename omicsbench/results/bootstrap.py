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
    # In an order of their own, so that neither that of folds nor that of seeds matters.
    folds = sorted((np.sort(np.round(values, _DECIMALS)) for values in by_fold), key=np.ndarray.tolist)
    sizes = np.array([values.size for values in folds])
    most = int(sizes.max())
    table = np.stack([np.resize(values, most) for values in folds])
    fold = rng.integers(len(folds), size=(RESAMPLES, len(folds), 1))
    seed = (rng.random((RESAMPLES, len(folds), most)) * sizes[fold]).astype(np.int64)
    medians = np.median(table[fold, seed].reshape(RESAMPLES, -1), axis=1)
    low, high = np.round(np.quantile(medians, (0.025, 0.975)), _DECIMALS)
    return float(low), float(high)
