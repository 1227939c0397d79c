"""Which column of a CSV is what: guesses, each with its reason."""

from __future__ import annotations

import csv
import io
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omicsbench.data import MISSING
from omicsbench.errors import RequestError
from omicsbench.files import read_text

STRAIN = {"strain", "genotype", "construct", "mutant", "clone", "line", "organism"}
TIME = {"hour", "hours", "time", "t", "h", "timepoint"}
OTHER_UNITS = re.compile(r"(?i)\b(d|days?|min|mins|minutes?|s|sec|seconds?)\b")
PROTEINS = {"gpps", "hmgr", "hmgs", "idi", "mk", "pmd", "pmk", "mvk", "mvd", "dxs", "dxr", "fpps", "ls"}
METABOLITES = {"ipp", "dmapp", "ippdmapp", "gpp", "fpp", "pep", "g6p", "f6p", "fbp", "dhap", "gap", "dxp", "mep"}
BESIDE = {
    "atp",
    "adp",
    "amp",
    "nad",
    "nadh",
    "nadp",
    "nadph",
    "od",
    "od600",
    "biomass",
    "cdw",
    "ph",
    "do",
    "temperature",
}
PROTEIN = re.compile(r"(?i:.*ase|.*synthetase|.*protein)|[A-Za-z][a-z]{2}[A-Z]\d?")
METABOLITE = re.compile(r"(?i)(.*[- ]coa|.*-pp?|.*[- ]phosphate|.{2,}(ate|ose|ol|ene|ine))")
PRODUCT = re.compile(r"(?i).{2,}(ol|ene)")
UNIT = re.compile(r"(.+?)\s*[(\[]([^()\[\]]+)[)\]]\s*")
COUNTS = 1000.0
"""A median above this is a count of the mass spectrometer sooner than a concentration."""


@dataclass(frozen=True)
class Sheet:
    """A CSV as text: its header, its rows, and where it stands."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """The texts of a column."""
        place = self.header.index(name)
        return [row[place].strip() for row in self.rows]


@dataclass(frozen=True)
class Guess:
    """A column taken for a state or a control. Those not ``sure`` are written as comments."""

    name: str
    column: str
    unit: str
    sure: bool
    reason: str


@dataclass(frozen=True)
class Table:
    """What a CSV seems to hold."""

    strain_column: str
    strain_reason: str
    time_column: str
    time_reason: str
    strains: tuple[str, ...]
    horizon: float
    states: tuple[Guess, ...]
    controls: tuple[Guess, ...]

    @property
    def folds(self) -> list[tuple[str, str]]:
        """The name of a fold for each strain: the strain's, without what cannot stand in a path, and each once."""
        found: dict[str, str] = {}
        for strain in self.strains:
            plain = re.sub(r"[^\w.-]", "_", strain)[:40].lstrip("._-") or "strain"
            name = next(
                f"{plain}{end}" for end in ("", *(f"-{n}" for n in range(2, 10**6))) if f"{plain}{end}" not in found
            )
            found[name] = strain
        return list(found.items())

    @property
    def final_product(self) -> str:
        """The last state with a product's name; else the last, for pathways are written from substrate to product."""
        names = [state.name for state in self.states if state.sure]
        return next((name for name in reversed(names) if PRODUCT.fullmatch(name)), names[-1])


def read(path: Path) -> Sheet:
    """A CSV. Raises ``RequestError`` where it is none, or where its header is no header."""
    try:
        header, *rows = [tuple(row) for row in csv.reader(io.StringIO(read_text(path), newline="")) if row] or [()]
    except csv.Error as error:
        raise RequestError(f"--csv {path}: not a CSV: {error}") from None
    if len(header) < 4:
        raise RequestError(
            f"--csv {path}: {len(header)} columns; it must be comma-separated, with one row a strain and time, and "
            "columns for strain, time, at least one state and one control"
        )
    if len(set(header)) < len(header) or not all(name.strip() for name in header):
        raise RequestError(f"--csv {path}: each column needs a name of its own in the first line")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise RequestError(f"--csv {path}: line {line} has {len(row)} fields, the header {len(header)}")
    return Sheet(path, header, tuple(rows))


def guess(sheet: Sheet) -> Table:
    """What the columns are. Raises ``RequestError`` where no column can be a strain, a time, a state or a control."""
    strain, strain_reason = _strain(sheet)
    time, time_reason = _time(sheet, strain)
    strains = tuple(dict.fromkeys(sheet.column(strain)))
    states: list[Guess] = []
    controls: list[Guess] = []
    for name in sheet.header:
        if name not in (strain, time):
            is_control, found = _quantity(sheet, name, strain, time)
            kept = controls if is_control else states
            taken = found.name in [other.name for other in kept]
            kept.append(replace(found, name=name) if taken else found)
    return Table(
        strain_column=strain,
        strain_reason=strain_reason,
        time_column=time,
        time_reason=time_reason,
        strains=strains,
        horizon=max(value for value in _numbers(sheet.column(time)) if value is not None),
        states=_at_least_one(sheet, "state", states),
        controls=_at_least_one(sheet, "control", controls),
    )


