"""Checks of how a model is made and fitted."""

from __future__ import annotations

import inspect
import json
import os
import sys

import msgspec
import numpy as np

from omicsbench.conformance import pathway
from omicsbench.conformance.bench import LARGEST_SEED, Bench, digest
from omicsbench.conformance.contract import Broken, NoHardware, check
from omicsbench.model import Simulation, Status
from omicsbench.parameters import HARNESS_ARGUMENTS, parameters_of, resolve
from omicsbench.records.environment import gpus
from omicsbench.running.supervisor import device_environment
from omicsbench.running.worker import load_class
from omicsbench.trajectory import Trajectory

KINDS = {"int", "float", "str", "bool", "None"}


@check(
    "construction",
    "__init__(self, *, seed: int, device: str, ...) written out in the class that factory names, a subclass of Model",
    "construction",
)
def construction(bench: Bench) -> str:
    parameters_of(bench.subject.factory)
    bench.make()
    return ""


@check(
    "parameters",
    "each keyword beyond seed and device has a simple annotation and a literal default that --set can give back",
    "parameters",
    needs=["construction"],
)
def parameters(bench: Bench) -> str:
    factory = bench.subject.factory
    known = parameters_of(factory)
    for parameter in known.values():
        kinds = {part.strip() for part in parameter.annotation.split("|")}
        if not parameter.choices and not kinds <= KINDS:
            raise Broken(
                f"parameter {parameter.name!r} is annotated {parameter.annotation or 'not at all'}; "
                "use int, float, str, bool, X | None or Literal[...]"
            )
        try:
            again = resolve(bench.subject.model, factory, {parameter.name: str(parameter.default)})[parameter.name]
        except Exception as error:
            raise Broken(f"the default of {parameter.name!r} does not fit its annotation: {error}") from None
        if again != parameter.default:
            raise Broken(f"--set {parameter.name}={parameter.default} would give {again!r}, not the default")
    taken = set(inspect.signature(load_class(factory, bench.file)).parameters)
    if taken != {*HARNESS_ARGUMENTS, *known}:
        differing = sorted(taken ^ {*HARNESS_ARGUMENTS, *known})
        raise Broken(f"the loaded class and its source disagree on {', '.join(differing)}")
    return ""


@check("fit", "fit(train, task, progress) learns from three complete strains", "fit", needs=["construction"])
def fit(bench: Bench) -> str:
    _ = bench.model
    return ""


@check("fit-ragged", "fit takes strains that were each measured at their own times", "fit", needs=["shapes"])
def fit_ragged(bench: Bench) -> str:
    return _still_predicts(bench, pathway.strains(ragged=True))


@check(
    "fit-holes",
    "fit takes NaN where nothing was measured, also for a state never measured in a strain",
    "fit",
    needs=["shapes"],
)
def fit_holes(bench: Bench) -> str:
    return _still_predicts(bench, pathway.strains(holes=True))


def _still_predicts(bench: Bench, train: list[Trajectory]) -> str:
    """Numbers come out where they do after complete series: NaN has not got into what was learned."""
    said = bench.ask(model=bench.fit(bench.make(), train))
    if _lost(said) and not _lost(bench.ask()):
        raise Broken("after this fit no strain is predicted: every x after t[0] is NaN, or every status DIVERGED")
    return ""


def _lost(said: Simulation) -> bool:
    return bool((said.status != Status.OK).all() or np.isnan(said.x[:, 1:]).all())


@check("progress", "fit calls progress(step, of, loss) at least once, 1 <= step <= of, never back", "progress", ["fit"])
def progress(bench: Bench) -> str:
    _ = bench.model
    calls = bench.reported
    if not calls:
        if bench.subject.role == "trivial":
            return "a trivial baseline may be silent"
        raise Broken("fit reported nothing")
    last = 0
    for step, of, loss in calls:
        if not (isinstance(step, int | np.integer) and isinstance(of, int | np.integer)):
            raise Broken(f"step and of must be whole numbers, got {step!r} and {of!r}")
        if not 1 <= step <= of:
            raise Broken(f"step {step} of {of}: steps are counted from 1")
        if step < last:
            raise Broken(f"step {step} was reported after step {last}")
        if loss is not None and not isinstance(loss, int | float | np.number):
            raise Broken(f"loss must be a number or None, got {type(loss).__name__}")
        last = int(step)
    return f"{len(calls)} reports"


@check("determinism", "two models with one seed give the same bits, whatever ran in between", "determinism", ["shapes"])
def determinism(bench: Bench) -> str:
    first = bench.ask()
    again = bench.ask(model=bench.fit(bench.make(), pathway.strains()))
    if digest(again) != digest(first):
        bench.compare(again, first, 0.0, "a second model with the same seed")
        raise Broken("a second model with the same seed gives other bits")
    bench.facts["digest"] = digest(first)
    return ""


@check("seeds", f"any 32-bit seed is taken, also 0 and {LARGEST_SEED}", "determinism", ["shapes"])
def seeds(bench: Bench) -> str:
    bench.make(seed=0)
    bench.ask(model=bench.fit(bench.make(seed=LARGEST_SEED), pathway.strains()))
    return ""


@check("describe", "describe() after fit is a mapping of JSON values", "describe", ["fit"])
def describe(bench: Bench) -> str:
    said = bench.model.describe()
    try:
        details = dict(said)
        json.dumps(details, allow_nan=False)
        msgspec.json.encode(details)
    except (TypeError, ValueError) as error:
        raise Broken(f"describe() returned a {type(said).__name__} that is not JSON: {error}") from None
    odd = [key for key in details if not isinstance(key, str)]
    if odd:
        raise Broken(f"the key {odd[0]!r} of describe() is not a string")
    return ""


@check(
    "cpu", "a model made for device cpu leaves the GPU and the harness's device variables alone", "devices", ["shapes"]
)
def cpu(bench: Bench) -> str:
    bench.ask()
    for name, wanted in device_environment("cpu", 1).items():
        if name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS") and os.environ.get(name) != wanted:
            raise Broken(f"the model changed the variable {name} from {wanted!r} to {os.environ.get(name)!r}")
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and torch.cuda.is_initialized():
        raise Broken("torch has started CUDA")
    if jax is not None and jax.default_backend() != "cpu":
        raise Broken(f"JAX runs on {jax.default_backend()}")
    opened = {os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}
    held = sorted(path for path in opened if path.startswith("/dev/nvidia"))
    if held:
        raise Broken(f"the process has {held[0]} open")
    if not gpus():
        raise NoHardware("no NVIDIA GPU here that could be touched")
    return ""
