"""Bad input, line by line of a table: one clear line on stderr, exit code 2, nothing written, no hang.

A new kind of bad input is one more row.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Make = Callable[[Path], object]

SECONDS = 20
"""What no command line of this table may take."""


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """A hang is a failure."""

    def bark(*_: object) -> None:
        raise AssertionError(f"no answer in {SECONDS} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def toy(make_task: Callable[..., Path]) -> Path:
    return make_task()


def tree(folder: Path) -> dict[str, bytes | None]:
    """All below a folder with its content."""
    found: dict[str, bytes | None] = {}
    for path in folder.rglob("*"):
        found[str(path.relative_to(folder))] = path.read_bytes() if path.is_file() else None
    return found


def is_refused(ran: Any, *wanted: str) -> None:
    """One line that says what was wrong, and nothing of Python."""
    assert ran.code == 2, (ran.code, ran.out, ran.err)
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert len(lines) == 1, ran.err
    assert lines[0].startswith("error: ")
    assert len(lines[0]) <= 2100
    assert "Traceback" not in ran.err
    assert ran.err.removesuffix("\n").isprintable(), ran.err
    for text in wanted:
        assert text in lines[0], lines[0]


RUN = "run --model persistence --task toy --tasks-dir TOY"
BENCH = "bench --model persistence --task toy --tasks-dir TOY"
LONG = "x" * 300

LINES: list[tuple[str, str]] = [
    # seconds, counts and numbers
    *((f"{RUN} --timeout {value}", "--timeout") for value in ("nan", "inf", "-1", "1e400", "0", "x", "²", "-0")),
    *((f"check persistence --timeout {value}", "--timeout") for value in ("nan", "inf", "-1", "0")),
    *((f"verify HERE --timeout {value}", "--timeout") for value in ("nan", "inf", "-1", "0")),
    *((f"{BENCH} --limit {value}", "--limit") for value in ("nan", "inf", "-1", "0")),
    *((f"{RUN} --seeds {value}", "--seeds") for value in ("0", "-1", "10000000000", "1.5", "²", "1e3", "٣x")),
    *((f"{RUN} --draws {value}", "--draws") for value in ("0", "1000000000", "-3", "two")),
    *((f"{RUN} --jobs {value}", "--jobs") for value in ("0", "-1", "1000000", "many")),
    *(
        (f"run --model persistence --task limonene-sim --strains {value}", "--strains")
        for value in (",", "1000000000", "0", "2,,3", "²", "-1", "2;3", "1e3", "٣", "2,")
    ),
    ("run --model persistence --task toy --tasks-dir TOY --strains 2", "is measured"),
    ("run --model persistence --task toy --tasks-dir TOY --draws 2", "is measured"),
    *((f"{BENCH} --batches {value}", "--batches") for value in (",", "0", "1000000000", "²")),
    *((f"{BENCH} --threads {value}", "--threads") for value in ("0", "-1", "1000000")),
    *((f"{BENCH} --rounds {value}", "--rounds") for value in ("0", "1000000")),
    *((f"verify HERE --sample {value}", "--sample") for value in ("0", "-1", "x")),
    *((f"verify HERE --tolerance {value}", "--tolerance") for value in ("-1", "x", "nan")),
    # names
    ("run --model nonesuch --task toy --tasks-dir TOY", "unknown model 'nonesuch'"),
    ("run --model [/x] --task toy --tasks-dir TOY", "unknown model '[/x]'"),
    ("run --model persistence --task toys --tasks-dir TOY", "did you mean 'toy'?"),
    ("run --model persistence --task ../toy --tasks-dir TOY", "unknown task '../toy'"),
    (f"run --model persistence --task {LONG} --tasks-dir TOY", "unknown task"),
    (f"{RUN} --fold ../../x", "../../x"),
    (f"{RUN} --fold ''", "fold"),
    (f"{RUN} --protocol measurd", "did you mean 'measured'?"),
    (f"{RUN} --device gpu", "--device"),
    (f"run --model persistence --task limonene-sim --fold n{'9' * 5000}-d0", "no fold"),
    ("list nonesuch", "nonesuch"),
    ("audit nonesuch", "unknown task 'nonesuch'"),
    ("audit \x1b[31m", "unknown task"),
    ("check nonesuch", "unknown model 'nonesuch'"),
    ("check ''", "unknown model ''"),
    ("nonesuch", "no command 'nonesuch'"),
    ("runn", "did you mean 'run'?"),
    ("run", "--model"),
    ("run --model", "--model"),
    ("run --no-such-option", "--no-such-option"),
    ("bench", "nothing to measure"),
    ("bench --variant x", "--variant 'x'"),
    ("bench --variant x:", "--variant 'x:'"),
    ("bench --variant :a=1", "--variant ':a=1'"),
    ("bench --variant persistence:a --task toy --tasks-dir TOY", "--variant"),
    ("bench --variant persistence:a=1 --task toy --tasks-dir TOY", "'a'"),
    (f"{BENCH} --fold nonesuch", "no fold 'nonesuch'"),
    (f"{BENCH} --baseline nonesuch", "unknown model 'nonesuch'"),
    ("data nonesuch", "nonesuch"),
    ("data show nonesuch", "unknown task 'nonesuch'"),
    ("data fetch nonesuch", "unknown task 'nonesuch'"),
    ("data path nonesuch", "unknown task 'nonesuch'"),
    ("data path limonene-sim-nonesuch", "unknown task"),
    ("data make limonene-sim --out HERE", "--out"),
    ("data make toy --tasks-dir TOY", "toy"),
    ("data fetch toy --tasks-dir TOY --data-dir HERE/none", None),
    ("leaderboard", ""),
    ("leaderboard nonesuch", "nonesuch"),
    # parameters
    *(
        (f"{RUN} --set {value}", "--set")
        for value in ("x", "=", "=1", "''", "a\x1b[31m=1", "a=\x00", "a=\udcff", "a\nb=1")
    ),
    *((f"check persistence --set {value}", "--set") for value in ("x", "=", "=1", "a\x1b[31m=1", "a=\udcff")),
    (f"{RUN} --set a=1", "'a'"),
    (f"{RUN} --set persistence.a=[1,2]", "'a'"),
    (f"{RUN} --set nonesuch.a=1", "nonesuch"),
    ("run --model PLUGGED --plugins-dir PLUGINS --task toy --tasks-dir TOY --set size=[1,2]", "size"),
    ("run --model PLUGGED --plugins-dir PLUGINS --task toy --tasks-dir TOY --set size=1e400", "size"),
    (f"run --model PLUGGED --plugins-dir PLUGINS --task toy --tasks-dir TOY --set size={'9' * 5000}", "size"),
    ("run --model PLUGGED --plugins-dir PLUGINS --task toy --tasks-dir TOY --set rate=nan", "rate"),
    ("run --model PLUGGED --plugins-dir PLUGINS --task toy --tasks-dir TOY --set rate=1e400", "rate"),
    # folders and files that are none
    *(
        (f"{command} {option} ''", option)
        for command, options in {
            RUN: ("--out", "--params", "--data-dir", "--tasks-dir", "--plugins-dir"),
            BENCH: ("--out", "--params", "--data-dir", "--tasks-dir", "--plugins-dir"),
            "report HERE": ("--out", "--data-dir"),
            "submit HERE": ("--to",),
            "new-task mine --csv HERE/some.txt": ("--dir", "--csv"),
            "new-plugin mine": ("--dir",),
            "leaderboard build": ("--records", "--out"),
            "leaderboard site": ("--records", "--out"),
            "leaderboard check": ("--records", "--out"),
            "data make limonene-sim": ("--out",),
        }.items()
        for option in options
    ),
    ("report ''", "is empty"),
    ("submit ''", "is empty"),
    ("verify ''", "is empty"),
    ("compare ''", "is empty"),
    *(
        (f"{command} --out {place}", place.replace("HERE/", ""))
        for command in (RUN, BENCH)
        for place in ("HERE/some.txt", "HERE/some.txt/below", "/dev/null/x", f"HERE/{LONG}", "/proc/none")
    ),
    (f"{RUN} --out HERE/a\x00b", "--out"),
    ("report HERE --out /dev/full", "no record"),
    ("report HERE --out HERE", "--out"),
    ("report HERE/none", "none"),
    ("report HERE/some.txt", "some.txt"),
    ("report HERE", "no record in this folder"),
    ("compare HERE", "no record"),
    ("compare HERE/none", "no such folder"),
    ("compare HERE/some.txt", "no such folder"),
    ("verify HERE", "no record"),
    ("verify HERE/none", "none"),
    ("verify HERE/some.txt", "not a whole JSON file"),
    ("verify /dev/zero", "not a regular file"),
    ("submit HERE", "leaderboards"),
    ("submit HERE --to HERE/store", "no record in this folder"),
    ("submit HERE --to HERE/some.txt", "some.txt"),
    ("submit HERE --to HERE/none/deeper", "does not exist"),
    ("leaderboard build --records HERE/none", "no such folder"),
    ("leaderboard site --records HERE/some.txt", "no such folder"),
    ("leaderboard check --records HERE/none", "no such folder"),
    ("leaderboard build --records HERE", "no record in this folder"),
    *(
        (f"run --model persistence --tasks-dir {place}", "task folder")
        for place in (".", "..", "HERE", "HERE/none", "HERE/some.txt", "/dev/null", "HERE/[/x]")
    ),
    (f"run --model persistence --tasks-dir HERE/{LONG}", "too long"),
    ("list tasks --tasks-dir HERE", "task folder"),
    ("audit toy --tasks-dir HERE/a\nb", "task folder"),
    ("list models --plugins-dir HERE/none", "no such folder"),
    ("list models --plugins-dir HERE/some.txt", "no such folder"),
    ("check persistence --plugins-dir HERE/none", "no such folder"),
    (f"{RUN} --dry-run --data-dir HERE/none", None),
    # new things
    *(
        (f"new-plugin {name}", "plugin name")
        for name in ("../x", "''", "A", "a_b", "-", "a--b", "1x", "a\nb", ".", "é", "persistence", "[/x]", "a/b")
    ),
    *((f"new-plugin {name} --single-file", "plugin name") for name in ("class", "import", "x/../y", "persistence")),
    ("new-plugin mine --dir HERE/some.txt", "cannot be written"),
    ("new-plugin mine --dir HERE/some.txt --single-file", "cannot be written"),
    ("new-plugin mine --dir /dev/null/x", "cannot be written"),
    (f"new-plugin {'x' * 300}", "x"),
    (f"new-plugin {'x' * 300} --single-file", "x"),
    *(
        (f"new-task {name} --csv HERE/some.txt", "task name")
        for name in ("../x", "''", "A", "a_b", "a..b", "a\nb", ".", "limonene", "[/x]", "a/b")
    ),
    ("new-task mine --csv HERE/none", "none"),
    ("new-task mine --csv HERE", "not a regular file"),
    ("new-task mine --csv /dev/zero", "not a regular file"),
    ("new-task mine --csv HERE/some.txt", "columns"),
    (f"new-task {'x' * 300} --csv HERE/some.txt", ""),
]


def words(line: str) -> list[str]:
    """The arguments of a line; ``''`` is an empty one."""
    return ["" if word == "''" else word for word in line.split(" ")]


PLUGGED = """
class Plugged(Model):
    def __init__(self, *, seed: int, device: str, size: int = 1, rate: float = 0.5, on: bool = True) -> None:
        pass

    def fit(self, train, task, progress):
        pass

    def simulate(self, x0, t, controls):
        return held(x0, t)


