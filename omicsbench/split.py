"""One fold under one protocol: what a model is given, and what it is scored against."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omicsbench.trajectory import Array, Controls, Trajectory


@dataclass(frozen=True, eq=False)
class Target:
    """Where predictions are scored: ``index`` (T',) into the split's times, ``truth`` (B, T', S), NaN unscored."""

    name: str
    index: NDArray[np.int64]
    truth: Array


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that a model is given: ``train`` to fit; ``x0`` (B, S), ``t`` (T,) hours and ``controls`` to simulate."""

    train: tuple[Trajectory, ...]
    x0: Array
    t: Array
    controls: Controls

    @property
    def sha256(self) -> str:
        """Over every byte that a model is given."""
        digest = hashlib.sha256()
        for strain in self.train:
            digest.update(strain.strain.encode())
            for array in (strain.t, strain.x, strain.controls.t, strain.controls.u):
                _feed(digest, array)
        for array in (self.x0, self.t, self.controls.t, self.controls.u):
            _feed(digest, array)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Split:
    """One fold under one protocol: what a model is given, and what it is scored against.

    Of the B strains in ``held_out``, ``targets`` hold the truth (the first is the headline); ``scale`` (S,) is
    the unit of NRMSE. A model is given ``inputs`` and nothing else; ``reality`` is what else a simulator knows.
    """

    inputs: Inputs
    held_out: tuple[str, ...]
    targets: tuple[Target, ...]
    scale: Array
    reality: Any = None

    @property
    def truth_sha256(self) -> str:
        """Over every byte that predictions are scored against."""
        digest = hashlib.sha256()
        for target in self.targets:
            digest.update(target.name.encode())
            _feed(digest, target.index)
            _feed(digest, target.truth)
        return digest.hexdigest()


def _feed(digest: Any, array: NDArray[Any]) -> None:
    digest.update(str(array.shape).encode())
    digest.update(np.ascontiguousarray(array).tobytes())
