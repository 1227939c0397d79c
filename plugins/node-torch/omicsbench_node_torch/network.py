"""The learned field: an MLP for each member of an ensemble, and the controls that drive it.

Shapes: ``M`` members, ``N`` strains, ``S`` states, ``C`` controls, ``W`` width. States are y = x / SD, times hours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from omicsbench import Array, Controls
from omicsbench.preprocessing import ControlTransform

TAU = 10.0
"""Hours: dy/dt = gate(z) · MLP(y, z) / TAU, so that weights of order one move a state within a culture."""

Layers = Sequence[tuple[Array, Array]]
"""One network on the host: (matrix (out, in), bias (out,)) of each layer, float64."""


@dataclass(frozen=True)
class Network:
    """MLPs of tanh units with a linear output: a matrix (M, in, out) and a bias (M, 1, out) a layer; in = [y, z]."""

    matrices: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    @staticmethod
    def draw(sizes: Sequence[int], members: int, random: torch.Generator) -> Network:
        """Glorot-uniform matrices (the last times 0.1: the untrained field is nearly zero), biases 0, on the CPU."""
        matrices: list[Tensor] = []
        for before, after in pairwise(sizes):
            limit = math.sqrt(6.0 / (before + after)) * (0.1 if len(matrices) == len(sizes) - 2 else 1.0)
            matrices.append(limit * (2.0 * torch.rand(members, before, after, generator=random) - 1.0))
        return Network(tuple(matrices), tuple(torch.zeros(members, 1, after) for after in sizes[1:]))

    @staticmethod
    def load(members: Sequence[Layers]) -> Network:
        """From the host, in double precision."""
        layers = list(zip(*members, strict=True))
        return Network(
            tuple(torch.tensor(np.stack([m.T for m, _ in layer])).contiguous() for layer in layers),
            tuple(torch.tensor(np.stack([bias[None] for _, bias in layer])) for layer in layers),
        )

    def dump(self) -> list[list[tuple[Array, Array]]]:
        """To the host: the inverse of ``load``."""
        matrices = [matrix.detach().cpu().double().numpy() for matrix in self.matrices]
        biases = [bias.detach().cpu().double().numpy() for bias in self.biases]
        return [
            [(matrix[m].T.copy(), bias[m, 0].copy()) for matrix, bias in zip(matrices, biases, strict=True)]
            for m in range(len(matrices[0]))
        ]

    def to(self, like: torch.dtype | torch.device | str) -> Network:
        """The same in another precision or on another device."""
        return Network(tuple(m.to(like) for m in self.matrices), tuple(b.to(like) for b in self.biases))

    def leaf(self, dtype: torch.dtype, device: torch.device) -> Network:
        """A copy to be trained."""

        def copy(weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(w.detach().to(device, dtype, copy=True).requires_grad_() for w in weights)

        return Network(copy(self.matrices), copy(self.biases))

    def part(self, members: slice) -> Network:
        """Some of the members."""
        return Network(tuple(x[members] for x in self.matrices), tuple(x[members] for x in self.biases))

    def __len__(self) -> int:
        """The number of members."""
        return len(self.matrices[0])

    def bounded(self, lipschitz: float | None) -> Network:
        """The matrices shrunk so that each member's MLP has at most this Lipschitz constant.

        W / max(1, sigma_max(W) / L^(1/layers)): tanh has slope at most 1, so the constant is at most the product
        of the spectral norms (Gouk et al. 2021, Regularisation of neural networks by enforcing Lipschitz continuity).
        """
        if lipschitz is None:
            return self
        share = lipschitz ** (1.0 / len(self.matrices))
        sigmas = [torch.linalg.matrix_norm(matrix, ord=2)[:, None, None] for matrix in self.matrices]
        shrunk = (matrix / (sigma / share).clamp(min=1.0) for matrix, sigma in zip(self.matrices, sigmas, strict=True))
        return Network(tuple(shrunk), self.biases)

    def drive(self, z: Tensor, jitter: Tensor | None = None) -> Tensor:
        """What the inputs ``z`` (..., N, C) add to the first layer of a ``Rate``: (M, ..., N, W), in one product.

        ``jitter``: added to the inputs, (M, ..., N, C).
        """
        first, bias = 2.0 * self.matrices[0][:, -z.shape[-1] :], 2.0 * self.biases[0]
        drive = torch.baddbmm(bias, z.reshape(1, -1, z.shape[-1]).expand(len(self), -1, -1), first)
        drive = drive.view(len(self), *z.shape[:-1], -1)
        return drive if jitter is None else drive + jitter @ first[:, None]

    def rate(self, states: int) -> Rate:
        """dy/dt as a function of y and ``drive``."""
        first, *hidden, last = self.matrices
        # The input of every further layer is 2 s - 1, of a hidden one twice its value is wanted.
        matrices = (2.0 * first[:, :states], *(4.0 * matrix for matrix in hidden), 2.0 * last / TAU)
        shifted = [b - m.sum(1, keepdim=True) for m, b in zip(self.matrices[1:], self.biases[1:], strict=True)]
        return Rate(matrices, (*(2.0 * bias for bias in shifted[:-1]), shifted[-1] / TAU))


Record = tuple[Tensor, ...]
"""What one evaluation leaves behind for the adjoint: y, then the units s of each hidden layer."""


@dataclass(frozen=True)
class Rate:
    """dy/dt: matrices (M, in, out) of all layers, of the first the rows of y; biases of all but the first layer.

    Its units are s = sigmoid(2 a) where those of the ``Network`` are tanh(a) = 2 s - 1, and its weights are made for
    that: torch's sigmoid takes a ninth of the time of its tanh (2.13 on a CPU with AVX-512).
    """

    matrices: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    tape: list[Record] | None = None

    def __call__(self, y: Tensor, drive: Tensor, gate: Tensor | None = None) -> Tensor:
        """dy/dt (M, N, S) at ``y`` (M, N, S), with the inputs' ``drive`` (M, N, W) and ``gate`` (N, 1)."""
        units = [torch.baddbmm(drive, y, self.matrices[0]).sigmoid_()]
        for matrix, bias in zip(self.matrices[1:-1], self.biases[:-1], strict=True):
            units.append(torch.baddbmm(bias, units[-1], matrix).sigmoid_())
        if self.tape is not None:
            self.tape.append((y, *units))
        rate = torch.baddbmm(self.biases[-1], units[-1], self.matrices[-1])
        return rate if gate is None else rate * gate