@hookimpl
def omicsbench_models():
    text = "[/x] [red] | `a` <script>alert(1)</script>\\nnext"
    return [ModelSpec("plugged", "bad_input_plugged:Plugged", summary=text, citation="[/y]")]
"""


@pytest.fixture(scope="module")
def plugins(make_plugin: Callable[..., Path]) -> Path:
    return make_plugin("bad_input_plugged", PLUGGED)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a file in it."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "some.txt").write_text("nothing\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("line", "wanted"), LINES, ids=[f"{n}-{ascii(line)[1:40]}" for n, (line, _) in enumerate(LINES)]
)
def test_a_bad_command_line_is_one_line(
    cli: Cli, toy: Path, plugins: Path, here: Path, line: str, wanted: str | None
) -> None:
    before = tree(here.parent)
    for name, value in {"HERE": here, "TOY": toy, "PLUGINS": plugins, "PLUGGED": "plugged"}.items():
        line = line.replace(name, str(value))
    ran = cli(*words(line))
    if wanted is None:  # not wrong, but it must not end in a traceback
        assert "Traceback" not in ran.err
    elif wanted == "":
        assert ran.code == 2
        assert "Traceback" not in ran.err
    else:
        is_refused(ran, wanted)
    after = tree(here.parent)
    if wanted is not None:
        assert after == before


def test_only_seconds_and_a_shape_are_wrong(cli: Cli, toy: Path, plugins: Path, here: Path) -> None:
    """The commands of the table do work where nothing is wrong."""
    ran = cli("run", "--model", "persistence", "--task", "toy", "--tasks-dir", toy, "--out", here / "out", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    given = ("--set", "plugged.size=2", "--plugins-dir", plugins, "--task", "toy", "--tasks-dir", toy)
    ran = cli("run", "--model", "plugged", *given, "--dry-run", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert '"size": 2' in ran.out


PARAMS: dict[str, tuple[bytes | Make, str]] = {
    "a list": (b"[plugged]\nsize = [1, 2]\n", "plugged.size must be"),
    "a table in a table": (b"[plugged]\nsize = { a = 1 }\n", "plugged.size must be"),
    "a date": (b"[plugged]\nsize = 2020-01-01\n", "plugged.size must be"),
    "no table": (b"size = 1\n", "must be a table"),
    "tables of tables": (b"[[plugged]]\nsize = 1\n", "must be a table"),
    "no TOML": (b"{", "not valid TOML"),
    "NUL": (b"[plugged]\nsize = \x00", "not valid TOML"),
    "no UTF-8": (b"[plugged]\nsize = '\xff'", "not UTF-8 text"),
    "UTF-16": ("[plugged]\nsize = 1".encode("utf-16"), "not UTF-8 text"),
    "deep": (b"[plugged]\nsize = " + b"[" * 100_000 + b"]" * 100_000, "not valid TOML"),
    "deep tables": (b"[plugged" + b".a" * 1_000 + b"]\n", "plugged.a must be"),
    "digits": (b"[plugged]\nsize = " + b"9" * 5_000, "limit"),
    "infinite": (b"[plugged]\nrate = inf\n", "'rate'"),
    "no number": (b"[plugged]\nrate = nan\n", "'rate'"),
    "a large number": (b"[plugged]\nrate = 1e400\n", "'rate'"),
    "a text for a number": (b"[plugged]\nsize = 'many'\n", "'size'"),
    "a long text": (b"[plugged]\nsize = '" + b"9" * 100_000 + b"'\n", "'size'"),
    "an escape": (b'[plugged]\nsize = "\\u001b[31m"\n', "'size'"),
    "an unknown parameter": (b"[plugged]\nsizes = 1\n", "did you mean 'size'?"),
    "an unknown model": (b"[pluggde]\nsize = 1\n", "pluggde"),
    "a name in brackets": (b'["[/x]"]\nsize = 1\n', "[/x]"),
    "a name of lines": (b'["a\\nb"]\nsize = 1\n', "a\\nb"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "a pipe": (os.mkfifo, "not a regular file"),
    "a folder": (Path.mkdir, "not a regular file"),
    "nothing": (lambda path: path.symlink_to("nowhere"), "cannot be read"),
    "a large file": (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 10**9), "MB"),
}


@pytest.mark.parametrize("name", PARAMS)
def test_a_bad_file_of_parameters_is_one_line(cli: Cli, toy: Path, plugins: Path, here: Path, name: str) -> None:
    made, wanted = PARAMS[name]
    path = here / "params.toml"
    path.write_bytes(made) if isinstance(made, bytes) else made(path)
    line = ["run", "--model", "plugged", "--plugins-dir", plugins, "--task", "toy", "--tasks-dir", toy]
    is_refused(cli(*line, "--params", path, "--out", here / "out"), wanted)
    assert not (here / "out").exists()


def toml(old: str, new: str) -> Callable[[str], str]:
    """An edit of the made-up task."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return edit


