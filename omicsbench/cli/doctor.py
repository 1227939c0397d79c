"""``omicsbench doctor``: what is installed, what is broken, what it would run on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from omicsbench.cli.common import all_tasks, console, emit_json, exits, json_option, plugins_option, tasks_option

LIBRARIES = ("numpy", "scipy", "pandas", "torch", "torchdiffeq", "jax", "diffrax", "scikit-learn", "pysindy")


@click.command("doctor")
@json_option
@plugins_option
@tasks_option
@exits
def command(as_json: bool, plugins_dirs: tuple[Path, ...], tasks_dirs: tuple[Path, ...]) -> int:
    """Say what is installed, what is broken and why. Exit code 1 where something is broken."""
    from omicsbench.plugins import discover

    registry = discover(plugins_dirs)
    tasks = all_tasks(registry, tasks_dirs)
    report: dict[str, Any] = {
        "omicsbench": importlib.metadata.version("omicsbench"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "models": {offer.spec.name: _model(offer) for offer in registry.models.values()},
        "problems": [{"plugin": p.plugin, "reason": p.reason} for p in registry.problems],
        "data": {task.name: _data(task) for task in tasks.values() if task.source is not None},
        "devices": _devices(),
    }
    if as_json:
        emit_json(report)
    else:
        _print(report)
    broken = registry.problems or any(model["broken"] for model in report["models"].values())
    return 1 if broken else 0


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _model(offer: Any) -> dict[str, Any]:
    from omicsbench.errors import ContractError
    from omicsbench.parameters import parameters_of, split_factory

    broken = ""
    try:
        parameters_of(offer.spec.factory)
        module = split_factory(offer.spec.factory)[0]
        if offer.file is None and find_spec(module) is None:
            broken = f"module {module!r} cannot be found"
    except ContractError as error:
        broken = str(error)
    return {"plugin": offer.plugin, "version": offer.version, "devices": list(offer.spec.devices), "broken": broken}


def _data(task: Any) -> str:
    from omicsbench.data.measured import locate
    from omicsbench.data.tasks import data_dir_of
    from omicsbench.errors import DataError, DataUnavailable

    try:
        return str(locate(task, data_dir_of(None), download=False))
    except DataUnavailable:
        return f"not here; `omicsbench data fetch {task.name}` gets it"
    except DataError as error:
        return str(error)


def _devices() -> dict[str, Any]:
    import psutil

    from omicsbench.records.environment import cpu_name, gpus

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu_name(),
        "cores": usable,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "threads_a_worker": 1,
        "cuda": [f"{name}, driver {driver}" for name, driver in gpus()],
    }


def _print(report: dict[str, Any]) -> None:
    out = console()

    def line(text: str) -> None:
        out.print(text)

    line(f"omicsbench {report['omicsbench']}, Python {report['python']}, {report['platform']}")
    versions = [f"{name} {version or '(not installed)'}" for name, version in report["libraries"].items()]
    line("libraries: " + ", ".join(versions))
    line("models:")
    for name, model in report["models"].items():
        state = f"BROKEN: {model['broken']}" if model["broken"] else f"ok ({', '.join(model['devices'])})"
        line(f"  {name} {model['version']} from {model['plugin']}: {state}")
    for problem in report["problems"]:
        line(f"  plugin {problem['plugin']}: BROKEN: {problem['reason']}")
    line("data:")
    for name, state in report["data"].items():
        line(f"  {name}: {state}")
    devices = report["devices"]
    line(f"cpu: {devices['cpu']}, {devices['cores']} cores, {devices['memory_gb']} GB, 1 thread a worker")
    line("cuda: " + ("; ".join(devices["cuda"]) or "no NVIDIA GPU to be seen (nvidia-smi lists none)"))