class Inputs:
    """u(t) of N strains as the network sees it, at t hours after ``start``: interpolated raw, then transformed."""

    def __init__(
        self, controls: Controls, transform: ControlTransform, *, start: float, gate: bool, like: Tensor
    ) -> None:
        """In the precision and on the device of ``like``."""
        self.controls, self.knots = controls, controls.t - start
        self.u = torch.tensor(controls.u.swapaxes(0, 1), dtype=like.dtype, device=like.device)
        self.transform, self.gated = transform, gate
        names = ("floor", "half", "mean", "sd", "low", "high")
        self.constants = {n: torch.tensor(getattr(transform, n), dtype=like.dtype, device=like.device) for n in names}

    def at(self, t: float | Array) -> tuple[Tensor, Tensor | None]:
        """z (..., N, C) and its gate (..., N, 1) (None where there is no gate) at one time or an array of times."""
        place = np.interp(t, self.knots, np.arange(len(self.knots)))  # as Controls.at: linear, held at the ends
        left = np.floor(place).astype(np.int64)
        right = np.minimum(left + 1, len(self.knots) - 1)
        weight = torch.as_tensor(place - left, dtype=self.u.dtype, device=self.u.device)
        u = torch.lerp(self.u[left], self.u[right], weight[..., None, None])
        z = self.transformed(u)
        return z, torch.exp(-self.transform.outside(z, torch, **self.constants))[..., None] if self.gated else None

    def transformed(self, u: Tensor) -> Tensor:
        """z of controls ``u`` (..., C)."""
        return self.transform(u, torch, **self.constants)

    def kinks(self) -> Array:
        """Times (K',) after the start at which some u(t) changes its slope; samples on a straight line are none."""
        slopes = np.diff(self.controls.u, axis=1) / np.diff(self.knots)[:, None]
        bends = np.abs(np.diff(slopes, axis=1, prepend=0.0, append=0.0))
        bent = (bends > 1e-6 * bends.max(axis=(0, 1))).any(axis=(0, 2))
        times: Array = self.knots[bent & (self.knots > 0)]
        return times
