"""Text that people give: names and purposes."""

from __future__ import annotations

import unicodedata

from crystaledge.errors import UsageError

_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of control characters, lone surrogates, and separators of lines and paragraphs."""


def one_line(text: str, *, what: str, longest: int) -> str:
    """The text in Unicode's normal form C, so that one name has one spelling.

    Args:
        what: what the text is, at the start of the message.
        longest: characters allowed.

    Raises:
        UsageError: it is empty, too long, padded with spaces, or no single line of text.
    """
    plain = unicodedata.normalize("NFC", text)
    bad = not plain or plain != plain.strip() or any(unicodedata.category(c) in _REFUSED for c in plain)
    if bad or len(plain) > longest:
        msg = f"{what} {plain[:40]!r} is refused; expected one line of 1 to {longest} characters, no spaces around it."
        raise UsageError(msg)
    return plain
