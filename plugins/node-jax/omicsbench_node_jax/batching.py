"""One function over the rows of a batch: members of an ensemble, strains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax


def over_rows(function: Callable[..., Any], batched: Sequence[bool], in_turn: bool = False) -> Callable[..., Any]:
    """``function`` over the rows of those arguments that are ``batched``, the others being the same for every row.

    All rows at once by ``jax.vmap``; one row without it, because XLA multiplies plain matrices faster than batches
    of one. ``in_turn`` takes row after row in a compiled loop.
    """

    def mapped(*args: Any) -> Any:
        rows = [arg for arg, many in zip(args, batched, strict=True) if many]

        def one(row: Sequence[Any]) -> Any:
            remaining = iter(row)
            return function(*(next(remaining) if many else arg for arg, many in zip(args, batched, strict=True)))

        if in_turn:
            return jax.lax.map(one, rows)
        if jax.tree.leaves(rows)[0].shape[0] > 1:
            return jax.vmap(one)(rows)
        alone = one(jax.tree.map(lambda a: a[0], rows))
        return jax.tree.map(lambda a: a[None], alone)

    return mapped
