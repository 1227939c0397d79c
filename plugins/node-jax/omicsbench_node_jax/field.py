"""The learned field on the device: dy/dt of one strain in units of the states' SD, per hour."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from omicsbench.preprocessing import ControlTransform
from omicsbench.trajectory import Array
from omicsbench_node_jax.network import TAU, Weights, mlp


class Field(eqx.Module):
    """dy/dt = gate(z) MLP([y, z]) / TAU for the controls of one strain.

    ``t`` (K,) hours and ``u`` (K, C) samples of the controls; ``constants`` are the arrays of the fitted
    ``ControlTransform`` of ``kind``; ``noise`` (C,) is added to the inputs of the network (training only).
    """

    weights: Weights
    t: jax.Array
    u: jax.Array
    constants: dict[str, jax.Array]
    noise: jax.Array | float = 0.0
    kind: str = eqx.field(static=True, default="hill")
    gated: bool = eqx.field(static=True, default=False)

    def inputs(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Network inputs z (C,) and the gate () at time ``t``: u as ``Controls.at`` has it, then transformed."""
        if self.t.size == 1:
            u = self.u[0]
        else:
            right = jnp.clip(jnp.searchsorted(self.t, t, side="right", method="compare_all"), 1, self.t.size - 1)
            before, after = self.t[right - 1], self.t[right]
            weight = jnp.clip((t - before) / (after - before), 0.0, 1.0)
            u = self.u[right - 1] * (1.0 - weight) + self.u[right] * weight
        transform = ControlTransform(self.kind, **self.constants)  # type: ignore[arg-type]
        z = transform(u, xp=jnp)
        gate = jnp.exp(-transform.outside(z, xp=jnp)) if self.gated else jnp.ones(())
        return z + self.noise, gate

    def rate(self, y: jax.Array, z: jax.Array, gate: jax.Array) -> jax.Array:
        """dy/dt (S,) at states ``y`` (S,) and what ``inputs`` gave."""
        return gate / TAU * mlp(self.weights, jnp.concatenate([y, z]), jnp)

    def __call__(self, t: jax.Array, y: jax.Array) -> jax.Array:
        return self.rate(y, *self.inputs(t))


def control_constants(transform: ControlTransform) -> dict[str, Array]:
    """The fitted arrays of ``transform``, for ``Field``."""
    return {name: getattr(transform, name) for name in ("floor", "half", "mean", "sd", "low", "high")}
