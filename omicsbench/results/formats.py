"""Numbers and times as people read them, and text from records where it must be nothing but text."""

from __future__ import annotations

import html
import re

import numpy as np

_STRUCTURE = re.compile(r"[&<>|`*~\\$]|\](?=[(\[:])|!(?=\[)|(?<!\w)_|_(?!\w)|(?<=[A-Za-z]):(?=//)|(?<=www)\.|@(?=\w)")
"""What GitHub makes something of: HTML, tables, code, emphasis, mathematics, links and addresses."""


def markdown_text(text: str) -> str:
    """Text as one line of Markdown in which nothing is structure: entities stand for characters, never for marks."""
    return _STRUCTURE.sub(lambda mark: f"&#{ord(mark[0])};", " ".join(text.split()))


def markdown_item(text: str) -> str:
    """An item of a list, whose text may begin like a heading, a list or a rule."""
    line = markdown_text(text)
    return f"- {line}" if line[:1].isalpha() or line[:1] == "&" else f"- &#{ord(line[0])};{line[1:]}" if line else "-"


def plot_text(text: str) -> str:
    """Text as plotly shows it: it knows some HTML and fills in what stands in %{}."""
    return html.escape(text, quote=False).replace("%{", "%&#123;")


def csv_text(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") and text != "-" else text


def number(value: float | None, digits: int = 3) -> str:
    """A number in significant digits; a word for what is none."""
    if value is None or np.isnan(value):
        return "–"
    if np.isinf(value):
        return "failed"
    return f"{value:.{digits}g}"


def skill(value: float | None) -> str:
    """A skill, to two decimals; of a very bad one its size is enough."""
    if value is None or not np.isfinite(value):
        return number(value)
    return f"{value:.2f}".replace("-0.00", "0.00") if abs(value) < 100 else f"{value:.2g}"


def interval(low_high: tuple[float, float]) -> str:
    """Of a skill, from low to high."""
    low, high = low_high
    return f"{skill(low)} to {skill(high)}" if np.isfinite(low_high).any() else "–"


def seconds(value: float | None) -> str:
    """A time in the unit that fits."""
    if value is None or not np.isfinite(value):
        return "–"
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (np.inf, 1.0, "s")):
        if value < limit:
            return f"{value * factor:.3g} {unit}"
    raise AssertionError


def percent(value: float | None) -> str:
    """A share in whole per cent; "<1 %" for one that is small but not none."""
    if value is None or not np.isfinite(value):
        return "–"
    return "<1 %" if 0 < value < 0.01 else f"{100 * value:.0f} %"
