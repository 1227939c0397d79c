"""The leaderboard of a thousand records."""

from __future__ import annotations

import tempfile
from pathlib import Path

from omicsbench.leaderboard.build import pages
from omicsbench.records import find, load, save
from omicsbench.results.truth import no_truth

from .made_up import records

COUNT = 1000


class Leaderboard:
    """Reading the records, and making tables and site of them."""

    timeout = 300.0

    def setup(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.out = Path(self.folder.name)
        self.records = records(COUNT)
        for record in self.records:
            save(record, self.out)

    def teardown(self) -> None:
        self.folder.cleanup()

    def time_load(self) -> None:
        assert sum(1 for path in find(self.out) if load(path)) == COUNT

    def time_build(self) -> None:
        assert pages(self.records, {}, no_truth)
