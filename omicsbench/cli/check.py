"""``omicsbench check``: the plugin interface in executable form."""

from __future__ import annotations

from pathlib import Path

import click

from omicsbench.cli.common import Seconds, emit_json, exits, json_option, plugins_option, registry_of, say, settings_of


@click.command("check")
@click.argument("model")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter. May be repeated.")
@click.option(
    "--timeout",
    type=Seconds(),
    default=300.0,
    show_default=True,
    metavar="S",
    help="Seconds that one check may take.",
)
@json_option
@plugins_option
@exits
def command(
    model: str, settings: tuple[str, ...], timeout: float, as_json: bool, plugins_dirs: tuple[Path, ...]
) -> int:
    """Check that MODEL keeps the plugin interface.

    Its checks run on a small made-up pathway, in a process of their own. A check is skipped only where it
    needs a device that is not here or where a check that it builds on has failed. Exit code 1 where one failed.
    """
    from dataclasses import asdict

    from omicsbench.conformance import CHECKS, Examination, subject_of

    subject = subject_of(registry_of(plugins_dirs), model, dict(settings_of(settings)))
    results = []
    with Examination(subject, timeout) as examination:
        for check in CHECKS:
            results.append(examination.result(check))
            if not as_json:
                say(results[-1])
    counts = {status: sum(r.status == status for r in results) for status in ("passed", "failed", "skipped")}
    if as_json:
        emit_json({"model": model, "parameters": subject.parameters, **counts, "checks": [asdict(r) for r in results]})
    else:
        say(f"{model}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    return 1 if counts["failed"] else 0
