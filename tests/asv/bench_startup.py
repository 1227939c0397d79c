"""Starting up: what a user waits for before anything happens."""

from __future__ import annotations

import subprocess
import sys

COMMANDS = {
    "bare import of click and pluggy": ["-c", "import click, pluggy"],
    "--help": ["-m", "omicsbench", "--help"],
    "list models": ["-m", "omicsbench", "list", "models"],
}


class StartUp:
    """A fresh process each."""

    params = (list(COMMANDS),)
    param_names = ("command",)
    number = 1
    warmup_time = 0

    def time_process(self, command: str) -> None:
        subprocess.run([sys.executable, *COMMANDS[command]], check=True, stdout=subprocess.DEVNULL)