def simulated(table: str) -> Callable[[str], str]:
    """The made-up task as a simulated one."""
    return lambda text: text.split("folds = [")[0] + f'[simulated]\npathway = "limonene"\nworld = 1\n{table}\n'


ESCAPE = '"\\u001b[31mred"'
TASKS: dict[str, tuple[Callable[[str], str], str]] = {
    "escape in the title": (toml('"Made up"', ESCAPE), "cannot be shown"),
    "escape in a state": (toml('name = "A"', f"name = {ESCAPE}"), "shown"),
    "escape in a unit": (toml('unit = "mM"', f"unit = {ESCAPE}"), "cannot be shown"),
    "escape in a column": (toml('column = "Enzyme two"', f"column = {ESCAPE}"), "cannot be shown"),
    "escape in a fault": (toml("horizon = 24.0", f"horizon = 24.0\nfaults = [{ESCAPE}]"), "cannot be shown"),
    "escape in a file": (toml('"toy.csv"', ESCAPE), "cannot be shown"),
    "direction in the title": (toml('"Made up"', '"a\\u202eb"'), "cannot be shown"),
    "separator in the title": (toml('"Made up"', '"a\\u2028b"'), "cannot be shown"),
    "lines in a state": (toml('name = "A"', 'name = "A\\nB"'), "A\\nB"),
    "lines in a unit": (toml('unit = "mM"', 'unit = "m\\nM"'), "m\\nM"),
    "lines in a strain": (toml('held_out = ["S1"]', 'held_out = ["S\\n1"]'), "S\\n1"),
    "no state": (toml('name = "A"', 'name = ""'), "no name"),
    "states twice": (toml('name = "P"', 'name = "A"'), "'A' is named twice"),
    "controls twice": (toml('name = "E2"', 'name = "E1"'), "'E1' is named twice"),
    **{
        f"horizon {value}": (toml("horizon = 24.0", f"horizon = {value}"), "horizon")
        for value in ("nan", "inf", "-inf", "1e300", "-1", "0", "1e400", "'24'", "true", "9" * 400)
    },
    **{
        f"fold {name!a}": (toml('name = "S1"', f'name = "{name}"'), "cannot be used in paths")
        for name in ("../../x", "", ".", "..", "a/b", "a\\\\b", "a\\nb", "/tmp/x", "-x", "x" * 61, "[x]", "<b>", "a|b")
    },
    "folds twice": (toml('name = "S2", h', 'name = "S1", h'), "'S1' is named twice"),
    "nothing held out": (toml('held_out = ["S1"]', "held_out = []"), "holds out no strain"),
    "held out twice": (toml('held_out = ["S1"]', 'held_out = ["S1", "S1"]'), "'S1' twice"),
    "an unknown strain": (toml('held_out = ["S1"]', 'held_out = ["S9"]'), "S9"),
    "no product": (toml('final_product = "P"', 'final_product = "Q"'), "'Q' is not a state"),
    "an unknown key": (toml("horizon", "horizons = 1\nhorizon"), "did you mean 'horizon'?"),
    "a file outside": (toml('"toy.csv"', '"../../../../etc/passwd"'), "file"),
    "a file from the root": (toml('"toy.csv"', '"/etc/passwd"'), "file"),
    "a file without a name": (toml('"toy.csv"', '""'), "file"),
    "a file of NUL": (toml('"toy.csv"', '"a\\u0000b"'), "cannot be shown"),
    "a checksum that is none": (toml('"SHA256"', '"../x"'), "sha256"),
    "an address that is none": (toml("[source]", '[source]\nurl = "file:///etc/passwd"'), "url"),
    **{
        f"simulated: {table}": (simulated(table), wanted)
        for table, wanted in {
            "held_out = -1": "at least 1",
            "held_out = 0": "at least 1",
            "held_out = 1000000000000": "at most 100000",
            "held_out = 99999999999999999999999999": "at most 100000",
            "draws = 1000000000": "at most 1000",
            "draws = -1": "at least 1",
            "draws = 1.5": "draws",
            "strains = [0]": "at least 1",
            "strains = [1000000000]": "at most 100000",
            "strains = [2, 2]": "twice",
            "strains = []": "",
            "stiffness = nan": "stiffness",
            "stiffness = inf": "stiffness",
            "stiffness = -1.0": "stiffness",
            "stiffness = 1e300": "stiffness",
            "world = -1": "",
            'sha256 = "../x"': "sha256",
            'sampling = "none"': "sampling",
        }.items()
    },
    "no TOML": (lambda text: "{", "not valid TOML"),
    "deep": (lambda text: "a = " + "[" * 100_000, "not valid TOML"),
    "empty": (lambda text: "", "title"),
    "NUL": (lambda text: text + "\x00", "not valid TOML"),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_bad_task_is_one_line(cli: Cli, make_task: Callable[..., Path], here: Path, name: str) -> None:
    edit, wanted = TASKS[name]
    folder = make_task("toy", toml=edit)
    ran = cli("run", "--model", "persistence", "--task", "toy", "--tasks-dir", folder, "--out", here / "out")
    is_refused(ran, wanted)
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    "name", ["[x]", "a\nb", "\x1b[31m", "x" * 61, "-x", "a|b", "a;b", "é\udcff", " x"], ids=lambda name: ascii(name)
)
def test_the_name_of_a_task_is_fit_for_paths(cli: Cli, make_task: Callable[..., Path], here: Path, name: str) -> None:
    folder = make_task(name)
    is_refused(cli("list", "tasks", "--tasks-dir", folder), "cannot be used in paths")


