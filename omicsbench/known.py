"""Which plugins were tried before, and what came of it. Every start of the program reads it: nothing heavy here."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from omicsbench.errors import RequestError
from omicsbench.texts import say

MOST = 1000
"""Plugins that are remembered; the oldest are forgotten."""
Stamps = dict[str, list[int]]


class Source(NamedTuple):
    """Where a plugin comes from: ``value`` of its entry point, or its one ``file``."""

    name: str
    value: str
    file: Path | None = None

    @property
    def module(self) -> str:
        """The module that holds its hooks."""
        return self.value.partition(":")[0]

    def load(self) -> ModuleType:
        """The plugin, imported. Raises whatever that raises."""
        if self.file is None:
            found: ModuleType = EntryPoint(self.name, self.value, "omicsbench").load()
            return found
        if self.name in sys.modules:
            return sys.modules[self.name]
        spec = spec_from_file_location(self.name, self.file)
        if spec is None or spec.loader is None:
            raise ImportError("not importable")
        module = sys.modules[self.name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[self.name]
            raise
        return module

    @property
    def hidden(self) -> str:
        """Why a one-file plugin cannot be imported under its stem; nothing if it can."""
        if self.file is None:
            return ""
        if self.name in sys.modules:
            origin = getattr(sys.modules[self.name], "__file__", None)
        else:
            try:
                found = find_spec(self.name)
            except (ImportError, ValueError) as error:
                return f"{self.file}: import failed: {say(error)}"
            origin = str(self.file) if found is None else found.origin
        if origin == str(self.file):
            return ""
        return f"{self.file}: its name hides the module {self.name!r}; rename the file"

    @property
    def place(self) -> str:
        """What it is remembered by beside its digest: the name, and the file that would be imported."""
        origin: object = self.file
        if self.file is None:
            with suppress(ImportError, ValueError, AttributeError):
                found = find_spec(self.module.partition(".")[0])
                origin = found and (found.origin or found.submodule_search_locations)
        return f"{self.name}|{self.value}|{origin}"


class Memory:
    """What was found before: by digest of code the fault, by place the digest and the times of the files."""

    def __init__(self, verdicts: dict[str, str], places: dict[str, tuple[str, Stamps]]) -> None:
        self.verdicts, self.places = verdicts, places
        self.changed = False

    @staticmethod
    def file() -> Path:
        """Where it is kept: one for each environment, since what a plugin imports differs."""
        from platformdirs import user_cache_path

        here = zlib.crc32(os.fsencode(f"{sys.version}|{sys.prefix}"))
        return user_cache_path("omicsbench", appauthor=False) / f"plugins-{here:08x}.json"

    @classmethod
    def read(cls) -> Memory:
        """What is remembered; nothing where the file is damaged or is not there."""
        try:
            found = json.loads(cls.file().read_bytes())
            verdicts = {str(digest): str(fault) for digest, fault in found["verdicts"].items()}
            places = {
                str(place): (str(digest), {str(path): [int(n) for n in stamp] for path, stamp in stamps.items()})
                for place, (digest, stamps) in found["places"].items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return cls({}, {})
        return cls(verdicts, places)

    def write(self) -> None:
        """Keep it, if there is anything new and a place to keep it."""
        if not self.changed:
            return
        places = dict(list(self.places.items())[-MOST:])
        used = {digest for digest, _ in places.values()}
        kept = {"verdicts": {d: fault for d, fault in self.verdicts.items() if d in used}, "places": places}
        with suppress(OSError):
            self.file().parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.file().parent, prefix=".", suffix=".tmp")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump(kept, stream)
                os.replace(temporary, self.file())
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def digest_if_untried(self, source: Source) -> str:
        """The digest of a plugin's code if it must be tried; nothing where it is known, or there is no code to try."""
        digest, stamps = self.places.get(source.place, ("", {}))
        if digest not in self.verdicts or stamps != _stamps(map(Path, stamps)):
            from omicsbench.digest import code_of

            try:
                code = code_of(source.module, source.module, source.file)
            except RequestError:
                return ""
            digest = code.digest
            self.places.pop(source.place, None)
            self.places[source.place] = digest, _stamps({*code.files, *(file.parent for file in code.files)})
            self.changed = True
        return "" if digest in self.verdicts else digest

    def fault(self, source: Source) -> str:
        """Why a plugin must not be imported; nothing if it may be."""
        fault = self.verdicts.get(self.places.get(source.place, ("", {}))[0], "")
        return f"{fault} (remembered until its code changes, or {self.file()} is deleted)" if fault else ""


def _stamps(files: Iterable[Path]) -> Stamps:
    """Time of change and size of files and folders that are there."""
    found: dict[str, Any] = {}
    for file in files:
        with suppress(OSError):
            state = file.stat()
            found[str(file)] = [state.st_mtime_ns, state.st_size]
    return found


def faults(sources: Sequence[Source]) -> dict[str, str]:
    """Name and reason of the plugins that must not be imported here: they end the process, or never come back.

    One that was not met before is tried out (``omicsbench.running.trial``); a known one costs a look at the times
    of its files.
    """
    memory = Memory.read()
    untried = {source: digest for source in sources if (digest := memory.digest_if_untried(source))}
    if untried:
        from omicsbench.running.trial import on_trial

        for source, fault in on_trial(untried):
            memory.verdicts[untried[source]] = fault
    memory.write()
    return {source.name: fault for source in sources if (fault := memory.fault(source))}
