"""All trees of all states in one table, walked level by level for many rows at once.

One call of a forest's ``predict`` costs milliseconds of bookkeeping for a single row; an integration makes thousands.
The table is read from ``Tree``'s documented arrays and gives scikit-learn's own answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor

from omicsbench import Array

CHUNK = 2**16
"""Rows times trees walked at once: what a cache holds."""


def is_forest(regressor: Any) -> bool:
    return isinstance(regressor, RandomForestRegressor | ExtraTreesRegressor | GradientBoostingRegressor)


class Forest:
    """The tree ensembles of some states, each state's output the weighted sum of its trees plus an offset."""

    def __init__(self, regressors: Mapping[int, Any], states: int) -> None:
        """``regressors`` by state number, all for which ``is_forest`` holds."""
        trees, weights, owners = [], [], []
        self.offset = np.zeros(states)
        for state, regressor in regressors.items():
            members = [estimator.tree_ for estimator in np.ravel(regressor.estimators_)]
            boosted = isinstance(regressor, GradientBoostingRegressor)
            if boosted:
                self.offset[state] = float(regressor.init_.constant_.ravel()[0])
            trees += members
            weights += [regressor.learning_rate if boosted else 1.0 / len(members)] * len(members)
            owners += [state] * len(members)
        starts = np.cumsum([0] + [tree.node_count for tree in trees])
        self.roots = starts[:-1]
        self.depth = max(tree.max_depth for tree in trees)
        # A leaf points at itself, so that walking on changes nothing.
        leaf = np.concatenate([tree.children_left for tree in trees]) < 0
        here = np.arange(starts[-1])
        self.children = np.empty((starts[-1], 2), dtype=np.int64)
        for side, name in enumerate(("children_left", "children_right")):
            moved = np.concatenate([getattr(tree, name) + at for tree, at in zip(trees, self.roots, strict=True)])
            self.children[:, side] = np.where(leaf, here, moved)
        self.children = self.children.ravel()
        self.feature = np.where(leaf, 0, np.concatenate([tree.feature for tree in trees]))
        self.threshold = np.concatenate([tree.threshold for tree in trees])
        self.value = np.concatenate([tree.value[:, 0, 0] for tree in trees])
        self.weights = np.zeros((len(trees), states))
        self.weights[np.arange(len(trees)), owners] = weights

    def predict(self, features: Array) -> Array:
        """Outputs (N, S) of ``features`` (N, F); 0 for states that have no ensemble here."""
        rows = max(1, CHUNK // self.roots.size)
        parts = [self._walk(features[at : at + rows]) for at in range(0, len(features), rows)]
        return np.concatenate(parts)

    def _walk(self, features: Array) -> Array:
        # scikit-learn compares single-precision inputs with double-precision thresholds.
        flat = features.astype(np.float32).ravel()
        base = np.arange(len(features))[:, None] * features.shape[1]
        node = np.repeat(self.roots[None], len(features), axis=0)
        for _ in range(self.depth):
            right = ~(flat[base + self.feature[node]] <= self.threshold[node])
            node = self.children[2 * node + right]
        return self.offset + self.value[node] @ self.weights
