"""From a request to cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from omicsbench.data.measured import fold_data
from omicsbench.data.protocols import protocol_of
from omicsbench.data.setting import setting_of
from omicsbench.data.splits import split_of
from omicsbench.data.tasks import Fold, Task
from omicsbench.errors import RecordError, RequestError, suggest
from omicsbench.parameters import Value, parameters_of, resolve
from omicsbench.plugins import Offer, Registry
from omicsbench.records import Cell, Record, load, path_of
from omicsbench.records.environment import gpus
from omicsbench.running.worker import Job
from omicsbench.spec import Device
from omicsbench.split import Split

ALL = "all"
MOST_CELLS = 1_000_000
"""That one request may ask for."""
VERSIONS = ("protocol", "preprocessing", "scoring")
"""Parts of a setting that the harness decides; the others are the task's."""


@dataclass(frozen=True)
class Request:
    """What a user asks for. Empty ``folds`` means every fold; ``models`` may hold ``all``.

    ``given``: parameters by model name; those under ``""`` go to every requested model that has them.
    """

    tasks: Sequence[Task]
    models: Sequence[str]
    protocols: Sequence[str] = ("measured",)
    folds: Sequence[str] = ()
    seeds: int = 1
    device: Literal["cpu", "cuda", "auto"] = "auto"
    given: Mapping[str, Mapping[str, Value | str]] = field(default_factory=dict)
    data_dir: Path | None = None


@dataclass(frozen=True)
class Planned:
    """A cell and what is needed to run it."""

    cell: Cell
    task: Task
    fold: Fold
    offer: Offer
    data_dir: Path | None

    @property
    def split(self) -> Split:
        """The fold under the protocol; shared by all cells that differ in model or seed."""
        return split_of(self.task, self.fold, self.cell.protocol, self.data_dir)

    def job(self, latency_budget: float) -> Job:
        """What a worker needs."""
        spec, truth = self.offer.spec, self.split.reality
        return Job(
            factory=spec.factory,
            file=self.offer.file,
            model=spec.name,
            parameters=dict(self.cell.parameters),
            seed=self.cell.model_seed,
            device=self.cell.device,
            info=self.task.info,
            inputs=self.split.inputs,
            reveal=None if truth is None or spec.role != "oracle" else truth.oracle,
            probes=None if truth is None else truth.probes,
            latency_budget=latency_budget,
            module=self.offer.module,
            code=self.cell.code,
        )


def plan(request: Request, registry: Registry) -> list[Planned]:
    """The cells of a request, trivial baselines included, grouped by model.

    Raises ``RequestError`` for anything unknown, and ``DataError`` where a task's data cannot be had.
    """
    models = _models(request, registry)
    parameters = _parameters(request, models)
    cells = []
    for offer in models:
        device = _device(request, offer)
        for task in request.tasks:
            if offer.spec.role == "oracle" and task.simulated is None:
                continue
            for fold in _folds(request, task):
                data = fold_data(task, fold, request.data_dir)
                for protocol in _protocols(request, task):
                    setting = setting_of(task, protocol, data)
                    for seed in range(1 if offer.spec.deterministic else request.seeds):
                        cell = Cell(
                            task=task.name,
                            protocol=protocol,
                            fold=fold.name,
                            model=offer.spec.name,
                            parameters=parameters[offer.spec.name],
                            seed=seed,
                            device=device,
                            setting=setting,
                            code=offer.code.digest,
                            distribution=offer.distribution,
                            version=offer.version,
                        )
                        cells.append(Planned(_recordable(cell), task, fold, offer, request.data_dir))
                        if len(cells) > MOST_CELLS:
                            raise RequestError(f"more than {MOST_CELLS} cells; ask for fewer seeds, folds or models")
    if not cells:
        raise RequestError("nothing to run: no task has such a fold and protocol")
    return cells


def _recordable(cell: Cell) -> Cell:
    """The cell, if a record of it can be read again. Raises ``RequestError`` where a name or parameter is unfit."""
    try:
        return msgspec.convert(msgspec.to_builtins(cell), Cell)
    except msgspec.ValidationError as error:
        raise RequestError(f"{cell.label!r} cannot stand in a record: {error}") from None


