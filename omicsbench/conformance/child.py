"""The process that checks of a model run in: ``python -m omicsbench.conformance.child FD``.

The first line on its input is the task (paths, subject, facts), each further one the name of a check. What came of it
goes to file descriptor FD, one line of JSON a check; what the model prints goes elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any


def main(arguments: Sequence[str]) -> None:
    """Serve checks until the input ends."""
    task = json.loads(sys.stdin.readline())
    sys.path[:] = task["paths"]
    import msgspec

    from omicsbench.conformance.bench import Bench, Subject
    from omicsbench.conformance.catalogue import CHECKS

    subject = msgspec.convert(task["subject"], Subject)
    if subject.file is not None:
        sys.path.append(os.path.dirname(subject.file))
    bench = Bench(subject, task["facts"])
    with open(int(arguments[0]), "w", encoding="utf-8") as answers:
        for line in sys.stdin:
            answer = examine(CHECKS[line.strip()], bench)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def examine(check: Any, bench: Any) -> dict[str, Any]:
    """Status, reason and the facts that a check left behind."""
    from omicsbench.conformance.contract import Broken, NoHardware

    try:
        status, reason = "passed", check.run(bench)
    except Broken as broken:
        status, reason = "failed", str(broken)
    except NoHardware as missing:
        status, reason = "skipped", str(missing)
    except Exception as error:
        status, reason = "failed", _say(error, bench.subject.factory)
    return {"status": status, "reason": reason, "facts": bench.facts}


def _say(error: Exception, factory: str) -> str:
    """One line with the place in the plugin, or where it was raised if no line of the plugin was involved."""
    frames = traceback.extract_tb(error.__traceback__)
    home = getattr(sys.modules.get(factory.partition(":")[0]), "__file__", None)
    folder = os.path.dirname(home) if home else None
    within = [frame for frame in frames if folder and os.path.dirname(frame.filename) == folder]
    frame = (within or frames)[-1]
    said = f"raised {type(error).__name__}: {' '.join(str(error).split())}"
    return f"{said} ({os.path.basename(frame.filename)}, line {frame.lineno})"


if __name__ == "__main__":
    main(sys.argv[1:])
