"""Sparse identification of nonlinear dynamics with control. The model is loaded only when one of its cells runs."""

from omicsbench import ModelSpec, hookimpl


@hookimpl
def omicsbench_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            name="sindy",
            factory="omicsbench_sindy.model:Sindy",
            summary="sparse equations in states and controls (SINDYc, by pysindy)",
            citation="doi:10.1073/pnas.1517384113",
        )
    ]