def _strain(sheet: Sheet) -> tuple[str, str]:
    for name in sheet.header:
        if _plain(name) in STRAIN and len(set(sheet.column(name))) > 1:
            return name, "by its name"
    for name in sheet.header:
        texts = sheet.column(name)
        few = 1 < len(set(texts)) <= len(texts) / 2
        if few and all(texts) and None in _numbers(texts):
            return name, f"? text with {len(set(texts))} different values"
    raise RequestError(f"--csv {sheet.path}: no column names at least two strains; one row a strain and time is wanted")


def _time(sheet: Sheet, strain: str) -> tuple[str, str]:
    strains = sheet.column(strain)
    fit = []
    for name in sheet.header:
        values = _numbers(sheet.column(name))
        if name != strain and None not in values:
            pairs = list(zip(strains, values, strict=True))
            if len(set(pairs)) == len(pairs):
                fit.append(name)
    named = [name for name in fit if set(_words(name)) & TIME or _plain(name) in TIME]
    rising = [name for name in fit if _rises(strains, _numbers(sheet.column(name)))]
    for names, reason in ((named, "by its name"), (rising, "? a number that rises within each strain")):
        if names:
            reason += "; ? not hours, by its name: convert the file" if OTHER_UNITS.search(names[0]) else ""
            late = min(value for value in _numbers(sheet.column(names[0])) if value is not None) > 0
            return names[0], reason + ("; ? nothing at 0 h: no strain can be held out" if late else "")
    raise RequestError(f"--csv {sheet.path}: no column holds a time, that is a number, once for each row of a strain")


def _rises(strains: Sequence[str], values: Sequence[float | None]) -> bool:
    last: dict[str, float] = {}
    for strain, value in zip(strains, values, strict=True):
        if value is None or value <= last.get(strain, -1.0):
            return False
        last[strain] = value
    return True


def _quantity(sheet: Sheet, column: str, strain: str, time: str) -> tuple[bool, Guess]:
    """Whether a column is a control, and what is thought of it."""
    named = UNIT.fullmatch(column)
    name, unit = (named[1], named[2]) if named else (column.strip(), "?")
    texts = sheet.column(column)
    values = _numbers(texts)
    seen = [value for value in values if value is not None]
    median = statistics.median(seen) if seen else 0.0
    control, sure, reason = _kind(name, median)
    if any(text.lower() not in MISSING and value is None for text, value in zip(texts, values, strict=True)):
        control, sure, reason = False, False, "holds text"
    elif not seen:
        sure, reason = False, "empty"
    elif gap := _gap(sheet, values, strain, time, control):
        sure, reason = False, f"{reason}, but {gap}"
    return control, Guess(name, column, unit, sure, reason)


def _kind(name: str, median: float) -> tuple[bool, bool, str]:
    """Control or not, sure or not, and why: by name, else by size."""
    if _plain(name) in BESIDE:
        return False, False, "a cofactor or a measure of growth, no state of a pathway"
    if _plain(name) in PROTEINS or PROTEIN.fullmatch(name):
        return True, True, "named like a protein"
    if _plain(name) in METABOLITES or METABOLITE.fullmatch(name):
        return False, True, "named like a metabolite"
    if median >= COUNTS:
        return True, False, f"a protein, by its size alone (median {median:.3g})"
    return False, False, f"a metabolite, by its size alone (median {median:.3g})"


def _gap(sheet: Sheet, values: Sequence[float | None], strain: str, time: str, control: bool) -> str:
    """Why the suite could not use a column: a state missing at 0 h, a control never measured in a strain."""
    strains, times = sheet.column(strain), _numbers(sheet.column(time))
    for each in dict.fromkeys(strains):
        rows = [(t, v) for s, t, v in zip(strains, times, values, strict=True) if s == each and t is not None]
        if control and all(value is None for _, value in rows):
            return f"never measured in strain {each!r}"
        if not control and (0.0, None) in rows:
            return f"not measured at 0 h in strain {each!r}"
    return ""


def _at_least_one(sheet: Sheet, what: str, found: list[Guess]) -> tuple[Guess, ...]:
    """Where no column is sure, those of the right size are taken, so that the task loads."""
    if not any(each.sure for each in found):
        found = [
            replace(e, sure=True, reason=f"? {e.reason}") if "by its size" in e.reason and "but" not in e.reason else e
            for e in found
        ]
    if not any(each.sure for each in found):
        raise RequestError(
            f"--csv {sheet.path}: no column looks like a {what}; name {what}s in the header as "
            + ("metabolites (Mevalonate, Acetyl-CoA)" if what == "state" else "proteins (AtoB, limonene synthase)")
        )
    return tuple(found)


def _numbers(texts: Sequence[str]) -> list[float | None]:
    """Finite numbers, None for anything else."""
    return list(_parsed(texts))


def _parsed(texts: Sequence[str]) -> Iterator[float | None]:
    for text in texts:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        yield value if abs(value) < float("inf") else None


def _plain(name: str) -> str:
    return "".join(_words(UNIT.sub(r"\1", name)))


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())
