"""omicsbench: which model predicts a strain it has not seen, how well, and how fast?

The names here are all that a model plugin needs. They are loaded on first use, so that a plugin's
``__init__`` (read at every start of the program) does not pay for numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omicsbench.hookspecs import hookimpl
from omicsbench.spec import ModelSpec

if TYPE_CHECKING:
    from omicsbench.model import Model, Progress, Simulation, Status, TaskInfo
    from omicsbench.trajectory import Array, Controls, Trajectory

_HOME = {
    "Array": "trajectory",
    "Controls": "trajectory",
    "Model": "model",
    "Progress": "model",
    "Simulation": "model",
    "Status": "model",
    "TaskInfo": "model",
    "Trajectory": "trajectory",
}

__all__ = [
    "Array",
    "Controls",
    "Model",
    "ModelSpec",
    "Progress",
    "Simulation",
    "Status",
    "TaskInfo",
    "Trajectory",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'omicsbench' has no attribute {name!r}")
    return getattr(import_module(f"omicsbench.{_HOME[name]}"), name)