def _models(request: Request, registry: Registry) -> list[Offer]:
    """Trivial baselines first: they set the zero of skill and cost nothing. Oracles where there is a truth."""
    simulated = any(task.virtual is not None for task in request.tasks)
    floor_and_ceiling = {"trivial", "oracle"} if simulated else {"trivial"}
    wanted = [offer for offer in registry.models.values() if offer.spec.role in floor_and_ceiling]
    for name in request.models:
        offers = (
            [offer for offer in registry.models.values() if offer.spec.role == "model"]
            if name == ALL
            else [registry.model(name)]
        )
        wanted += [offer for offer in offers if offer not in wanted]
    return wanted


def _parameters(request: Request, models: Sequence[Offer]) -> dict[str, dict[str, Value]]:
    named = {offer.spec.name for offer in models}
    for name in request.given:
        if name and name not in named:
            raise RequestError(f"parameters are given for model {name!r}, which is not run: {suggest(name, named)}")
    shared = request.given.get("", {})
    takers = [offer for offer in models if offer.spec.role == "model"] or list(models)
    known = {offer.spec.name: parameters_of(offer.spec.factory) for offer in models}
    for name in shared:
        if not any(name in known[offer.spec.name] for offer in takers):
            raise RequestError(
                f"no model of this run has a parameter {name!r}: "
                f"{suggest(name, {p for offer in takers for p in known[offer.spec.name]})}"
            )
    result = {}
    for offer in models:
        name = offer.spec.name
        mine = {key: value for key, value in shared.items() if offer in takers and key in known[name]}
        result[name] = resolve(name, offer.spec.factory, {**mine, **request.given.get(name, {})})
    return result


def _device(request: Request, offer: Offer) -> Device:
    able = "cuda" in offer.spec.devices
    if request.device == "cuda":
        if not gpus():
            raise RequestError(
                "device cuda: no NVIDIA GPU is to be seen here (nvidia-smi lists none); use --device cpu"
            )
        if not able and offer.spec.name in request.models and offer.spec.role == "model":
            raise RequestError(
                f"model {offer.spec.name!r} runs on {', '.join(offer.spec.devices)} only; use --device cpu"
            )
    return "cuda" if able and request.device != "cpu" and gpus() else "cpu"


def _protocols(request: Request, task: Task) -> list[str]:
    """The protocols of the request that the task has. Raises ``RequestError`` where there is none."""
    protocols = [protocol_of(name) for name in dict.fromkeys(request.protocols)]
    fit = [protocol.name for protocol in protocols if task.virtual is None or protocol.simulated_tasks]
    if not fit:
        raise RequestError(
            f"task {task.name!r} is simulated and has no protocol {request.protocols[0]!r}; use measured"
        )
    return fit


def _folds(request: Request, task: Task) -> list[Fold]:
    if not request.folds:
        return list(task.folds)
    if len(request.tasks) == 1:
        return [task.fold(name) for name in request.folds]
    known = {fold.name for other in request.tasks for fold in other.folds}
    for name in request.folds:
        if name not in known:
            raise RequestError(f"no task of this run has a fold {name!r}: {suggest(name, known)}")
    return [fold for fold in task.folds if fold.name in request.folds]


def finished(planned: Planned, out: Path, retry_failed: bool) -> tuple[Record | None, list[str]]:
    """The record of a cell that need not run again, or None and what differs where there is one of other content.

    Raises ``RecordError`` where its file cannot be read.
    """
    path = path_of(planned.cell, out)
    if not path.exists():
        return None, []
    record = load(path)
    if record.cell.axes != planned.cell.axes:
        raise RecordError(f"{path}: holds the record of another cell ({record.cell.label}); give it back its name")
    if record.key != planned.cell.key:
        return None, differences(record.cell, planned.cell)
    return (None, []) if retry_failed and record.status in ("failed", "timeout") else (record, [])


def differences(before: Cell, now: Cell) -> list[str]:
    """What of the content of a cell is not as it was, in words; empty where nothing is."""
    found = []
    parts = before.setting.differences(now.setting)
    task = [part for part in parts if part not in VERSIONS]
    if task:
        found.append(f"task {now.task} changed: {', '.join(task)}")
    found += [f"the version of {part} changed" for part in parts if part in VERSIONS]
    if before.code and before.code != now.code:
        found.append(f"plugin code of {now.distribution} changed")
    if not found and before.key != now.key:
        found.append("made before records knew their code")
    return found
