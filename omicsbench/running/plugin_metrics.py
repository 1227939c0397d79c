"""Metrics of plugins: strangers' code, so each is computed in a worker process of its plugin's, within a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from msgspec.structs import replace

from omicsbench.errors import ContractError
from omicsbench.known import Source
from omicsbench.plugins import Problem, Registry, metrics_of
from omicsbench.records import Failure, TargetScores, significant, to_json
from omicsbench.running.machine import MACHINE
from omicsbench.running.supervisor import WorkerProcess
from omicsbench.running.work import Quiet
from omicsbench.scoring.cell import mean_scores
from omicsbench.scoring.metrics import Metric, Scored, evaluate
from omicsbench.trajectory import Array

LIMIT = 10.0
"""Seconds that one metric may take for one cell."""


@cache
def _metrics(source: Source) -> dict[str, Metric]:
    """The metrics of a plugin by name, in the worker process that computes them."""
    return {metric.name: metric for metric in metrics_of(source)}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One metric of one cell at each of its targets."""

    source: Source
    metric: str
    scored: Sequence[Scored]

    def run(self, progress: Callable[..., None], quiet: Quiet) -> list[Array]:
        """Values (S,) for each target. Raises what the metric raises."""
        metric = _metrics(self.source)[self.metric]
        return [evaluate(metric, scored) for scored in self.scored]

    def check(self, result: list[Array]) -> None:
        """One value a state for each target."""
        if [values.shape for values in result] != [scored.scale.shape for scored in self.scored]:
            raise ContractError("a metric has one value a state and target")


class PluginMetrics:
    """Computes the metrics of all plugins, in one process a plugin that lives until ``close``.

    A metric that fails is null in the record, and reported once; the scores of the core stand. One that passes the
    limit, or takes its process down, is not tried again.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._workers: dict[str, WorkerProcess] = {}
        self._reported: set[str] = set()
        self._given_up: set[str] = set()

    def add(
        self, scores: Mapping[str, TargetScores], scored: Mapping[str, Scored], counted: Sequence[bool]
    ) -> dict[str, TargetScores]:
        """Scores by target with the plugins' metrics beside the core's; ``scored`` is what they are of."""
        result = dict(scores)
        for plugin, metric in self._registry.plugin_metrics:
            found = self._values(plugin, metric, list(scored.values()))
            for (target, at), values in zip(scored.items(), found, strict=True):
                lost = (np.isnan(at.prediction) & ~np.isnan(at.truth)).any(axis=(0, 1))
                per_state = {metric.name: to_json(significant(np.where(lost, np.nan, values)))}
                old = result[target]
                result[target] = replace(
                    old,
                    per_state=old.per_state | per_state,
                    mean=old.mean | mean_scores(per_state, counted, [metric]),
                )
        return result

    def _values(self, plugin: str, metric: Metric, scored: Sequence[Scored]) -> Sequence[Array]:
        """Values for each target, NaN where the metric fails."""
        if metric.name not in self._given_up:
            worker = self._workers.get(plugin)
            with MACHINE.shared() as share:
                if worker is None or not worker.reusable:
                    if worker is not None:
                        worker.stop()
                    worker = self._workers[plugin] = WorkerProcess(f"metrics of {plugin}", "cpu", threads=1)
                found = worker.run(Evaluation(self._registry.sources[plugin], metric.name, scored), LIMIT, share)
            if not isinstance(found, Failure):
                return found
            self._report(plugin, metric, found)
        return [np.full(one.scale.shape, np.nan) for one in scored]

    def _report(self, plugin: str, metric: Metric, failure: Failure) -> None:
        said = failure.message if failure.type == "ValueError" else ""  # of ``evaluate``, which names the metric
        reason = said or f"metric {metric.name!r} failed: {failure.type}: {failure.message}"
        if failure.type in ("TimeoutError", "WorkerDied", "WorkerFault", "MemoryError"):
            self._given_up.add(metric.name)
            reason += "; it is not tried again in this run"
        if metric.name not in self._reported:
            self._reported.add(metric.name)
            self._registry.problems.append(Problem(plugin, reason))

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()
