"""Fill the parts of the documentation that are made from the code: ``python docs/generate.py``.

A page holds ``<!-- generated: NAME -->`` … ``<!-- end -->``; what stands between is what the function of that name in
``PARTS`` gives. A test fails where a page is not what this would write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import msgspec
from click.testing import CliRunner

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = 100


def pages() -> list[Path]:
    """The pages that hold generated parts."""
    return [page for page in sorted(DOCS.rglob("*.md")) if BLOCK.search(page.read_text(encoding="utf-8"))]


def filled(text: str) -> str:
    """A page's text with every generated part as the code has it now."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]().strip()}\n\n{found[3]}", text)


def command_names() -> list[str]:
    """The commands and their subcommands: of the core, then those that the suite's own plugins add."""
    from omicsbench.cli import COMMANDS

    group, runner = _command_line()
    names = []
    with runner.isolation():
        context = click.Context(group)
        for name in [*COMMANDS, *sorted(set(group.list_commands(context)) - set(COMMANDS))]:
            command = group.get_command(context, name)
            names += [name, *(f"{name} {sub}" for sub in getattr(command, "commands", ()))]
    return names


def _command_line() -> tuple[click.Group, CliRunner]:
    """The command line with the suite's own plugins and no other, whatever this process did with it before."""
    from omicsbench.cli import LazyGroup, cli

    own = ",".join(path.parent.name for path in (DOCS.parent / "plugins").glob("*/pyproject.toml"))
    return LazyGroup(context_settings=cli.context_settings), CliRunner(env={"OMICSBENCH_PLUGINS": own})


def _forget_help(group: click.Group, name: str) -> None:
    """A command keeps the help option of whoever first called it, with that one's names."""
    found: click.Command | None = group
    for word in name.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)
        if found is not None:
            found._help_option = None


def _commands() -> str:
    """The real --help of every command."""
    from omicsbench.cli import COMMANDS

    group, runner = _command_line()
    parts = []
    for name in command_names():
        _forget_help(group, name)
        ran = runner.invoke(group, [*name.split(), "--help"], prog_name="omicsbench", terminal_width=WIDTH)
        assert ran.exit_code == 0, ran.output
        level = "###" if " " in name else "##"
        origin = "" if name.split()[0] in COMMANDS else "Comes with a plugin of the suite.\n\n"
        parts.append(f"{level} {name}\n\n{origin}```text\n{ran.output.strip()}\n```\n")
    return "\n".join(parts)


def _checks() -> str:
    """What ``omicsbench check`` looks at."""
    from omicsbench.conformance import CHECKS

    rows = ((f"`{c.name}`", _plain(c.expected), f"[{c.section}](#{c.section})") for c in CHECKS.values())
    return _table(("check", "what is expected", "read"), rows)


def _metrics() -> str:
    from omicsbench.scoring.metrics import DERIVED, METRICS

    units = {"native": "the state's", "1": "–"}
    rows = [(f"`{m.name}`", _plain(m.summary), units[m.unit], m.better) for m in METRICS]
    rows += [(f"`{name}`", _plain(text), "–", "higher") for name, text in DERIVED.items()]
    return _table(("score", "what it is", "unit", "better"), rows)


def _protocols() -> str:
    from omicsbench.data.protocols import PROTOCOLS

    rows = ((f"`{p.name}`", _plain(p.summary), "yes" if p.ranked else "never") for p in PROTOCOLS.values())
    return _table(("protocol", "what it is", "ranked"), rows)


def _record() -> str:
    from omicsbench.records import (
        Cell,
        Environment,
        Failure,
        Latency,
        Prediction,
        Record,
        Setting,
        TargetScores,
        Timing,
    )

    kinds = (Record, Cell, Setting, TargetScores, Prediction, Failure, Timing, Latency, Environment)
    return "\n".join(map(_struct, kinds))


def _speed_record() -> str:
    from omicsbench.records.speeds import SpeedRecord, Throughput

    return "\n".join(map(_struct, (SpeedRecord, Throughput)))


def _struct(kind: type[msgspec.Struct]) -> str:
    """One table: the fields of a part of a record, below what its docstring says of them."""
    annotations = inspect.get_annotations(kind)
    rows = []
    for field in msgspec.structs.fields(kind):
        default = "an error" if field.required else f"`{_literal(field)}`"
        rows.append((f"`{field.name}`", f"`{_spelt_out(annotations[field.name])}`", default))
    text = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
    return f"### {kind.__name__}\n\n{text}\n\n{_table(('field', 'type', 'if it is missing'), rows)}"


PLAIN = {
    **dict.fromkeys(("Name", "Line", "Text", "Digest"), "str"),
    "Seconds": "float",
    "Count": "int",
    "Array": "nested lists of float | None",
    "Value": "str | int | float | bool | None",
}
"""What stands in JSON for the names that records give to bounded text and numbers."""


def _spelt_out(annotation: str) -> str:
    """A type as it stands in JSON, with the values of closed sets in place of their names."""
    from omicsbench.records import CellStatus
    from omicsbench.spec import Role

    closed = {name: str(kind) for name, kind in (("CellStatus", CellStatus), ("Role", Role))}
    known = PLAIN | closed
    text = re.sub(rf"\b({'|'.join(known)})\b", lambda found: known[found[0]], annotation)
    text = re.sub(r"Annotated\[(\w+), Meta\([^)]*\)\]", r"\1", text)
    return re.sub(
        r"(?:typing\.)?Literal\[([^]]*)\]", lambda found: found[1].replace(", ", " | ").replace("'", '"'), text
    )


def _literal(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return msgspec.json.encode(value).decode()


def _plain(text: str) -> str:
    """``text`` with nothing in it that Markdown would read."""
    return re.sub(r"([*_<`])", r"\\\1", text)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


PARTS = {
    "commands": _commands,
    "checks": _checks,
    "metrics": _metrics,
    "protocols": _protocols,
    "record": _record,
    "speed-record": _speed_record,
}

if __name__ == "__main__":
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(page.relative_to(DOCS.parent))
