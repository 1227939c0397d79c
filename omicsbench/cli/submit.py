"""``omicsbench submit``: a contributor's records, ready for a pull request."""

from __future__ import annotations

from pathlib import Path

import click

from omicsbench.cli.common import PathType, all_tasks, console, data_option, exits, registry_of, say, tasks_option


@click.command("submit")
@click.argument("results", type=PathType(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--to",
    type=PathType(file_okay=False, path_type=Path),
    default=Path("leaderboards/records"),
    show_default=True,
    help="The folder of records of a checkout.",
)
@click.option("--replace", is_flag=True, help="Remove files of the leaderboard whose every record these make anew.")
@click.option("--dry-run", is_flag=True, help="Check and show the table, write nothing.")
@data_option
@tasks_option
@exits
def command(
    results: Path, to: Path, replace: bool, dry_run: bool, data_dir: Path | None, tasks_dirs: tuple[Path, ...]
) -> int:
    """Check the records below RESULTS and add what may be published. Exit code 1 where one is refused."""
    from omicsbench.data.tasks import data_dir_of
    from omicsbench.errors import RequestError
    from omicsbench.leaderboard.terminal import run_table
    from omicsbench.publishing.submission import collect, deliver, replaced
    from omicsbench.results.summary import groups

    if not dry_run and not to.parent.is_dir():
        raise RequestError(f"--to {to}: {to.parent} does not exist; run this in a checkout of omicsbench")
    registry = registry_of(())
    tasks = all_tasks(registry, tasks_dirs)
    found = collect(results, to, registry, tasks, data_dir_of(data_dir))
    for problem in found.problems:
        say(f"refused: {problem}", err=True)
    if not (found.records or found.known or found.speed or found.problems):
        raise RequestError(f"{results}: no record in this folder; `omicsbench run --out {results}` makes them")
    screen = console()
    for group in groups(found.records):
        screen.print(run_table(group, tasks.get(group.task)))
        screen.print()
    old = [] if dry_run else replaced(found, to)
    written = [] if dry_run else deliver(found, to)
    say(f"{len(found.records)} records to publish, {len(found.known)} are there already, {len(found.problems)} refused")
    if found.speed:
        say(f"{len(found.speed)} speed records to publish")
    if written:
        size = sum(path.stat().st_size for path in written)
        say(f"{size / 1e6:.2f} MB in {len(written)} new files below {to}. For the pull request:")
        say(f"  git add {to} && git commit")
    for path in old:
        if replace:
            path.unlink()
        say(f"{path}: every record in it is made anew" + (", removed" if replace else "; --replace removes it"))
    return 1 if found.problems else 0
