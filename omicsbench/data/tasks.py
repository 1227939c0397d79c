"""A task: a data set with its states, controls, units, folds and citation, read from ``task.toml``."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from omicsbench.errors import RequestError, suggest
from omicsbench.files import read_text
from omicsbench.model import TaskInfo

NAME = r"\w[\w .,+()=@'-]{0,59}"
"""Names of tasks and folds: they stand in paths."""
NAME_RULE = "at most 60 letters, digits, spaces or any of . , + ( ) = @ ' - _, a letter or digit first"
LONGEST_NAME = 200
LONGEST_HORIZON = 1e6
"""Hours."""
MOST_STRAINS, MOST_DRAWS, MOST_NAMES = 100_000, 1_000, 5_000_000
"""Of a simulated task: more would not be drawn in a lifetime; and names of strains in all its folds together."""
MOST_STIFF = 1e6
FILE = r"[^/\\]{1,200}"
"""Names of files beside a task.toml: they lead nowhere else."""
BUILTIN = Path(__file__).parent.parent / "builtin_tasks"


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state or a control: its name, its unit, and its column in the CSV where that is another."""

    name: str
    unit: str
    column: str = ""


class Excluded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state that is reported but left out of means over states, and why."""

    state: str
    reason: str


class Fold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Strains held out together; the others train. ``published``: the fold of the published claims."""

    name: str
    held_out: tuple[str, ...]
    train: tuple[str, ...] = ()
    published: bool = False


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The CSV of a measured task: where it is to be had, its checksum and its columns.

    ``url`` may be empty for a file that lies beside the task.toml.
    """

    file: str
    sha256: str
    url: str = ""
    strain_column: str = "Strain"
    time_column: str = "Hour"


class Virtual(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How virtual strains are measured and split.

    ``sampling``: ``measured`` is nine times with 5 % noise and the holes of the measured tasks, ``dense`` is 200
    points without noise. Each of ``draws`` draws of training strains gives a fold for each number in ``strains``;
    the ``held_out`` strains are the same in all folds. ``sha256`` is that of the file that holds them all; without it
    they are generated.
    """

    sampling: Literal["measured", "dense"] = "measured"
    held_out: int = 50
    strains: tuple[int, ...] = (2, 10, 100)
    draws: int = 3
    sha256: str = ""

    def fold(self, strains: int, draw: int) -> Fold:
        """The fold that trains on the first ``strains`` of a draw. Names are those of ``omicsbench.kinetics``."""
        return Fold(
            name=f"n{strains}-d{draw}",
            held_out=tuple(f"V0-{k}" for k in range(self.held_out)),
            train=tuple(f"V{10 + draw}-{k}" for k in range(strains)),
        )


