"""Which terms stay: pysindy's sparse regressions, for one state at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pysindy import FROLS, SR3, SSR, STLSQ
from sklearn.exceptions import ConvergenceWarning

from omicsbench import Array

Optimizer = Literal["stlsq", "sr3", "ssr", "frols"]
Support = NDArray[np.bool_]

MOST_GREEDY_TERMS = 20
"""Where FROLS stops adding terms to an equation; its cost grows with the square."""


def sparse_fit(terms: Array, target: Array, optimizer: Optimizer, threshold: float, alpha: float) -> Array:
    """Sparse coefficients (M,) of ``target`` (N,) on ``terms`` (N, M), whose first column is the constant.

    The optimizer says which terms stay; their coefficients are then those of least squares, so that neither ridge nor
    relaxation biases them. Terms that do not vary get 0.
    """
    moving = np.ptp(terms, axis=0) > 1e-12 * np.abs(terms).max(axis=0)
    moving[0] = True
    coefficients = np.zeros(terms.shape[1])
    if np.abs(target).max() > 0:
        coefficients[moving] = _fit_moving(terms[:, moving], target, optimizer, threshold, alpha)
    return coefficients


def _fit_moving(terms: Array, target: Array, optimizer: Optimizer, threshold: float, alpha: float) -> Array:
    match optimizer:
        case "stlsq":
            search = STLSQ(threshold=threshold, alpha=alpha, unbias=False)
        case "sr3":
            search = SR3(reg_weight_lam=SR3.calculate_l0_weight(threshold, 1.0), relax_coeff_nu=1.0)
        case "ssr":
            search = SSR(alpha=alpha, max_iter=max(1, terms.shape[1] - 1), unbias=False)
        case "frols":
            search = FROLS(alpha=alpha, max_iter=MOST_GREEDY_TERMS, unbias=False)
    with warnings.catch_warnings():
        # That nothing is left, or that a fixed number of rounds was not enough, shows in the equations.
        warnings.filterwarnings("ignore", "Sparsity parameter is too big", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(terms, target[:, None])
    if optimizer in ("stlsq", "sr3"):
        return refit(terms, target, search.coef_[0] != 0.0)
    path = [step[0] != 0.0 for step in search.history_]
    if optimizer == "ssr":
        path.append(np.ones(terms.shape[1], dtype=bool))
    return _sparsest(terms, target, path, threshold)


def _sparsest(terms: Array, target: Array, path: Iterable[Support], threshold: float) -> Array:
    """Of the models that a greedy search went through, the one with the fewest terms that is nearly the best.

    Nearly: it leaves at most ``threshold`` of the target's sum of squares more unexplained than the best of them.
    pysindy's own choice among these models has no threshold to set.
    """
    fits = [refit(terms, target, support) for support in path]
    unexplained = [float(np.sum((target - terms @ fit) ** 2)) for fit in fits]
    enough = min(unexplained) + threshold * float(np.sum(target**2))
    return min((fit for fit, left in zip(fits, unexplained, strict=True) if left <= enough), key=np.count_nonzero)


def refit(terms: Array, target: Array, support: Support) -> Array:
    """Least squares on the terms in ``support`` (M,), 0 elsewhere."""
    coefficients = np.zeros(terms.shape[1])
    if support.any():
        coefficients[support] = np.linalg.lstsq(terms[:, support], target, rcond=None)[0]
    return coefficients
