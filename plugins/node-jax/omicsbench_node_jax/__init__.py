"""Neural ODE in JAX and diffrax. The model itself is loaded only when one of its cells runs."""

from omicsbench import ModelSpec, hookimpl


@hookimpl
def omicsbench_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            name="node-jax",
            factory="omicsbench_node_jax.model:NodeJax",
            devices=("cpu", "cuda"),
            summary="neural ODE in JAX and diffrax, training loop compiled as a whole",
            citation="arXiv:2512.08732",
        )
    ]
