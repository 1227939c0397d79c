"""A user's own kinetic pathway, read from SBML: strains differ in some of its parameters.

libRoadRunner (Welsh et al. 2023, Bioinformatics 39:btac770) reads and integrates the model; it comes with the extra
``omicsbench[sbml]``.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from omicsbench.errors import RequestError, suggest
from omicsbench.kinetics.cache import cached, content_key
from omicsbench.kinetics.sampling import rows_of
from omicsbench.trajectory import Array, Controls, read_only

_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


@dataclass(frozen=True, eq=False)
class SbmlStrains:
    """``B`` strains of an SBML model. ``x`` (B, T, S): concentrations of the observed species, noise-free.

    Controls are the parameters that vary, ``levels`` (B, C), constant in time.
    """

    set: int
    ks: tuple[int, ...]
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    levels: Array
    t: Array
    x: Array
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ks)

    @property
    def names(self) -> tuple[str, ...]:
        """The strains' names."""
        return tuple(f"V{self.set}-{k}" for k in self.ks)

    def at(self, t: ArrayLike) -> SbmlStrains:
        """The same strains at some of their times. Raises ``ValueError`` for a time that was not simulated."""
        t = read_only(t)
        return replace(self, t=t, x=read_only(self.x[:, rows_of(self.t, t)]))

    def controls(self, t: ArrayLike) -> Controls:
        """What models are given: ``levels`` at every time of ``t`` (K,)."""
        t = read_only(t)
        return Controls(t, np.repeat(self.levels[:, None, :], t.size, axis=1))


def sbml_strains(
    path: Path | str,
    vary: Mapping[str, tuple[float, float]],
    observe: Sequence[str],
    ks: Sequence[int],
    set: int,
    t: ArrayLike,
) -> SbmlStrains:
    """Strains ``ks`` of a set: each parameter of ``vary`` log-uniform between its two bounds, in the order given, from
    ``default_rng([7004, set, k])``; simulated at times ``t`` (T,) in the model's own unit of time.

    Raises ``RequestError`` where libRoadRunner is not installed, the file is not SBML, a parameter or species is not
    in it, bounds are not positive and increasing, or a strain cannot be integrated.
    """
    path, t = Path(path), read_only(t)
    runner = _load(path)
    model = runner.model
    settable = _without(model.getGlobalParameterIds(), runner.getAssignmentRuleIds(), runner.getRateRuleIds())
    _check_known(path, "parameter", vary, settable)
    _check_known(path, "species", observe, [*model.getFloatingSpeciesIds(), *model.getBoundarySpeciesIds()])
    if not vary or not observe:
        raise RequestError(f"{path}: name at least one parameter to vary and one species to observe")
    for name, (low, high) in vary.items():
        if not 0.0 < low <= high < np.inf:
            raise RequestError(f"{path}: parameter {name!r} must vary between two positive bounds, got {low} to {high}")
    bounds = np.log(np.array(list(vary.values()), dtype=np.float64))
    levels = np.array([np.exp(np.random.default_rng([7004, set, k]).uniform(*bounds.T)) for k in ks])
    key = content_key(
        of="sbml",
        model=hashlib.sha256(path.read_bytes()).hexdigest(),
        vary={name: list(map(float, between)) for name, between in vary.items()},
        order=list(vary),
        observe=list(observe),
        set=set,
        ks=list(ks),
        t=t.tolist(),
        roadrunner=roadrunner_version(),
    )
    x = cached(key, (len(ks), t.size, len(observe)), lambda: _simulate(path, runner, tuple(vary), levels, observe, t))
    return SbmlStrains(set, tuple(ks), tuple(observe), tuple(vary), read_only(levels), t, read_only(x))


def roadrunner_version() -> str:
    """The version of libRoadRunner that integrates here; nothing where it is not installed."""
    try:
        return version("libroadrunner")
    except PackageNotFoundError:
        return ""


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # from its generated wrappers, on Python 3.12 and later
            roadrunner = import_module("roadrunner")
    except ImportError as error:
        raise RequestError("reading SBML needs libRoadRunner: pip install 'omicsbench[sbml]'") from error
    if not path.is_file():
        raise RequestError(f"{path}: no such file")
    try:
        return roadrunner.RoadRunner(str(path))
    except RuntimeError as error:
        raise RequestError(f"{path}: cannot be read as SBML: {_one_line(error)}") from error


def _simulate(
    path: Path, runner: Any, parameters: Sequence[str], levels: Array, observe: Sequence[str], t: Array
) -> Array:
    runner.integrator.relative_tolerance = _RELATIVE
    runner.integrator.absolute_tolerance = _ABSOLUTE
    runner.selections = [f"[{species}]" for species in observe]
    x = np.empty((len(levels), t.size, len(observe)))
    for b, level in enumerate(levels):
        runner.resetToOrigin()
        for name, value in zip(parameters, level, strict=True):
            runner.model[name] = float(value)
        runner.reset()  # initial assignments follow the parameters
        try:
            x[b] = runner.simulate(times=t.tolist())
        except RuntimeError as error:
            drawn = ", ".join(f"{name} = {value:.4g}" for name, value in zip(parameters, level, strict=True))
            raise RequestError(f"{path}: cannot be integrated with {drawn}: {_one_line(error)}") from error
    return x


def _without(names: Iterable[str], *left_out: Iterable[str]) -> list[str]:
    ruled = {name for some in left_out for name in some}
    return [name for name in names if name not in ruled]


def _check_known(path: Path, what: str, names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise RequestError(f"{path}: no {what} {name!r} that can be used; {suggest(name, known)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
