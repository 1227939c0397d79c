"""The regressors on offer and how one is chosen, on standardised inputs and targets."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.svm import SVR

from omicsbench import Array

CANDIDATES = (
    "ridge",
    "knn",
    "svr",
    "gaussian-process",
    "mlp",
    "gradient-boosting",
    "extra-trees",
    "random-forest",
)
CHOICE_ROWS = 200
"""Rows that cross-validation looks at; neighbours on a 200-point grid say little that is new."""
KERNEL_ROWS = 2000
"""Rows that a Gaussian process or a support vector machine is fitted on: their cost grows with the cube."""
FOLDS = 5
NEIGHBOURS = 5

Groups = NDArray[np.integer]


def make(name: str, seed: int, rows: int) -> Any:
    """An unfitted scikit-learn regressor for ``rows`` rows."""
    match name:
        case "ridge":
            return RidgeCV(alphas=np.logspace(-6, 3, 10))
        case "knn":
            return KNeighborsRegressor(n_neighbors=min(NEIGHBOURS, rows))
        case "svr":
            return SVR(C=10.0, epsilon=0.05)
        case "gaussian-process":
            # A zero mean: far from the training data nothing moves. Fixed length and noise, in standard deviations.
            return GaussianProcessRegressor(RBF(2.5), alpha=0.05, optimizer=None)
        case "mlp":
            return MLPRegressor(
                hidden_layer_sizes=(32,), activation="tanh", solver="lbfgs", alpha=0.1, max_iter=300, random_state=seed
            )
        case "gradient-boosting":
            return GradientBoostingRegressor(random_state=seed)
        case "extra-trees":
            return ExtraTreesRegressor(100, n_jobs=1, random_state=seed)
        case "random-forest":
            return RandomForestRegressor(100, n_jobs=1, random_state=seed)
    raise ValueError(f"unknown regressor {name!r}")


def fit(name: str, features: Array, target: Array, seed: int) -> Any:
    """A regressor fitted on ``features`` (N, F) and ``target`` (N,)."""
    if name in ("svr", "gaussian-process"):
        keep = thinned(target.size, KERNEL_ROWS)
        features, target = features[keep], target[keep]
    with warnings.catch_warnings():
        # The network stops after a fixed number of iterations by design.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make(name, seed, target.size).fit(features, target)


def thinned(rows: int, most: int) -> NDArray[np.integer]:
    """At most ``most`` evenly spaced row numbers out of ``rows``."""
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).round().astype(np.int64)


def folds(groups: Groups) -> Groups:
    """The fold (N,) that each row is held out in, so that no strain is on both sides.

    ``groups`` (N,) says which strain a row is from. Up to five strains: one strain out; more: strains in five folds.
    A single strain is cut into consecutive pieces, since neighbouring rows are nearly copies.
    """
    strains = np.unique(groups).size
    if strains > 1:
        splits = GroupKFold(min(strains, FOLDS)).split(groups, groups=groups)
    else:
        splits = KFold(min(FOLDS, groups.size)).split(groups)
    held_out = np.zeros(groups.size, dtype=np.int64)
    for number, (_, test) in enumerate(splits):
        held_out[test] = number
    return held_out


def score(name: str, features: Array, target: Array, held_out: Groups, seed: int) -> float:
    """Cross-validated error: the mean over folds of RMSE, in SD of the target."""
    errors = []
    for number in np.unique(held_out):
        test = held_out == number
        fitted = fit(name, features[~test], target[~test], seed)
        errors.append(np.sqrt(np.mean((fitted.predict(features[test]) - target[test]) ** 2)))
    return float(np.mean(errors) / target.std())


def choose(features: Array, target: Array, groups: Groups, seed: int) -> dict[str, float]:
    """The cross-validated error of every candidate, the best first."""
    keep = thinned(target.size, CHOICE_ROWS)
    features, target, held_out = features[keep], target[keep], folds(groups[keep])
    scores = {name: score(name, features, target, held_out, seed) for name in CANDIDATES}
    return dict(sorted(scores.items(), key=lambda item: item[1]))


def evolve(
    features: Array, target: Array, groups: Groups, seed: int, generations: int, population: int
) -> Any:  # the pipeline is TPOT's own
    """The pipeline that TPOT (Olson et al. 2016) finds, with strains kept apart in its cross-validation.

    Raises ``ImportError`` where TPOT is not installed.
    """
    import_tpot()
    from tpot import TPOTRegressor

    search = TPOTRegressor(
        search_space="linear",
        cv=PredefinedSplit(folds(groups)),
        generations=generations,
        population_size=population,
        max_time_mins=float("inf"),
        n_jobs=1,
        processes=False,
        verbose=0,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # Pipelines that fail or do not converge are part of the search; TPOT warns of each.
        warnings.simplefilter("ignore")
        return search.fit(features, target).fitted_pipeline_


def import_tpot() -> None:
    """Raises ``ImportError``, saying what to install, where TPOT cannot be imported."""
    try:
        import tpot  # noqa: F401
    except ImportError as error:
        raise ImportError("regressor 'tpot' needs TPOT: pip install 'omicsbench-derivative-ml[tpot]'") from error
