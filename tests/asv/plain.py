"""Both neural ODE plugins against the loop that one would write: same network, solver and tolerance, same weights.

    python tests/asv/plain.py torch        python tests/asv/plain.py jax

Plain: dy/dt by torchdiffeq's dopri5 or diffrax's Tsit5 at the tolerance of the plugin, u(t) interpolated in every call,
gradients through the solver, one optimiser step a call; in JAX everything jitted and strains under vmap.
The plugin is run as it comes, by RK4 on fixed knots, and with the solver that plain has. Plain is also run at the
tolerance that gives it an error no larger than either.
Rounds are interleaved; a ratio is the median of those within a round. Error: the largest |x − reference| over the
largest |reference| of the state, of the held-out strain and of eight virtual ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omicsbench import Controls, Model, Trajectory
from omicsbench.running.clock import latency, timed
from omicsbench.running.reference import integration_error, reference
from omicsbench.running.speed import virtual_strains
from omicsbench.running.supervisor import device_environment
from omicsbench.running.worker import Job, load_class

ROUNDS, STEPS = 7, 60
TAU = 10.0
Layers = Any


@dataclass
class Plain:
    """The loop without the suite: ``simulate(x0, t, controls) -> x`` and ``train(steps)``."""

    simulate: Callable[..., np.ndarray]
    train: Callable[[int], object]


def targets(train: Sequence[Trajectory], sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) and measured y (N, T, S) of the training strains, NaN where nothing was measured."""
    t = np.unique(np.concatenate([strain.t for strain in train]))
    y = np.full((len(train), t.size, sd.size), np.nan)
    for n, strain in enumerate(train):
        y[n, np.searchsorted(t, strain.t)] = strain.x / sd
    return t, y


