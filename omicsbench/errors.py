"""What can go wrong, sorted by whose mistake it is."""

from __future__ import annotations

from collections.abc import Iterable


class RequestError(Exception):
    """The request cannot be carried out as asked. One line: what, where, what to do. Exit code 2."""


class DataError(RequestError):
    """A data file is missing, altered or malformed."""


class DataUnavailable(DataError):
    """The data are neither on this machine nor to be fetched."""


class RecordError(RequestError):
    """A record file cannot be read as a record."""


class ContractError(Exception):
    """A plugin broke the plugin interface. Names the model, the field and what was expected."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error line about an unknown name: the nearest known one, or all of them."""
    import difflib

    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + (", ".join(known) if known else "none")
