"""The model ``node-torch``, after Habaraduwa & Lixandru 2025 (arXiv:2512.08732)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from omicsbench import Array, Controls, Model, Progress, Simulation, Status, TaskInfo, Trajectory
from omicsbench.preprocessing import ControlTransform, state_scale
from omicsbench_node_torch.network import Inputs, Layers, Network
from omicsbench_node_torch.solvers import TRUSTED, GaveUp, simulate_dopri5, simulate_rk4
from omicsbench_node_torch.training import PRECISION, Recipe, prepare, train_network

Count = NDArray[np.int64]

CHUNK = {"cpu": 2048, "cuda": 65536}
"""Strains times members that are simulated at once: what a core's cache holds, what a GPU's memory holds."""


class NodeTorch(Model):
    """dx/dt = SD / TAU · gate(z) · MLP(x / SD, z), z the transformed controls, trained through the solver.

    Parameters and their meaning: the README. ``seed`` draws the weights and the noise of training.
    Raises ``ValueError`` for an unsuitable parameter and for a device that is not there.
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
        solver: Literal["rk4", "dopri5"] = "rk4",
    ) -> None:
        if device not in ("cpu", "cuda"):
            raise ValueError(f"device must be cpu or cuda, got {device!r}")
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device cuda: torch finds no CUDA device here; use device cpu or a CUDA build of torch")
        if control_transform not in ("log", "hill", "raw"):
            raise ValueError(f"control_transform must be log, hill or raw, got {control_transform!r}")
        if solver not in ("rk4", "dopri5"):
            raise ValueError(f"solver must be rk4 or dopri5, got {solver!r}")
        positive = {"width": width, "depth": depth, "members": members, "learning_rate": learning_rate}
        positive |= {"rtol": rtol, "atol": atol, "lipschitz": 1.0 if lipschitz is None else lipschitz}
        recipe = Recipe(
            steps=steps,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            control_noise=control_noise,
            x0_noise=x0_noise,
            interpolated_weight=interpolated_weight,
            lipschitz=lipschitz,
            negativity_penalty=negativity_penalty,
            mass_penalty=mass_penalty,
        )
        for name, number in positive.items():
            if not number > 0:
                raise ValueError(f"{name} must be above 0, got {number}")
        for name, number in vars(recipe).items():
            if number is not None and not number >= 0:
                raise ValueError(f"{name} must not be negative, got {number}")
        self.seed, self.device, self.recipe = seed, device, recipe
        self.hidden, self.members = [width] * depth, members
        self.control_transform, self.gate = control_transform, gate
        self.solver, self.rtol, self.atol = solver, rtol, atol

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        self.scale = state_scale(train)
        self.transform = ControlTransform.fit(train, self.control_transform)
        self.horizon = max(task.horizon, *(float(strain.t[-1]) for strain in train))
        random = torch.Generator().manual_seed(self.seed)
        sizes = [len(task.states) + len(task.controls), *self.hidden, len(task.states)]
        lesson = prepare(train, self.scale, self.transform, self.horizon, self.recipe.interpolated_weight, self.device)
        untrained = Network.draw(sizes, self.members, random)
        self.network, self.loss = train_network(untrained, lesson, self.recipe, random, progress)

    @property
    def weights(self) -> list[list[tuple[Array, Array]]]:
        """Of each member, of each layer: the matrix (out, in), in = [y, z], and the bias (out,). After ``fit``."""
        return self.network.dump()

    def set_weights(self, members: Sequence[Layers]) -> None:
        """Replaces the fitted weights; the Lipschitz bound applies. ``ValueError`` where shapes are not as fitted."""
        have, want = (
            [[(matrix.shape, bias.shape) for matrix, bias in layers] for layers in each]
            for each in (members, self.weights)
        )
        if have != want:
            raise ValueError(f"set_weights: layers of shapes {want} wanted, got {have}")
        self.network = Network.load(members).bounded(self.recipe.lipschitz).to(PRECISION).to(self.device)

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        size = max(1, CHUNK[self.device] // len(self.network))
        parts = [
            self._solve(self.network, x0[n : n + size], t, controls[n : n + size]) for n in range(0, len(x0), size)
        ]
        y = np.concatenate([part for part, _ in parts], axis=1)
        nfe = np.concatenate([part for _, part in parts])
        if not np.isfinite(y).all():
            # What comes after the first value that is not finite has no meaning.
            y[~np.logical_and.accumulate(np.isfinite(y).all(-1), axis=2)] = np.nan
        samples = y * self.scale
        samples[:, :, 0] = x0
        if len(samples) == 1:
            return Simulation(x=samples[0], status=_status(np.isnan(samples[0]).any((1, 2))), nfe=nfe)
        x, gone = _mean(samples)
        x[:, 0] = x0
        return Simulation(x=x, status=_status(gone), nfe=nfe, samples=samples)

    def _solve(self, network: Network, x0: Array, t: Array, controls: Controls) -> tuple[Array, Count]:
        """y (M, B, T, S), NaN from where the solver gave up, and the evaluations of all members' fields (B,)."""
        if self.solver == "dopri5":
            return self._adaptive(network, x0, t, controls)
        y0, inputs = self._start(network, x0, t, controls)
        with torch.no_grad():
            solution, evaluations, error = simulate_rk4(network, inputs, y0, t - t[0], self.horizon)
        y, nfe = _to_host(solution), np.full(len(x0), evaluations * len(network))
        doubtful = ~(error.cpu().numpy() <= TRUSTED)
        again = np.flatnonzero(doubtful.any(axis=0))
        if again.size:
            with_control, further = self._adaptive(network, x0[again], t, controls[again])
            y[:, again] = np.where(doubtful[:, again, None, None], with_control, y[:, again])
            nfe[again] += further
        return y, nfe

    def _adaptive(self, network: Network, x0: Array, t: Array, controls: Controls) -> tuple[Array, Count]:
        """``_solve`` by dopri5."""
        members, strains = len(network), len(x0)
        y0, inputs = self._start(network, x0, t, controls)
        try:
            with torch.no_grad():
                solution, evaluations = simulate_dopri5(network, inputs, y0, t - t[0], self.rtol, self.atol)
            return _to_host(solution), np.full(strains, evaluations * members)
        except GaveUp as failure:
            reached = failure.reached
        if members == strains == 1:
            whole = np.full((1, 1, t.size, x0.shape[1]), np.nan)
            kept = t[t - t[0] <= reached]
            whole[:, :, : kept.size], nfe = self._adaptive(network, x0, kept, controls)
            return whole, nfe
        # One that cannot be solved must not take the others with it: halve the batch until it stands alone.
        if strains > 1:
            halves = slice(None, strains // 2), slice(strains // 2, None)
            (y, nfe), (y2, nfe2) = (self._adaptive(network, x0[half], t, controls[half]) for half in halves)
            return np.concatenate([y, y2], axis=1), np.concatenate([nfe, nfe2])
        halves = slice(None, members // 2), slice(members // 2, None)
        (y, nfe), (y2, nfe2) = (self._adaptive(network.part(half), x0, t, controls) for half in halves)
        return np.concatenate([y, y2]), nfe + nfe2

    def _start(self, network: Network, x0: Array, t: Array, controls: Controls) -> tuple[torch.Tensor, Inputs]:
        """y(0) (M, B, S) and the inputs on the device."""
        y0 = self._tensor(x0 / self.scale).expand(len(network), -1, -1)
        return y0, Inputs(controls, self.transform, start=t[0], gate=self.gate, like=y0)

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.tensor(array, dtype=PRECISION, device=self.device)

    def field(self, x: Array, u: Array) -> Array | None:
        """In double precision, so that it can be integrated at a tight tolerance; None for an ensemble."""
        if len(self.network) > 1:
            return None
        network = self.network.to(torch.float64)
        z = self.transform(u)
        y, z_tensor = (torch.tensor(array, device=self.device) for array in (x / self.scale, z))
        with torch.no_grad():
            rate = network.rate(x.shape[1])(y[None], network.drive(z_tensor), None)[0].cpu().numpy()
        gate = np.exp(-self.transform.outside(z))[:, None] if self.gate else 1.0
        return np.asarray(self.scale * gate * rate)

    def describe(self) -> Mapping[str, Any]:
        count = sum(matrix.size + bias.size for member in self.weights for matrix, bias in member)
        return {"number_of_weights": count, "training_loss": self.loss}


def _to_host(solution: torch.Tensor) -> Array:
    return solution.cpu().numpy().astype(np.float64)


def _mean(samples: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Of the members' trajectories (M, B, T, S), without those that diverge unless all do; and where most did, (B,).

    There is no mean from where more than half have diverged. In ``samples`` the next sound member takes the place of
    a diverged one.
    """
    lost = np.logical_or.reduce(np.isnan(samples), axis=-1)
    diverged = np.logical_or.reduce(lost, axis=-1)
    x: Array = samples.mean(axis=0)
    for strain in np.flatnonzero(diverged.any(axis=0) & ~diverged.all(axis=0)):
        sound = np.flatnonzero(~diverged[:, strain])
        x[strain] = samples[sound, strain].mean(axis=0)
        samples[:, strain] = samples[sound[np.searchsorted(sound, np.arange(len(samples))) % sound.size], strain]
    gone = lost.mean(axis=0) > 0.5
    x[gone] = np.nan
    return x, np.logical_or.reduce(gone, axis=-1)


def _status(diverged: NDArray[np.bool_]) -> Count:
    return np.where(diverged, np.int64(Status.DIVERGED), np.int64(Status.OK))
