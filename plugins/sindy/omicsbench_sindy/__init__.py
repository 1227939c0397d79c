"""Sparse identification of nonlinear dynamics with control. The model is loaded only when one of its cells runs."""

from typing import Any

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


@hookimpl
def omicsbench_commands(cli: Any) -> None:
    from omicsbench_sindy.command import command

    cli.add_command(command)