def plain_torch(strains: Sequence[Trajectory], model: Any, rtol: float) -> Plain:
    """torchdiffeq with autograd through dopri5."""
    import torch
    from torchdiffeq import odeint

    sd, transform = torch.tensor(model.scale, dtype=torch.float32), model.transform
    constants = {
        name: torch.tensor(getattr(transform, name), dtype=torch.float32)
        for name in ("floor", "half", "mean", "sd", "low", "high")
    }

    class Field(torch.nn.Module):
        def __init__(self, layers: Layers) -> None:
            super().__init__()
            parts: list[torch.nn.Module] = []
            for matrix, bias in layers:
                linear = torch.nn.Linear(matrix.shape[1], matrix.shape[0])
                linear.weight.data, linear.bias.data = (torch.tensor(a, dtype=torch.float32) for a in (matrix, bias))
                parts += [linear, torch.nn.Tanh()]
            self.net = torch.nn.Sequential(*parts[:-1])
            self.noise: Any = 0.0

        def drive(self, controls: Any) -> Field:
            self.knots = torch.tensor(controls.t, dtype=torch.float32)
            self.u = torch.tensor(controls.u, dtype=torch.float32)
            return self

        def forward(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            right = torch.searchsorted(self.knots, t, right=True).clamp(1, len(self.knots) - 1)
            before, after = self.knots[right - 1], self.knots[right]
            weight = ((t - before) / (after - before)).clamp(0.0, 1.0)
            z = transform(torch.lerp(self.u[:, right - 1], self.u[:, right], weight), torch, **constants) + self.noise
            return self.net(torch.cat([y, z], dim=-1)) / TAU

    field = Field(model.weights[0])

    def solve(y0: torch.Tensor, t: np.ndarray) -> torch.Tensor:
        times = torch.tensor(t, dtype=torch.float32)
        return odeint(field, y0, times, rtol=rtol, atol=rtol / 10, method="dopri5").transpose(0, 1)

    def simulate(x0: np.ndarray, t: np.ndarray, controls: Any) -> np.ndarray:
        with torch.no_grad():
            x = solve(torch.tensor(x0, dtype=torch.float32) / sd, t) if field.drive(controls) else None
            return np.asarray((x * sd).numpy(), dtype=np.float64)

    def train(steps: int) -> None:
        t, y = targets(strains, model.scale)
        wanted, seen = torch.tensor(np.nan_to_num(y), dtype=torch.float32), torch.tensor(~np.isnan(y))
        field.drive(Controls.stack([strain.controls for strain in strains]))
        optimiser = torch.optim.Adam(field.parameters(), lr=5e-3)
        for _ in range(steps):
            field.noise = torch.randn(len(y), field.u.shape[2])
            start = wanted[:, 0] + 0.3 * torch.randn_like(wanted[:, 0])
            optimiser.zero_grad()
            loss = ((solve(start, t) - wanted).square() * seen).sum() / seen.sum()
            loss.backward()
            optimiser.step()
        field.noise = 0.0

    return Plain(simulate, train)


def plain_jax(strains: Sequence[Trajectory], model: Any, rtol: float) -> Plain:
    """diffrax with its default adjoint, jitted."""
    import diffrax
    import jax
    import jax.numpy as jnp
    import optax

    transform = model.transform
    constants = {n: jnp.asarray(getattr(transform, n)) for n in ("floor", "half", "mean", "sd", "low", "high")}

    def rate(t: Any, y: Any, args: Any) -> Any:
        weights, knots, u, noise = args
        at = jax.vmap(lambda column: jnp.interp(t, knots, column), in_axes=1)(u)
        h = jnp.concatenate([y, transform(at, xp=jnp, **constants) + noise])
        for matrix, bias in weights[:-1]:
            h = jnp.tanh(matrix @ h + bias)
        return (weights[-1][0] @ h + weights[-1][1]) / TAU

    def solve(weights: Any, y0: Any, t: Any, knots: Any, u: Any, noise: Any) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(rate),
            diffrax.Tsit5(),
            t[0],
            t[-1],
            None,
            y0,
            (weights, knots, u, noise),
            saveat=diffrax.SaveAt(ts=t),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol / 10),
        ).ys

    many = jax.jit(jax.vmap(solve, in_axes=(None, 0, None, None, 0, 0)))
    weights = jax.tree.map(jnp.asarray, model.weights[0])

    def simulate(x0: np.ndarray, t: np.ndarray, controls: Any) -> np.ndarray:
        arrays = [np.asarray(a, dtype=np.float32) for a in (x0 / model.sd, t, controls.t, controls.u)]
        y = many(weights, *arrays, np.zeros((len(x0), controls.u.shape[2]), dtype=np.float32))
        return np.asarray(y, dtype=np.float64) * model.sd

    t, y = targets(strains, model.sd)
    wanted, seen = np.nan_to_num(y).astype(np.float32), ~np.isnan(y)
    stacked = Controls.stack([strain.controls for strain in strains])
    data = [np.asarray(a, dtype=np.float32) for a in (t, stacked.t, stacked.u)]
    adam = optax.adam(5e-3)

    def loss(weights: Any, start: Any, noise: Any) -> Any:
        y = many(weights, start, *data, noise)
        return jnp.sum((y - wanted) ** 2 * seen) / seen.sum()

    @jax.jit
    def step(weights: Any, state: Any, key: Any) -> Any:
        first, second = jax.random.split(key)
        start = wanted[:, 0] + 0.3 * jax.random.normal(first, wanted[:, 0].shape)
        gradient = jax.grad(loss)(weights, start, jax.random.normal(second, (len(y), data[2].shape[2])))
        change, state = adam.update(gradient, state)
        return optax.apply_updates(weights, change), state

    def train(steps: int) -> None:
        trained, state = weights, adam.init(weights)
        for key in jax.random.split(jax.random.key(0), steps):
            trained, state = step(trained, state, key)
        jax.block_until_ready(trained)

    return Plain(simulate, train)


SOLVERS = {"node-torch": "dopri5", "node-jax": "tsit5"}
BUILD: dict[str, Callable[..., Plain]] = {"node-torch": plain_torch, "node-jax": plain_jax}


def job_of(name: str) -> Job:
    """The limonene task with L2 held out; without its data the simulated task."""
    from omicsbench.data.tasks import data_dir_of, find_tasks
    from omicsbench.errors import DataUnavailable
    from omicsbench.plugins import discover
    from omicsbench.running.planning import Request, plan

    tasks, folder = find_tasks(), data_dir_of(None)
    try:
        planned = plan(Request([tasks["limonene"]], [name], folds=["L2"], device="cpu", data_dir=folder), discover())
    except DataUnavailable:
        planned = plan(Request([tasks["limonene-sim"]], [name], folds=["n2-d0"], device="cpu"), discover())
    return next(one for one in planned if one.cell.model == name).job(1.0)


