"""The trivial baselines, as the plugin that lives in the core. Laid out like any other plugin."""

from collections.abc import Sequence

from omicsbench.hookspecs import hookimpl
from omicsbench.spec import ModelSpec


@hookimpl
def omicsbench_models() -> Sequence[ModelSpec]:
    home = "omicsbench.baselines.model"
    return [
        ModelSpec("persistence", f"{home}:Persistence", role="trivial", deterministic=True, summary="x(0) for ever"),
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
    ]
