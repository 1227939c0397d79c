"""The rate laws of the mevalonate pathway, dx/dt = f(x, v), and their Jacobian.

Reversible and inhibited Michaelis-Menten kinetics, one law an enzyme (Cornish-Bowden, Fundamentals of Enzyme
Kinetics): AtoB reversible with product inhibition; HMGS ping-pong with substrate inhibition; HMGR competitively
inhibited by the CoA esters; MK inhibited by GPP, DMAPP and its substrate; PMD by Mev-P; GPPS by GPP.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from omicsbench.kinetics.world import STATES, World
from omicsbench.trajectory import Array

A, B, H, M, N, Q, I, D, G, P = range(10)  # noqa: E741
FLUXES = (
    "uptake", "TCA", "AtoB", "HMGS", "HMGR", "MK", "PMK", "PMD", "Idi", "GPPS", "Limonene Synthase",
    "GPP drain", "NudB on IPP", "NudB on DMAPP",
)  # fmt: skip

TURNOVER: tuple[tuple[tuple[int, int], ...], ...] = (
    ((A, 1),),
    ((A, -1),),
    ((A, -2), (B, 1)),
    ((A, -1), (B, -1), (H, 1)),
    ((H, -1), (M, 1)),
    ((M, -1), (N, 1)),
    ((N, -1), (Q, 1)),
    ((Q, -1), (I, 1)),
    ((I, -1), (D, 1)),
    ((I, -1), (D, -1), (G, 1)),
    ((G, -1),),
    ((G, -1),),
    ((I, -1),),
    ((D, -1),),
)
"""Per flux, the pools it changes and by how many molecules. Product is apart: its rate depends on OD."""


def _capacities(w: World, v: Any) -> Any:
    """What each enzyme can do, mM/h: (10, ...)."""
    return np.asarray(w.V).reshape(-1, *[1] * (v.ndim - 1)) * v[: len(w.V)]


def fluxes(w: World, x: Any, v: Any) -> list[Any]:
    """The rates of ``FLUXES`` in mM/h. States and inputs come first: ``x`` (10, ...), ``v`` (12, ...)."""
    a, b, h, m, n, q, i, d, g, _ = x
    e = _capacities(w, v)
    glucose = v[11]
    ab = a * b
    nudix = (e[9] + w.Vn) / (w.K10 + i + d)
    return [
        w.Jin * glucose / ((w.Kg + glucose) * (1 + a / w.KiA)),
        w.Vtca * a / (w.Ktca + a),
        e[0] * (a * a - b / w.Keq1) / (w.K1**2 * ((1 + a / w.K1) ** 2 + b / w.K1p)),
        e[1] * ab
        / ((w.K2B * a + w.K2A * b * (1 + b / w.Ks2 + h / w.Ki2) + ab + 1e-9) * (1 + h / w.Ki2n)),
        e[2] * h / (w.K3 * (1 + a / w.Ki3A + b / w.Ki3B) + h),
        e[3] * m / (w.K4 * (1 + g / w.Ki4G + d / w.Ki4D) + m * (1 + m / w.Ks4)),
        e[4] * n / (w.K5 + n),
        e[5] * q / (w.K6 * (1 + n / w.Ki6) + q),
        e[6] * (i - d / w.Keq7) / (w.K7 * (1 + d / w.K7D) + i),
        e[7] * i * d / (w.K8I * w.K8D * (1 + g / w.Ki8) + w.K8D * i + w.K8I * d + i * d),
        e[8] * g / (w.K9 + g),
        w.Vf * g / (w.Kf + g),
        nudix * i,
        nudix * d,
    ]  # fmt: skip


def flux_partials(w: World, x: Any, v: Any) -> list[tuple[int, int, Any]]:
    """Every non-zero d flux / d pool, as (flux, pool, value): what ``fluxes`` gives, differentiated by hand."""
    a, b, h, m, n, q, i, d, g, _ = x
    e = _capacities(w, v)
    (uptake, _, _, hmgs, hmgr, mk, _, pmd, idi, gpps, _, _, n_i, n_d) = fluxes(w, x, v)
    thiolase = (1 + a / w.K1) ** 2 + b / w.K1p
    net = (a * a - b / w.Keq1) / thiolase
    thiolase = e[0] / (w.K1**2 * thiolase)
    synthase = w.K2B * a + w.K2A * b * (1 + b / w.Ks2 + h / w.Ki2) + a * b + 1e-9
    end = 1 + h / w.Ki2n
    reductase = w.K3 * (1 + a / w.Ki3A + b / w.Ki3B) + h
    kinase = w.K4 * (1 + g / w.Ki4G + d / w.Ki4D) + m * (1 + m / w.Ks4)
    decarboxylase = w.K6 * (1 + n / w.Ki6) + q
    isomerase = w.K7 * (1 + d / w.K7D) + i
    prenyl = w.K8I * w.K8D * (1 + g / w.Ki8) + w.K8D * i + w.K8I * d + i * d
    nudix = w.K10 + i + d
    nudix_capacity = e[9] + w.Vn
    return [
        (0, A, -uptake / (w.KiA + a)),
        (1, A, w.Vtca * w.Ktca / (w.Ktca + a) ** 2),
        (2, A, thiolase * (2 * a - net * 2 * (1 + a / w.K1) / w.K1)),
        (2, B, -thiolase * (1 / w.Keq1 + net / w.K1p)),
        (3, A, (e[1] * b / end - hmgs * (w.K2B + b)) / synthase),
        (3, B, (e[1] * a / end - hmgs * (w.K2A * (1 + 2 * b / w.Ks2 + h / w.Ki2) + a)) / synthase),
        (3, H, -hmgs * (w.K2A * b / (w.Ki2 * synthase) + 1 / (w.Ki2n * end))),
        (4, A, -hmgr * (w.K3 / w.Ki3A) / reductase),
        (4, B, -hmgr * (w.K3 / w.Ki3B) / reductase),
        (4, H, (e[2] - hmgr) / reductase),
        (5, M, (e[3] - mk * (1 + 2 * m / w.Ks4)) / kinase),
        (5, G, -mk * (w.K4 / w.Ki4G) / kinase),
        (5, D, -mk * (w.K4 / w.Ki4D) / kinase),
        (6, N, e[4] * w.K5 / (w.K5 + n) ** 2),
        (7, N, -pmd * (w.K6 / w.Ki6) / decarboxylase),
        (7, Q, (e[5] - pmd) / decarboxylase),
        (8, I, (e[6] - idi) / isomerase),
        (8, D, -(e[6] / w.Keq7 + idi * (w.K7 / w.K7D)) / isomerase),
        (9, I, (e[7] * d - gpps * (w.K8D + d)) / prenyl),
        (9, D, (e[7] * i - gpps * (w.K8I + i)) / prenyl),
        (9, G, -gpps * (w.K8I * w.K8D / w.Ki8) / prenyl),
        (10, G, e[8] * w.K9 / (w.K9 + g) ** 2),
        (11, G, w.Vf * w.Kf / (w.Kf + g) ** 2),
        (12, I, (nudix_capacity - n_i) / nudix),
        (12, D, -n_i / nudix),
        (13, D, (nudix_capacity - n_d) / nudix),
        (13, I, -n_d / nudix),
    ]


def _losses(w: World, od: Any) -> Any:
    """Per state (10, ...), the rate constant (1/h) at which it is lost: growth dilutes, some pools leak or decay."""
    own = np.zeros(len(STATES))
    own[[H, N, I, D]] = w.kdeg
    own[[M, P]] = w.ksec, w.kloss
    diluted = np.arange(len(STATES)) != P
    return np.multiply.outer(diluted, w.r * (1 - od / w.Kod)) + own.reshape(-1, *[1] * np.ndim(od))


def _secreted(w: World, v: Any) -> tuple[tuple[int, ...], Any]:
    """The fluxes that make product, and g/L of culture for each mM of them."""
    od = v[10]
    if w.pathway == "limonene":
        return (10,), w.rho * od
    capacity = w.V[9] * v[9]
    return (12, 13), w.rho * od * capacity / (capacity + w.Vn)


def balances(w: World, x: Any, v: Any) -> Any:
    """dx/dt (10, ...) at ``x`` (10, ...) and inputs ``v`` (12, ...): states come first, for speed."""
    rates = fluxes(w, x, v)
    products, grams = _secreted(w, v)
    shape = np.broadcast_shapes(x.shape[1:], v.shape[1:])
    dx = np.zeros((len(STATES), *shape), dtype=np.result_type(x, v))
    for rate, turnover in zip(rates, TURNOVER, strict=True):
        for pool, n in turnover:
            dx[pool] += rate if n == 1 else n * rate
    dx[P] = grams * sum(rates[k] for k in products)
    return dx - _losses(w, v[10]) * x


def balance_jacobian(w: World, x: Any, v: Any) -> Any:
    """d ``balances`` / dx (10, 10, ...), states first."""
    products, grams = _secreted(w, v)
    shape = np.broadcast_shapes(x.shape[1:], v.shape[1:])
    jac = np.zeros((len(STATES), len(STATES), *shape), dtype=np.result_type(x, v))
    for flux, pool, slope in flux_partials(w, x, v):
        for row, n in TURNOVER[flux]:
            jac[row, pool] += n * slope
        if flux in products:
            jac[P, pool] += grams * slope
    jac[range(len(STATES)), range(len(STATES))] -= _losses(w, v[10])
    return jac


def field(world: World, x: Array, v: Array) -> Array:
    """dx/dt per hour at states ``x`` (..., 10) and inputs ``v`` (..., 12): (..., 10)."""
    dx = balances(world, np.moveaxis(np.asarray(x), -1, 0), np.moveaxis(np.asarray(v), -1, 0))
    return np.ascontiguousarray(np.moveaxis(dx, 0, -1))


def jacobian(world: World, x: Array, v: Array) -> Array:
    """d ``field`` / dx at states ``x`` (..., 10) and inputs ``v`` (..., 12): (..., 10, 10) in 1/h."""
    jac = balance_jacobian(world, np.moveaxis(np.asarray(x), -1, 0), np.moveaxis(np.asarray(v), -1, 0))
    return np.ascontiguousarray(np.moveaxis(jac, (0, 1), (-2, -1)))