def worst(simulate: Callable[..., np.ndarray], model: Model, job: Job, t: np.ndarray) -> float:
    """The largest integration error over the held-out strain and eight virtual ones."""
    x0, controls = virtual_strains(job.inputs, 8)
    held_out = (job.inputs.x0[:1], job.inputs.controls[:1])
    cases = [held_out, *((x0[n : n + 1], controls[n : n + 1]) for n in range(8))]
    return max(integration_error(simulate(y, t, u)[0], reference(model, y[0], t, u, 60.0)) for y, u in cases)


def main(which: str) -> None:
    """Fit, compare, print tables in Markdown."""
    os.environ.update(device_environment("cpu", 1))
    job = job_of(f"node-{which}")
    make: Any = load_class(job.factory, None)

    def fitted(**more: Any) -> tuple[Any, float]:
        model = make(seed=job.seed, device="cpu", **(job.parameters | more))
        _, seconds = timed(lambda: model.fit(job.inputs.train, job.info, lambda *_: None))
        return model, seconds - model.describe().get("compile_seconds", 0.0)

    solver, build = SOLVERS[f"node-{which}"], BUILD[f"node-{which}"]
    by_rk4, _ = fitted()
    same_solver, _ = fitted(solver=solver, steps=1)
    same_solver.set_weights(by_rk4.weights)
    t = np.linspace(0.0, job.info.horizon, 200)
    ours = {"as it comes": by_rk4, f"solver={solver}": same_solver}
    errors = {name: worst(lambda *a, m=m: m.simulate(*a).x, by_rk4, job, t) for name, m in ours.items()}
    plains, rtol = {}, job.parameters["rtol"]
    while True:
        plain = build(job.inputs.train, by_rk4, rtol)
        error = worst(plain.simulate, by_rk4, job, t)
        if not plains or error <= min(errors.values()):
            plains[rtol] = plain
            errors[f"plain, rtol {rtol:g}"] = error
        if error <= min(errors.values()) or rtol < 1e-8:
            break
        rtol /= 10.0

    few, many = max(1, STEPS // 10), STEPS + STEPS // 10
    calls: dict[tuple[str, str], tuple[Callable[[], float], Callable[[], float]]] = {}
    for rtol, plain in plains.items():
        against = f"plain, rtol {rtol:g}"
        for strains in (1, 1000):
            x0, u = virtual_strains(job.inputs, strains)
            for name, model in ours.items():
                calls[f"{strains} strain{'s' * (strains > 1)}, {name}", against] = tuple(
                    lambda f=f, x0=x0, u=u: latency(lambda: f(x0, t, u), 0.3).median
                    for f in (model.simulate, plain.simulate)
                )
        plain.train(1)
        calls["training step", against] = (
            lambda: (fitted(steps=many)[1] - fitted(steps=few)[1]) / STEPS,
            lambda train=plain.train: timed(lambda: train(STEPS))[1] / STEPS,
        )
    rounds: dict[tuple[str, str], list[tuple[float, float]]] = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, (mine, theirs) in calls.items():
            pair = mine(), theirs()
            if number:  # the first round warms up
                rounds[name].append(pair)

    print(f"| node-{which} | integration error |\n|---|---:|")
    for name, error in errors.items():
        print(f"| {name} | {error:.1e} |")
    print(f"\n| node-{which} | against | plugin | plain | times faster | quartiles |\n|---|---|---:|---:|---:|---|")
    for (name, against), pairs in rounds.items():
        mine, theirs = np.array(pairs).T
        low, middle, high = np.quantile(theirs / mine, (0.25, 0.5, 0.75))
        medians = " | ".join(f"{1e3 * np.median(each):.3g} ms" for each in (mine, theirs))
        print(f"| {name} | {against} | {medians} | {middle:.3g} | {low:.3g} to {high:.3g} |")


if __name__ == "__main__":
    main(sys.argv[1])
