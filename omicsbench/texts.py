"""Text from strangers, made fit for a record: valid UTF-8, printable, of bounded length."""

from __future__ import annotations

from typing import Any

LONGEST_LINE = 2000
LONGEST_NAME = 200
LONGEST_TEXT = 20_000


def plain(text: str, limit: int = LONGEST_TEXT) -> str:
    """The end of a text, with what UTF-8 or a terminal cannot show written out, as in ``\\udce9``."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text[-limit:])
    return shown[-limit:]


def one_line(text: str, limit: int = LONGEST_LINE) -> str:
    """The beginning of a text as one printable line."""
    return plain(" ".join(text[: 2 * limit].split()))[:limit]


def type_of(error: BaseException) -> str:
    """The name of an exception's class, which may be a plugin's, as a short line."""
    return one_line(str(type(error).__name__), LONGEST_NAME)


def message_of(error: BaseException) -> str:
    """The message of an exception as one line; its class may be a plugin's, and its text may fail too."""
    try:
        return one_line(str(error))
    except BaseException as worse:
        return f"(its text cannot be had: {type(worse).__name__})"


def say(error: BaseException) -> str:
    """Type and message of an exception as one line."""
    name, text = type_of(error), message_of(error)
    return f"{name}: {text}" if text else name


def plain_values(value: Any) -> Any:
    """JSON values with every text in them plain; tuples become lists."""
    if isinstance(value, str):
        return plain(value, len(value))
    if isinstance(value, dict):
        return {plain_values(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return value
