"""Regression on estimated derivatives (Costello & Martin 2018). The model is loaded only when one of its cells runs."""

from omicsbench import ModelSpec, hookimpl


@hookimpl
def omicsbench_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            name="derivative-ml",
            factory="omicsbench_derivative_ml.model:DerivativeML",
            summary="one scikit-learn regressor a state on estimated derivatives, then integrated",
            citation="doi:10.1038/s41540-018-0054-3",
        )
    ]