CSV = "Strain,Hour,E1,Enzyme two,A,P\n"
ROWS = "S1,0,1,1,1,1\nS1,8,1,1,1,1\nS2,0,1,1,1,1\nS2,8,1,1,1,1\nS3,0,1,1,1,1\nS3,8,1,1,1,1\n"
CSVS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "no column 'Strain'"),
    "a header": (CSV, "no strain 'S1'"),
    "NUL": (CSV + "S1,0,1,1,\0,1\n", "line 2"),
    "a lone return": (CSV.replace("\n", "\r") + ROWS.replace("\n", "\r") + "S1\r0,1", "fields"),
    "a return in a number": (CSV + 'S1,0,1,1,"1\r2",1\n', "not a number"),
    "columns": (CSV.replace("P\n", "P," + ",".join(map(str, range(10**6))) + "\n").replace("Hour", "H"), "'Hour'"),
    "no UTF-8": (CSV.encode() + b"S\xff,0,1,1,1,1\n", "not UTF-8"),
    "UTF-16": ((CSV + ROWS).encode("utf-16"), "not UTF-8"),
    "a long line": (CSV + "S1,0,1,1,1," + "1" * 100_000_000 + "\n", "field larger"),
    "a long number": (CSV + "S1,0,1,1,1," + "1" * 100_000 + "\n", "not a number"),
    "an open quote": (CSV + 'S1,0,1,1,1,"1\n' + ROWS, "not a number"),
    **{
        f"{value} at a state": (CSV + f"S1,0,1,1,{value},1\n", "column 'A'")
        for value in (
            "inf",
            "-inf",
            "1e400",
            "Infinity",
            "1,5".replace(",", ";"),
            "x",
            "1_000",
            "٣",
            "0x1F",
            "1e",
            "<b>",
        )
    },
    **{
        f"{value} at a time": (CSV + f"S1,{value},1,1,1,1\n", "column 'Hour'")
        for value in ("nan", "inf", "", "x", "-inf", "1e400")
    },
    "an escape in a number": (CSV + "S1,0,1,1,\x1b[31m,1\n", "not a number"),
    "an escape in a strain": (CSV + ROWS + "\x1b[31m,0,1,1,1,1\n", "strain"),
    "no strain": (CSV + ",0,1,1,1,1\n", "is empty"),
    "a header twice": (CSV.replace("P\n", "P,A\n") + "S1,0,1,1,1,1,1\n", "column 'A' stands there twice"),
    "a time twice": (CSV + ROWS + "S1,8,2,2,2,2\n", "second row at 8 h"),
    "a time before": (CSV + ROWS + "S1,-8,2,2,2,2\n", "not measured at 0 h"),
    "rows too long": (CSV + ROWS + "S1,9,1,1,1,1,7,8\n", "line 8: has 8 fields, the header 6"),
    "rows too short": (CSV + ROWS + "S1\n", "line 8: has 1 fields, the header 6"),
    "no control": (CSV + "S1,0,,,1,1\nS2,0,1,1,1,1\n", "no measured control"),
    "no state": (CSV + "S1,0,1,1,,\nS2,0,1,1,1,1\n", "no measured state"),
}


