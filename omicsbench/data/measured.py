"""The data of a task: found or fetched, checked, and read into trajectories."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from omicsbench.data.fold import FoldData
from omicsbench.data.simulated import pinned_file, simulated_fold
from omicsbench.data.tasks import LONGEST_NAME, Fold, Source, Task
from omicsbench.errors import DataError, DataUnavailable, suggest
from omicsbench.files import read_bytes, read_text
from omicsbench.trajectory import Array, Controls, Trajectory

MISSING = ("", "na", "nan")


def cache_dir() -> Path:
    """The user cache that fetched files lie in."""
    from platformdirs import user_cache_path

    return user_cache_path("omicsbench") / "data"


def candidates(task: Task, data_dir: Path | None) -> list[Path]:
    """Where the file of a task is looked for, in order: the named folder, beside task.toml, the user cache."""
    source = _source(task)
    folders = ([data_dir] if data_dir else []) + [Path(task.folder), cache_dir()]
    return [folder / source.file for folder in folders]


def locate(task: Task, data_dir: Path | None = None, download: bool = True) -> Path:
    """The checked data file of a task, fetched on first use; of a simulated task the file of its pinned strains.

    Raises ``DataError`` where a file has the wrong checksum, ``DataUnavailable`` where there is none and it
    cannot be fetched.
    """
    if task.virtual is not None and (pinned := pinned_file(task)) is not None:
        return pinned
    source = _source(task)
    for path in candidates(task, data_dir):
        if path.is_file():
            _check_sum(path, source.sha256)
            return path
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(f"data folder {data_dir}: no such folder; name one that holds {source.file}")
    if not (download and source.url):
        raise DataUnavailable(_how_to_get(task, "not on this machine"))
    return fetch(task)


def fetch(task: Task) -> Path:
    """Download the file of a task into the user cache. Raises ``DataUnavailable`` where that fails."""
    import pooch
    import requests

    source = _source(task)
    if not source.url:
        raise DataUnavailable(_how_to_get(task, "it has no address to fetch from"))
    quiet = pooch.get_logger()
    level = quiet.level
    quiet.setLevel("ERROR")
    try:
        return Path(
            pooch.retrieve(
                source.url,
                known_hash=f"sha256:{source.sha256}",
                fname=source.file,
                path=cache_dir(),
                downloader=pooch.HTTPDownloader(progressbar=True, timeout=20),
            )
        )
    except (requests.RequestException, OSError) as error:
        reason = " ".join(str(error).split())[:80]
        raise DataUnavailable(_how_to_get(task, f"download failed: {type(error).__name__} {reason}")) from None
    except ValueError as error:
        raise DataError(f"task {task.name!r}: what {source.url} gave has the wrong sha256: {error}") from None
    finally:
        quiet.setLevel(level)


def _how_to_get(task: Task, why: str) -> str:
    source = _source(task)
    return (
        f"data of task {task.name!r} cannot be had ({why}). Three ways: run `omicsbench data fetch {task.name}` with a "
        f"network; put {source.file} into a folder and set OMICSBENCH_DATA to it; or give that folder by --data-dir"
    )


def _source(task: Task) -> Source:
    if task.source is None:
        raise DataError(
            f"task {task.name!r} is simulated and has no data file; `omicsbench data make {task.name}` makes one"
        )
    return task.source


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(read_bytes(path, DataError)).hexdigest()


def _check_sum(path: Path, wanted: str) -> None:
    got = sha256_of(path)
    if got != wanted:
        raise DataError(f"{path}: sha256 is {got[:12]}…, but the task wants {wanted[:12]}…; take the unaltered file")


def read_series(task: Task, path: Path) -> dict[str, Trajectory]:
    """Every strain of a CSV as a trajectory: one row a strain and time, one column a state or control.

    A time counts where any state was measured; a control is linear between its own measurements and held at
    the ends. Raises ``DataError`` naming file, row and column of what cannot be read.
    """
    source = _source(task)
    columns = {q.name: q.column or q.name for q in (*task.states, *task.controls)}
    header, lines = read_table(path)
    for column in (source.strain_column, source.time_column, *columns.values()):
        if column not in header:
            raise DataError(f"{path}: no column {column!r}: {suggest(column, header)}")
        if header.count(column) > 1:
            raise DataError(f"{path}: column {column!r} stands there twice; keep one")
    rows: dict[str, dict[float, Mapping[str, float]]] = {}
    for line, row in lines:
        strain = row[source.strain_column].strip()
        if not strain:
            raise DataError(f"{path}, line {line}: column {source.strain_column!r} is empty")
        if not strain.isprintable() or len(strain) > LONGEST_NAME:
            raise DataError(f"{path}, line {line}: strain {strain[:60]!r} cannot be shown in one line")
        hour = _number(row, source.time_column, path, line)
        if not np.isfinite(hour):
            raise DataError(f"{path}, line {line}: column {source.time_column!r} must hold a number of hours")
        if hour in rows.setdefault(strain, {}):
            raise DataError(f"{path}, line {line}: strain {strain!r} has a second row at {hour:g} h; keep one")
        rows[strain][hour] = {name: _number(row, column, path, line) for name, column in columns.items()}
    return {strain: _trajectory(task, strain, found, path) for strain, found in rows.items()}


def read_table(path: Path) -> tuple[Sequence[str], list[tuple[int, dict[str, str]]]]:
    """The header of a CSV, and its rows with the number of the line each ends on; empty lines are none.

    Raises ``DataError`` where it is no CSV, or a row has not as many fields as the header.
    """
    found = []
    try:
        reader = csv.reader(io.StringIO(read_text(path, DataError), newline=""))
        header = next(reader, [])
        for row in filter(None, reader):
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: has {len(row)} fields, the header {len(header)}; "
                    "is the file whole, and comma-separated?"
                )
            found.append((reader.line_num, dict(zip(header, row, strict=True))))
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file: {error}") from None
    return header, found


def _number(row: Mapping[str, str], column: str, path: Path, line: int) -> float:
    text = row[column].strip()
    if text.lower() in MISSING:
        return float("nan")
    try:
        value = float(text) if text.isascii() and "_" not in text else float("inf")  # Python reads 1_0 and ٣ too
    except ValueError:
        value = float("inf")
    if np.isinf(value):
        raise DataError(
            f"{path}, line {line}: column {column!r} holds {text[:60]!r}, not a number; leave it empty if unmeasured"
        )
    return value


def _trajectory(task: Task, strain: str, rows: Mapping[float, Mapping[str, float]], path: Path) -> Trajectory:
    hours = np.array(sorted(rows))

    def table(names: list[str]) -> tuple[Array, Array]:
        values = np.array([[rows[hour][name] for name in names] for hour in hours])
        seen = ~np.isnan(values).all(axis=1)
        return hours[seen], values[seen]

    t, x = table([state.name for state in task.states])
    knots, u = table([control.name for control in task.controls])
    for what, found in (("state", t), ("control", knots)):
        if not found.size:
            raise DataError(f"{path}: strain {strain!r} has no measured {what}")
    filled = np.empty_like(u)
    for column, control in enumerate(task.controls):
        seen = ~np.isnan(u[:, column])
        if not seen.any():
            raise DataError(f"{path}: strain {strain!r} has no measurement of control {control.name!r}")
        filled[:, column] = np.interp(knots, knots[seen], u[seen, column])
    return Trajectory(strain, t, x, Controls(knots, filled[None]))


# A sweep over folds reads the file once.
_series = functools.lru_cache(maxsize=8)(read_series)


@functools.lru_cache(maxsize=32)
def fold_data(task: Task, fold: Fold, data_dir: Path | None = None) -> FoldData:
    """The strains of a fold. Raises ``DataError`` where they cannot be had or a strain is unknown."""
    if task.virtual is not None:
        return simulated_fold(task, fold)
    path = locate(task, data_dir)
    strains = _series(task, path)
    for strain in (*fold.held_out, *fold.train):
        if strain not in strains:
            raise DataError(f"{path}: no strain {strain!r}, which fold {fold.name!r} names: {suggest(strain, strains)}")
    train = fold.train or tuple(strain for strain in strains if strain not in fold.held_out)
    if not train:
        raise DataError(f"{path}: fold {fold.name!r} leaves no strain to train on")
    return FoldData(
        train=tuple(strains[strain] for strain in train),
        held_out=tuple(strains[strain] for strain in fold.held_out),
        sha256=_source(task).sha256,
    )