class Simulated(Virtual, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strains of the kinetic mevalonate pathway (``omicsbench.kinetics``): which world, how stiff, what is seen."""

    pathway: Literal["limonene", "isopentenol"]
    world: int
    stiffness: float = 1.0
    every_state: bool = False


class Sbml(Virtual, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strains of a kinetic model of one's own: an SBML ``file`` beside the task.toml.

    ``vary``: the parameters that tell strains apart, each with its lowest and highest value; they are the controls.
    """

    file: str
    vary: dict[str, tuple[float, float]]

    def __hash__(self) -> int:
        own = (self.file, *self.vary.items())
        return hash((*own, self.sampling, self.held_out, self.strains, self.draws, self.sha256))


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a task.toml says. ``folder`` is where it stands."""

    name: str = ""
    title: str
    citation: str
    licence: str
    redistributable: bool = False
    horizon: float
    final_product: str
    states: tuple[Quantity, ...]
    controls: tuple[Quantity, ...]
    folds: tuple[Fold, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    faults: tuple[str, ...] = ()
    source: Source | None = None
    simulated: Simulated | None = None
    sbml: Sbml | None = None
    folder: str = ""

    @property
    def info(self) -> TaskInfo:
        """What models may know of the task."""
        return TaskInfo(
            tuple(state.name for state in self.states),
            tuple(state.unit for state in self.states),
            tuple(control.name for control in self.controls),
            tuple(control.unit for control in self.controls),
            self.horizon,
        )

    @property
    def virtual(self) -> Simulated | Sbml | None:
        """Where virtual strains come from; None for a measured task."""
        return self.simulated or self.sbml

    @property
    def counted(self) -> tuple[bool, ...]:
        """Which states count in means over states."""
        out = {excluded.state for excluded in self.excluded}
        return tuple(state.name not in out for state in self.states)

    def sized(self, strains: Sequence[int], draws: int | None) -> Task:
        """A simulated task with folds of other numbers of training strains and of draws."""
        virtual = self.virtual
        if virtual is None:
            raise RequestError(f"task {self.name!r} is measured: --strains and --draws are for simulated tasks")
        strains, draws = tuple(strains) or virtual.strains, draws or virtual.draws
        _check_size(f"task {self.name!r}", virtual, strains, draws)
        folds = (virtual.fold(n, d) for n in strains for d in range(draws))
        return msgspec.structs.replace(self, folds=tuple(folds))

    def fold(self, name: str) -> Fold:
        """The fold of that name. Raises ``RequestError`` with the nearest known one."""
        found = next((fold for fold in self.folds if fold.name == name), None)
        numbers = re.fullmatch(r"n([1-9][0-9]{0,4})-d([0-9]{1,5})", name)
        if found is None and self.virtual is not None and numbers is not None:
            return self.virtual.fold(int(numbers[1]), int(numbers[2]))
        if found is None:
            raise RequestError(
                f"task {self.name!r} has no fold {name!r}: {suggest(name, [fold.name for fold in self.folds])}"
            )
        return found


def load_task(folder: Path) -> Task:
    """The task in ``folder``. Raises ``RequestError`` naming file, key and what is wrong with it."""
    path = folder / "task.toml"
    if not path.exists():
        raise RequestError(f"{folder}: no task.toml in this folder")
    try:
        raw = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise RequestError(f"{path}: not valid TOML: {error}") from None
    name = folder.resolve().name
    refuse_unknown_keys(raw, Task, str(path), hidden=("name", "folder"))
    try:
        task = msgspec.convert({**raw, "name": name, "folder": str(folder.resolve())}, Task)
        task = msgspec.structs.replace(
            task,
            **{text: _one_line(getattr(task, text)) for text in ("title", "citation", "licence")},
            faults=tuple(map(_one_line, task.faults)),
            excluded=tuple(Excluded(one.state, _one_line(one.reason)) for one in task.excluded),
        )
    except msgspec.ValidationError as error:
        raise RequestError(f"{path}: {error}") from None
    if (virtual := task.virtual) is not None:
        _check_size(str(path), virtual, virtual.strains, virtual.draws)
        task = task if task.folds else task.sized((), None)
    _check(task, str(path))
    return task


def refuse_unknown_keys(raw: object, kind: Any, where: str, hidden: tuple[str, ...] = (), at: str = "") -> None:
    """Raise ``RequestError`` for a key that ``kind`` does not have, with the nearest one that it has."""
    info = msgspec.inspect.type_info(kind) if not isinstance(kind, msgspec.inspect.Type) else kind
    if isinstance(info, msgspec.inspect.UnionType):
        for member in info.types:
            if isinstance(member, msgspec.inspect.StructType):
                refuse_unknown_keys(raw, member, where, hidden, at)
    elif isinstance(info, msgspec.inspect.VarTupleType) and isinstance(raw, list):
        for n, item in enumerate(raw):
            refuse_unknown_keys(item, info.item_type, where, hidden, f"{at}[{n}]")
    elif isinstance(info, msgspec.inspect.StructType) and isinstance(raw, Mapping):
        fields = {field.name: field for field in info.fields if at or field.name not in hidden}
        for key, value in raw.items():
            if key not in fields:
                raise RequestError(f"{where}: unknown key {f'{at}.{key}'.lstrip('.')!r}: {suggest(key, fields)}")
            refuse_unknown_keys(value, fields[key].type, where, hidden, f"{at}.{key}".lstrip("."))


def _check(task: Task, where: str) -> None:
    for what, name in (("the folder's name", task.name), *(("fold", fold.name) for fold in task.folds)):
        if not re.fullmatch(NAME, name):
            raise RequestError(f"{where}: {what} {name[:60]!r} cannot be used in paths: {NAME_RULE}")
    for text in _texts(msgspec.to_builtins(task)):
        if not text.replace("\n", "").replace("\t", "").isprintable():
            raise RequestError(f"{where}: {text[:60]!r} holds a character that cannot be shown; take it out")
    for unit in {quantity.unit for quantity in (*task.states, *task.controls)}:
        if not unit.isprintable():
            raise RequestError(f"{where}: unit {unit[:60]!r} must be one line")
    states = [state.name for state in task.states]
    for what, names in (("state", states), ("control", [control.name for control in task.controls])):
        if not names:
            raise RequestError(f"{where}: at least one {what} is needed")
        for name in names:
            if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
                raise RequestError(
                    f"{where}: {what} {name[:60]!r} has no name that can be shown in one line of at most {LONGEST_NAME}"
                )
            if names.count(name) > 1:
                raise RequestError(f"{where}: {what} {name!r} is named twice")
    if task.final_product not in states:
        raise RequestError(
            f"{where}: final_product {task.final_product!r} is not a state: {suggest(task.final_product, states)}"
        )
    for excluded in task.excluded:
        if excluded.state not in states:
            raise RequestError(
                f"{where}: excluded state {excluded.state!r} is not a state: {suggest(excluded.state, states)}"
            )
    if len(task.excluded) >= len(states):
        raise RequestError(f"{where}: every state is excluded; at least one must count")
    if not 0 < task.horizon <= LONGEST_HORIZON:
        raise RequestError(
            f"{where}: horizon must be a positive number of hours, at most {LONGEST_HORIZON:g}, got {task.horizon:g}"
        )
    names = [fold.name for fold in task.folds]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{where}: fold {name!r} is named twice")
    for fold in task.folds:
        if not fold.held_out:
            raise RequestError(f"{where}: fold {fold.name!r} holds out no strain")
        strains = (*fold.held_out, *fold.train)
        if odd := next((strain for strain in strains if not strain.isprintable()), ""):
            raise RequestError(
                f"{where}: fold {fold.name!r} names strain {odd[:60]!r}, which cannot be shown in one line"
            )
        if len(set(strains)) < len(strains):
            twice = next(strain for strain in strains if strains.count(strain) > 1)
            raise RequestError(f"{where}: fold {fold.name!r} names strain {twice!r} twice")
    if [task.source, task.simulated, task.sbml].count(None) != 2:
        raise RequestError(f"{where}: a task needs one of the tables [source], [simulated] and [sbml]")
    _check_origin(task, where)


def _check_origin(task: Task, where: str) -> None:
    """Files, addresses and checksums are such, and lead nowhere else."""
    source, simulated = task.source, task.simulated
    for named in (source, task.sbml):
        if named is not None and (not re.fullmatch(FILE, named.file) or named.file in (".", "..")):
            raise RequestError(f"{where}: file {named.file[:60]!r} must be the name of a file, without a folder")
    if source is not None and source.url and not re.match(r"https?://", source.url):
        raise RequestError(f"{where}: url {source.url[:60]!r} must begin with https:// or http://")
    sha256 = source.sha256 if source is not None else task.virtual.sha256 if task.virtual is not None else ""
    if not re.fullmatch(r"[0-9a-f]{64}" if source is not None else r"([0-9a-f]{64})?", sha256):
        raise RequestError(f"{where}: sha256 {sha256[:60]!r} must be 64 hexadecimal digits, as sha256sum gives them")
    if simulated is not None and not 1 <= simulated.stiffness <= MOST_STIFF:
        raise RequestError(f"{where}: stiffness must be from 1 to {MOST_STIFF:g}, got {simulated.stiffness:g}")
    if simulated is not None and simulated.world < 0:
        raise RequestError(f"{where}: world must be at least 0, got {simulated.world}")


def _check_size(where: str, virtual: Virtual, strains: Sequence[int], draws: int) -> None:
    """Before any strain is named."""
    if not strains or min((virtual.held_out, draws, *strains)) < 1:
        raise RequestError(f"{where}: held_out, draws and strains must be at least 1")
    if max((virtual.held_out, *strains)) > MOST_STRAINS:
        raise RequestError(f"{where}: at most {MOST_STRAINS} strains can be drawn")
    if draws > MOST_DRAWS:
        raise RequestError(f"{where}: at most {MOST_DRAWS} draws can be made")
    if draws * sum(virtual.held_out + n for n in strains) > MOST_NAMES:
        raise RequestError(f"{where}: all folds together name at most {MOST_NAMES} strains; take fewer, or fewer draws")


def _one_line(text: str) -> str:
    """A text as it is shown: lines of a TOML file become one."""
    return " ".join(text.split("\n"))


def _texts(value: object) -> Iterator[str]:
    """Every text in JSON values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in (*value, *value.values()):
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def find_tasks(folders: Iterable[Path] = ()) -> dict[str, Task]:
    """All tasks by name: the suite's own, then those in ``folders`` (each a task, or a folder of tasks).

    Raises ``RequestError`` where a folder holds no task, or two tasks have one name.
    """
    found: dict[str, Task] = {}
    for folder in [task_home(), *folders]:
        if not folder.is_dir():
            raise RequestError(f"task folder {folder}: no such folder")
        places = [folder] if (folder / "task.toml").exists() else sorted(p.parent for p in folder.glob("*/task.toml"))
        if not places:
            raise RequestError(f"task folder {folder}: neither it nor a folder in it has a task.toml")
        for place in places:
            task = load_task(place)
            if task.name in found:
                raise RequestError(f"{place}: a task named {task.name!r} stands already in {found[task.name].folder}")
            found[task.name] = task
    return found


def task_home() -> Path:
    """Where the suite's own tasks stand: packed in the installed wheel, or ``tasks/`` of the checkout."""
    return BUILTIN if BUILTIN.is_dir() else Path(__file__).parents[2] / "tasks"


def pick(tasks: Mapping[str, Task], name: str) -> Task:
    """The task of that name. Raises ``RequestError`` with the nearest known name."""
    if name not in tasks:
        raise RequestError(f"unknown task {name!r}: {suggest(name, tasks)}")
    return tasks[name]


def data_dir_of(given: Path | None) -> Path | None:
    """The folder that is looked in first for data files: ``--data-dir``, else OMICSBENCH_DATA, else none."""
    if given is not None:
        return given
    named = os.environ.get("OMICSBENCH_DATA")
    return Path(named) if named else None