@pytest.mark.parametrize("name", CSVS)
@pytest.mark.parametrize("command", ["run", "audit"])
def test_a_bad_csv_is_one_line(cli: Cli, make_task: Callable[..., Path], here: Path, command: str, name: str) -> None:
    csv, wanted = CSVS[name]
    folder = make_task("toy", csv=csv)
    line = {"run": ("run", "--model", "persistence", "--task", "toy", "--out", here / "out"), "audit": ("audit", "toy")}
    is_refused(cli(*line[command], "--tasks-dir", folder), wanted)


PLACES: dict[str, Make] = {
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", ["audit", "run", "data path"])
def test_a_csv_that_is_no_file_is_one_line(
    cli: Cli, make_task: Callable[..., Path], here: Path, command: str, place: str
) -> None:
    folder = make_task("toy", csv=None)
    PLACES[place](here / "toy.csv")
    line = {"audit": "audit toy", "run": "run --model persistence --task toy", "data path": "data path toy"}[command]
    is_refused(cli(*line.split(), "--tasks-dir", folder, "--data-dir", here), "toy")
    assert not (here / "results").exists()


HOSTILE = "[/x] [red] `code` | <script>alert(1)</script> [a](http://evil.example)"


@pytest.fixture(scope="module")
def lab(make_task: Callable[..., Path], cli: Cli, plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task and a run of it, with a plugin; texts of both try to be markup. The folder of the task."""

    def edit(text: str) -> str:
        text = text.replace('"Made up"', f"'{HOSTILE}'").replace('"nobody 2026"', f"'''{HOSTILE}\n{HOSTILE}'''")
        text = text.replace('unit = "mM"', f"unit = '{HOSTILE}'").replace('name = "A"', f"name = '{HOSTILE}'")
        text = text.replace('final_product = "P"', f"final_product = \"P\"\nfaults = ['{HOSTILE}', 'gate: passed']")
        return text.replace('"CC0-1.0"', f"'{HOSTILE}'")

    folder = make_task("toy", csv=TOY_CSV.replace(",A,", f",{HOSTILE},"), toml=edit)
    given = ("--model", "plugged", "--plugins-dir", plugins, "--tasks-dir", folder, "--task", "toy", "--fold", "S1")
    ran = cli("run", *given, "--out", folder / "results")
    assert ran.code == 0, ran.err
    assert HOSTILE[:20] in ran.out
    return folder


TOY_CSV = CSV + "".join(f"S{s},{h},{h + s},{2 * s},{1 + s * h % 7},{h / s}\n" for s in (1, 2, 3) for h in (0, 4, 8, 12))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("list tasks --tasks-dir TASK", True),
        ("list tasks --tasks-dir TASK --json", True),
        ("list models --plugins-dir PLUGINS", True),
        ("list models --plugins-dir PLUGINS --json", True),
        ("audit toy --tasks-dir TASK", True),
        ("audit toy --tasks-dir TASK --json", True),
        ("data show toy --tasks-dir TASK", True),
        ("data show toy --tasks-dir TASK --json", True),
        ("compare TASK/results --baseline persistence --tasks-dir TASK", True),
        ("compare TASK/results --baseline persistence --tasks-dir TASK --json", True),
        ("report TASK/results --tasks-dir TASK --out HERE/report.html", False),
        ("doctor --tasks-dir TASK --plugins-dir PLUGINS", False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_text_of_tasks_and_plugins_is_text(
    cli: Cli, lab: Path, plugins: Path, here: Path, line: str, shown: bool
) -> None:
    for name, value in {"HERE": here, "TASK": lab, "PLUGINS": plugins}.items():
        line = line.replace(name, str(value))
    ran = cli(*line.split())
    assert "Traceback" not in ran.err
    assert ran.code in (0, 1), ran.err
    assert ran.out.replace("\n", "").isprintable()
    if shown:
        assert "<script>" in ran.out
        assert "\\[" not in ran.out
        assert "[red]" in ran.out
    if line.startswith("report"):
        html = (here / "report.html").read_text()
        assert "<script>alert" not in html
        assert "[/x]" in html


def test_no_line_can_be_added_to_what_a_command_says(cli: Cli, make_task: Callable[..., Path]) -> None:
    lines = 'title = "Made\\nup"\nfaults = ["a\\ngate: passed"]'
    folder = make_task("toy", toml=toml('title = "Made up"', lines))
    ran = cli("audit", "toy", "--tasks-dir", folder)
    assert "gate: passed" not in ran.out.splitlines()
    assert "toy: Made up" in ran.out.splitlines()


def in_shell(shell: Cli, script: str, *arguments: object, **variables: str) -> tuple[int, str, str]:
    """The command line below a shell script, in which ``$@`` is it; its exit code and what it said."""
    process = shell(*arguments, before=("bash", "-c", script, "sh"), **variables)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


LIST = ("list", "tasks")
STREAMS: dict[str, tuple[str, int, str]] = {
    "stdout full": ('"$@" > /dev/full', 2, "error: standard output: No space left on device"),
    "stdout closed": ('"$@" >&-', 0, ""),
    "stderr closed": ('"$@" 2>&-', 0, ""),
    "stdin closed": ('"$@" <&-', 0, ""),
    "all closed": ('"$@" <&- >&- 2>&-', 0, ""),
    "nobody reads": ('set -o pipefail; "$@" | true', 141, ""),
    "stderr full": ('"$@" 2> /dev/full', 0, ""),
    "few files": ('ulimit -n 12; "$@"', 0, ""),
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_that_are_none(shell: Cli, name: str) -> None:
    script, code, said = STREAMS[name]
    got = in_shell(shell, script, *LIST)
    assert got[0] == code, got
    assert got[2].strip() == said


@pytest.mark.parametrize(
    ("script", "code"), [('"$@" >&-', 2), ('"$@" > /dev/full', 2), ('"$@" 2>&-', 2), ('"$@" 2> /dev/full', 2)]
)
def test_an_error_keeps_its_exit_code(shell: Cli, script: str, code: int) -> None:
    got = in_shell(shell, script, "audit", "nonesuch")
    assert (got[0], got[1]) == (code, "")
    assert got[2] == "" or got[2].startswith("error: unknown task 'nonesuch'")
    assert len(got[2].splitlines()) <= 1


PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_terminal_of_ascii(shell: Cli, lab: Path) -> None:
    for line in (("list", "tasks"), ("audit", "toy", "--tasks-dir", str(lab)), ("audit", "é")):
        code, _, err = in_shell(shell, '"$@"', *line, **PLAIN)
        assert "Traceback" not in err
        assert code == (2 if "é" in line else 0), err


HOMES: dict[str, tuple[str, dict[str, str]]] = {
    "no home": ('unset HOME XDG_CACHE_HOME; "$@"', {}),
    "a home that is none": ('unset XDG_CACHE_HOME; "$@"', {"HOME": "/dev/null/x"}),
    "a cache that is none": ('"$@"', {"XDG_CACHE_HOME": "/dev/null/x", "OMICSBENCH_CACHE": "/dev/null/x"}),
    "a cache that is a file": ('"$@"', {"XDG_CACHE_HOME": "/etc/passwd", "OMICSBENCH_CACHE": "/etc/passwd"}),
    "no folder for temporary files": ('"$@"', {"TMPDIR": "/dev/null/x"}),
}


@pytest.mark.parametrize("name", HOMES)
def test_a_home_that_is_none(shell: Cli, plugins: Path, name: str) -> None:
    script, variables = HOMES[name]
    code, out, err = in_shell(shell, script, "list", "models", "--plugins-dir", plugins, **variables)
    assert "Traceback" not in err
    assert (code, "plugged" in out) == (0, True), err


@pytest.mark.parametrize("name", ["a cache that is none", "no home"])
def test_data_that_cannot_be_kept(shell: Cli, name: str) -> None:
    script, variables = HOMES[name]
    code, out, err = in_shell(shell, script, "data", "fetch", "limonene", **variables)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: data of task 'limonene' cannot be had")


def test_a_device_node_stays(cli: Cli, lab: Path) -> None:
    before = os.stat("/dev/full")
    ran = cli("report", lab / "results", "--tasks-dir", lab, "--out", "/dev/full")
    is_refused(ran, "/dev/full: cannot be written: what is there is no regular file")
    assert os.stat("/dev/full") == before


VANISHING = """
import shutil


class Vanishing(Model):
    def __init__(self, *, seed: int, device: str) -> None:
        pass

    def fit(self, train, task, progress):
        out = Path(os.environ["ATTACKED"])
        shutil.rmtree(out)
        out.write_text("a file")

    def simulate(self, x0, t, controls):
        return held(x0, t)


@hookimpl
def omicsbench_models():
    return [ModelSpec("vanishing", "bad_input_vanishing:Vanishing", summary="takes the folder away", citation="-")]
"""


def test_a_folder_that_goes_in_mid_run(shell: Cli, toy: Path, make_plugin: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_plugin("bad_input_vanishing", VANISHING)
    line = ("run", "--model", "vanishing", "--plugins-dir", folder, "--tasks-dir", toy, "--task", "toy", "--fold", "S1")
    code, out, err = in_shell(shell, '"$@"', *line, "--out", tmp_path / "out", ATTACKED=str(tmp_path / "out"))
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith(f"error: {tmp_path}/out")
    assert (tmp_path / "out").read_text() == "a file"


ODD_PLUGINS = {
    "text that is none": ('"\\udcff"', "default of 'size' must be one that a record can hold"),
    "an escape": ('"\\x1b[31m"', "default of 'size' must be one that a record can hold"),
    "infinity": ("1e400", "default of 'size' must be one that a record can hold"),
}


@pytest.mark.parametrize("name", ODD_PLUGINS)
def test_a_default_that_no_record_can_hold(
    cli: Cli, toy: Path, make_plugin: Callable[..., Path], name: str, here: Path
) -> None:
    default, wanted = ODD_PLUGINS[name]
    stem = f"bad_default_{list(ODD_PLUGINS).index(name)}"
    text = PLUGGED.replace("size: int = 1", f"size: str = {default}").replace("bad_input_plugged", stem)
    folder = make_plugin(stem, text)
    line = ("run", "--model", "plugged", "--plugins-dir", folder, "--task", "toy", "--tasks-dir", toy)
    is_refused(cli(*line, "--out", here / "out"), wanted)
    assert not (here / "out").exists()


def test_what_a_plugin_prints_is_no_result(shell: Cli, make_plugin: Callable[..., Path]) -> None:
    folder = make_plugin(
        "bad_input_loud", PLUGGED.replace("bad_input_plugged", "bad_input_loud") + "\n\nprint('hello')\n"
    )
    out, err = shell("list", "models", "--json", "--plugins-dir", folder).communicate(timeout=60)
    assert "plugged" in [row["model"] for row in json.loads(out)]
    assert "hello" in err


def test_a_baseline_without_error_is_no_traceback(cli: Cli, make_task: Callable[..., Path], here: Path) -> None:
    """Of constant states every baseline is right: there is nothing to improve."""
    folder = make_task("toy", csv=CSV + ROWS)
    line = ("--task", "toy", "--tasks-dir", folder, "--fold", "S1", "--protocol", "published")
    assert cli("run", "--model", "persistence", *line, "--out", here / "out").code == 0
    ran = cli("compare", here / "out", "--baseline", "persistence", "--tasks-dir", folder)
    is_refused(ran, "nothing to compare")
