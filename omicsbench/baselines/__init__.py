"""The floor and the ceiling of every table, as the plugin that lives in the core, laid out like any other:

trivial baselines, and the oracle of the simulated tasks.
"""

from collections.abc import Sequence

from omicsbench.hookspecs import hookimpl
from omicsbench.spec import ModelSpec


@hookimpl
def omicsbench_models() -> Sequence[ModelSpec]:
    home = "omicsbench.baselines.model"
    return [
        ModelSpec(
            "persistence",
            f"{home}:Persistence",
            role="trivial",
            deterministic=True,
            copies_data=True,
            summary="x(0) for ever",
        ),
        ModelSpec(
            "mean-strain",
            f"{home}:MeanStrain",
            role="trivial",
            deterministic=True,
            copies_data=True,
            summary="the mean of the training strains",
        ),
        ModelSpec(
            "nearest-strain",
            f"{home}:NearestStrain",
            role="trivial",
            deterministic=True,
            copies_data=True,
            summary="the training strain with the nearest controls",
        ),
        ModelSpec(
            "oracle",
            "omicsbench.kinetics.oracle:Oracle",
            role="oracle",
            deterministic=True,
            summary="the true field of a simulated task, with what models see",
        ),
    ]
