"""Making the pinned data of a simulated task, and naming their checksum in its task.toml."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

from omicsbench.data.pinned import FILE, Header, packed
from omicsbench.data.simulated import draw_strains, scale_of, settings_of, times_of
from omicsbench.data.tasks import Task
from omicsbench.errors import DataError, RequestError
from omicsbench.files import read_text, write
from omicsbench.scoring.probes import RAISE


def make(task: Task) -> bytes:
    """The content of a task's pinned file, generated: every strain of its draws, and what is known of those held out.

    Raises ``RequestError`` where the task is measured, its world is refused or its SBML file cannot be used,
    ``DataError`` where the task file does not fit its pathway.
    """
    from omicsbench import kinetics

    virtual = task.virtual
    if virtual is None:
        raise RequestError(f"task {task.name!r} is measured: its data are fetched, there is nothing to make")
    times, strains = times_of(task), max(virtual.strains)
    held_out = draw_strains(task, kinetics.HELD_OUT, range(virtual.held_out))
    known = kinetics.HeldOut.of(held_out, times, virtual.sampling, RAISE)
    arrays = {"scale": scale_of(task)}
    arrays |= {f"held-out/{name}": array for name, array in vars(known).items() if array is not None}
    for draw in range(virtual.draws):
        train = draw_strains(task, kinetics.training_set(draw), range(strains))
        shown = kinetics.Shown.of(train, times, virtual.sampling)
        arrays |= {f"train/{draw}/x": shown.x, f"train/{draw}/u": shown.u}
    header = Header(
        generator=kinetics.GENERATOR,
        code=kinetics.generator_digest(task.sbml is not None),
        settings=settings_of(task),
        draws=virtual.draws,
        strains=strains,
    )
    return packed(header, arrays)


def pin(task: Task, content: bytes) -> Path:
    """Write the content of a task's pinned file into its folder, and its checksum into task.toml: the file's path.

    Each is there whole or not at all. Raises ``DataError`` where one cannot be written.
    """
    folder = Path(task.folder)
    toml, table = folder / "task.toml", "sbml" if task.simulated is None else "simulated"
    sha256 = hashlib.sha256(content).hexdigest()
    before = read_text(toml, DataError)
    after = with_checksum(before, table, sha256)
    if after is None:
        raise DataError(f'{toml}: write sha256 = "{sha256}" into its table {table!r} by hand, and the file by --out')
    write(folder / FILE, content, DataError)
    if after != before:
        write(toml, after, DataError)
    return folder / FILE


def with_checksum(text: str, table: str, sha256: str) -> str | None:
    """A task.toml with the checksum in a table of it and nothing else changed; None where it cannot be placed."""
    lines = text.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if re.match(rf"\s*\[\s*{table}\s*\]", line)), None)
    if start is None:
        return None
    end = next((n for n in range(start + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
    last = max(n for n in range(start, end) if lines[n].strip())
    old = next((n for n in range(start, end) if re.match(r"\s*sha256\s*=", lines[n])), None)
    if old is None:
        lines[last] = lines[last].rstrip("\r\n") + "\n"
        lines.insert(last + 1, f'sha256 = "{sha256}"\n')
    else:
        lines[old] = f'sha256 = "{sha256}"\n'
    after = "".join(lines)
    wanted = tomllib.loads(text)
    wanted[table]["sha256"] = sha256
    try:
        return after if tomllib.loads(after) == wanted else None
    except tomllib.TOMLDecodeError:
        return None
