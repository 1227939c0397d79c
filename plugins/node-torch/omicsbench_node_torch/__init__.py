"""The model ``node-torch``: a neural ODE in torch and torchdiffeq."""

from collections.abc import Sequence

from omicsbench import ModelSpec, hookimpl


@hookimpl
def omicsbench_models() -> Sequence[ModelSpec]:
    return [
        ModelSpec(
            name="node-torch",
            factory="omicsbench_node_torch.model:NodeTorch",
            devices=("cpu", "cuda"),
            summary="neural ODE in torch and torchdiffeq, trained through RK4 with a discrete adjoint",
            citation="arXiv:2512.08732",
        )
    ]
