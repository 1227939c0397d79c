"""The model: a neural ODE after Habaraduwa & Lixandru 2025 (arXiv:2512.08732)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, Literal

# Before equinox is imported: its error callbacks would keep compiled solvers out of the persistent cache.
# Failure arrives as values that are not finite, which simulate looks for.
os.environ.setdefault("EQX_ON_ERROR", "nan")

import jax
import numpy as np
from platformdirs import user_cache_dir

from omicsbench import Array, Controls, Model, Progress, Simulation, Status, TaskInfo, Trajectory
from omicsbench.preprocessing import ControlTransform, noise_share, state_scale
from omicsbench_node_jax.field import control_constants
from omicsbench_node_jax.integrate import TRUSTED, Solver, trajectories, warped_knots
from omicsbench_node_jax.network import TAU, Weights, bounded, initial_weights, mlp
from omicsbench_node_jax.strains import Strains, prepare
from omicsbench_node_jax.training import CHUNK, Noise, Settings, advance, initial_state

CACHED = os.environ.get("OMICSBENCH_JAX_CACHE") == "1"
if CACHED:
    jax.config.update("jax_compilation_cache_dir", os.path.join(user_cache_dir("omicsbench"), "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


class NodeJax(Model):
    """dx/dt = SD / TAU · gate(z) · MLP([x / SD, z]), with z the transformed, standardised controls at time t.

    SD (S,) is ``state_scale`` of the training strains and TAU 10 hours. Computes in float32, with kvaerno5 in float64.
    Raises ``ValueError`` for unsuitable parameters, ``RuntimeError`` where JAX has no such ``device``.
    """

    def __init__(
        self,
        *,
        seed: int,
        device: str,
        width: int = 32,
        depth: int = 2,
        steps: int = 400,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-4,
        control_transform: Literal["log", "hill", "raw"] = "hill",
        control_noise: float = 1.0,
        x0_noise: float = 0.3,
        interpolated_weight: float = 0.1,
        lipschitz: float | None = None,
        negativity_penalty: float = 0.0,
        mass_penalty: float = 0.0,
        gate: bool = False,
        members: int = 1,
        rtol: float = 1e-4,
        atol: float = 1e-5,
        solver: Literal["rk4", "tsit5", "kvaerno5"] = "rk4",
    ) -> None:
        for name, value in {"width": width, "steps": steps, "members": members}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name, value in {"learning_rate": learning_rate, "rtol": rtol, "atol": atol}.items():
            if not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        for name, value in {
            "depth": depth,
            "weight_decay": weight_decay,
            "control_noise": control_noise,
            "x0_noise": x0_noise,
            "interpolated_weight": interpolated_weight,
            "negativity_penalty": negativity_penalty,
            "mass_penalty": mass_penalty,
        }.items():
            if not value >= 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if lipschitz is not None and not lipschitz > 0:
            raise ValueError(f"lipschitz must be above 0 or None, got {lipschitz}")
        if solver not in ("rk4", "tsit5", "kvaerno5"):
            raise ValueError(f"solver must be rk4, tsit5 or kvaerno5, got {solver!r}")
        if control_transform not in ("log", "hill", "raw"):
            raise ValueError(f"control_transform must be log, hill or raw, got {control_transform!r}")
        self.seed, self.width, self.depth, self.members, self.gate = seed, width, depth, members, gate
        self.control_transform, self.solver = control_transform, Solver(solver, rtol, atol)
        self.settings = Settings(
            steps=steps,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            control_noise=control_noise,
            x0_noise=x0_noise,
            interpolated_weight=interpolated_weight,
            negativity_penalty=negativity_penalty,
            mass_penalty=mass_penalty,
            lipschitz=lipschitz,
        )
        self.device = _find_device(device)

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        self.horizon = task.horizon
        self.sd = state_scale(train)
        self.transform = ControlTransform.fit(train, self.control_transform)
        with jax.enable_x64(self.solver.stiff):
            self._train(prepare(train, self.sd), progress)

    def _train(self, strains: Strains, progress: Progress) -> None:
        (count, states), controls = strains.y0.shape, strains.u.shape[2]
        share = noise_share(count)
        settings = self.settings._replace(
            control_noise=share * self.settings.control_noise, x0_noise=share * self.settings.x0_noise
        )
        rng = np.random.default_rng(self.seed % 2**32)
        sizes = [states + controls, *[self.width] * self.depth, states]
        weights = self._stack([initial_weights(rng, sizes) for _ in range(self.members)])
        shape = (CHUNK, self.members, count)

        def draw() -> Noise:
            return self._cast(Noise(rng.standard_normal((*shape, controls)), rng.standard_normal((*shape, states))))

        state, *data = jax.device_put(
            (
                jax.jit(jax.vmap(initial_state))(weights),
                self._cast(strains),
                self._cast(control_constants(self.transform)),
                settings,
                self.solver if self.solver.stiff else None,
            ),
            self.device,
        )
        began = perf_counter()
        run = advance.lower(state, 0, 1, draw(), *data, kind=self.control_transform).compile()
        self.compile_seconds = perf_counter() - began

        steps = self.settings.steps
        for first in range(0, steps, CHUNK):
            last = min(first + CHUNK, steps)
            state, losses = run(state, first, last, draw(), *data)
            self.loss = float(np.mean(jax.device_get(losses)))
            progress(last, steps, self.loss)
        self._keep(jax.device_get(state.weights))

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        y, nfe = self._solve(x0, t, controls)
        x = y * self.sd
        x[:, :, 0] = x0
        gone = ~np.isfinite(x).all(axis=3)
        if gone.any():
            gone = np.maximum.accumulate(gone, axis=2)
            x[gone] = np.nan
        if self.members == 1:
            return Simulation(x[0], np.where(gone[0].any(axis=1), Status.DIVERGED, Status.OK), nfe)
        return _ensemble(x, gone, nfe)

    def _solve(self, x0: Array, t: Array, controls: Controls) -> tuple[Array, np.ndarray | None]:
        """y (N, B, T, S) of the members, not finite where a solver did not come, and evaluations (B,) of the field.

        None for kvaerno5 after t[0]: nobody counts its Newton iterations.
        """
        if t.size == 1:
            return np.tile(x0[:, None] / self.sd, (self.members, 1, 1, 1)), np.zeros(len(x0), dtype=np.int64)
        if self.solver.name != "rk4":
            y, steps, _ = self._run(x0, t, controls, self.solver)
            # Tsit5 reuses its last stage; choosing the first step takes two more.
            return y, None if self.solver.stiff else np.where(steps > 0, 6 * steps + 3, 0).sum(axis=0)
        y, steps, error = self._run(x0, t, controls, self.solver)
        nfe = (4 * steps + 1).sum(axis=0)
        doubtful = ~(error <= TRUSTED)
        again = np.flatnonzero(doubtful.any(axis=0))
        if again.size:
            # Batches of a power of two, the rest repeated, so that few sizes are compiled.
            rows = np.resize(again, 1 << (again.size - 1).bit_length())
            with_control, steps, _ = self._run(x0[rows], t, controls[rows], replace(self.solver, name="tsit5"))
            with_control, steps = with_control[:, : again.size], steps[:, : again.size]
            y[:, again] = np.where(doubtful[:, again, None, None], with_control, y[:, again])
            nfe[again] += (6 * steps + 3).sum(axis=0)
        return y, nfe

    def _run(self, x0: Array, t: Array, controls: Controls, solver: Solver) -> tuple[Array, np.ndarray, Array]:
        """What ``trajectories`` gives, on the host, y in float64."""
        # Hours since t[0]: float32 has no digits to waste.
        knots = warped_knots(self.horizon, float(t[-1] - t[0])) if solver.name == "rk4" else None
        arrays = self._cast((x0 / self.sd, t - t[0], knots, controls.t - t[0], controls.u))
        static = {"kind": self.control_transform, "gated": self.gate}
        with jax.enable_x64(solver.stiff):
            y, steps, error = trajectories(self._effective, self._constants, *arrays, solver, **static)
            return np.array(y, dtype=np.float64), np.asarray(steps), np.asarray(error)

    def field(self, x: Array, u: Array) -> Array | None:
        """dx/dt in float64, so that it can be integrated to a tight tolerance. None for an ensemble."""
        if self.members > 1:
            return None
        z = self.transform(u)
        gate = np.exp(-self.transform.outside(z))[:, None] if self.gate else 1.0
        columns = [(w, b[:, None]) for w, b in bounded(self.weights[0], self.settings.lipschitz, np)]
        outputs = mlp(columns, np.concatenate([x / self.sd, z], axis=1).T, np).T
        return np.asarray(self.sd / TAU * gate * outputs)

    def describe(self) -> Mapping[str, Any]:
        return {
            "number_of_weights": sum(w.size + b.size for w, b in self.weights[0]),
            "members": self.members,
            "training_loss": self.loss if np.isfinite(self.loss) else None,
            "compile_seconds": self.compile_seconds,
            "compilation_cache": CACHED,
        }

    @property
    def weights(self) -> list[Weights]:
        """A list over members of a list over layers of (W (out, in), b (out,)), as trained: before ``lipschitz``."""
        return [
            [(w[n].astype(np.float64), b[n].astype(np.float64)) for w, b in self._weights] for n in range(self.members)
        ]

    def set_weights(self, weights: Sequence[Weights]) -> None:
        """Replace the weights of a fitted model by others of the same structure. Raises ``ValueError`` otherwise."""
        have, want = ([[(w.shape, b.shape) for w, b in member] for member in ws] for ws in (weights, self.weights))
        if have != want:
            raise ValueError(f"set_weights: wanted layers of shapes {want}, got {have}")
        self._keep(self._stack(weights))

    def _keep(self, weights: Weights) -> None:
        """Take stacked ``weights``; put on the device what simulate needs."""
        self._weights = weights
        effective = self._stack([bounded(member, self.settings.lipschitz, np) for member in self.weights])
        constants = self._cast(control_constants(self.transform))
        with jax.enable_x64(self.solver.stiff):
            self._effective, self._constants = jax.device_put((effective, constants), self.device)

    def _stack(self, members: Sequence[Weights]) -> Weights:
        """Weights of all members in one, members in front."""
        return self._cast(jax.tree.map(lambda *parts: np.stack(parts), *members))

    def _cast(self, tree: Any) -> Any:
        precision = self.solver.precision
        return jax.tree.map(lambda a: np.asarray(a, dtype=precision), tree)


def _ensemble(x: Array, gone: np.ndarray, nfe: np.ndarray | None) -> Simulation:
    """The mean of members ``x`` (N, B, T, S) that did not diverge (of all, if none), and the members as samples.

    ``gone`` (N, B, T) marks where a member has diverged. A strain has diverged when more than half of its members
    have, from the time when that happens. In the samples a diverged member gives way to the next that has not.
    """
    lost = gone.any(axis=2)
    counted = (~lost | lost.all(axis=0))[:, :, None, None]
    mean = np.where(counted, x, 0.0).sum(axis=0) / counted.sum(axis=0)
    mean[:, 0] = x[0, :, 0]  # Given, and not to be rounded.
    mean[2 * gone.sum(axis=0) > len(x)] = np.nan
    status = np.where(2 * lost.sum(axis=0) > len(x), Status.DIVERGED, Status.OK)
    samples = x.copy()
    for strain in np.flatnonzero(lost.any(axis=0) & ~lost.all(axis=0)):
        good = np.flatnonzero(~lost[:, strain])
        for member in np.flatnonzero(lost[:, strain]):
            samples[member, strain] = x[good[np.searchsorted(good, member) % good.size], strain]
    return Simulation(mean, status, nfe, samples)


def _find_device(kind: str) -> jax.Device:
    try:
        return jax.devices(kind)[0]
    except RuntimeError as error:
        raise RuntimeError(f"node-jax: JAX has no device {kind!r} here ({str(error).splitlines()[0]})") from error
