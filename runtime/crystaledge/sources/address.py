"""Addresses of network cameras, and what of them may be shown: nothing that can be a credential."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

STREAM_SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})
_FILM_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def scheme_of(name: str) -> str | None:
    """What stands before `://`, in lower case; None where there is no such thing."""
    scheme, separator, _ = name.partition("://")
    return scheme.lower() if separator else None


def label_of(url: str) -> str:
    """`host:port` of an address, or its scheme alone where the host cannot be told from a password.

    User, path and query are left out: cameras take passwords and tokens in each of them. So are hosts of an address
    whose `@` comes after a slash, as in `rtsp://user:pass/word@host`, where no parser knows where the host begins.
    """
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    tail = rest[len(authority) :]
    if "@" in tail or _HOST.fullmatch(host) is None:
        return scheme.lower() if re.fullmatch(r"[A-Za-z]{1,8}", scheme) else "address"
    return host


def is_film(url: str) -> bool:
    """Whether a web address names a video file, which has an end, and not a camera."""
    _, slash, path = re.split(r"[?#]", url.partition("://")[2], maxsplit=1)[0].partition("/")
    web = url.lower().startswith("http")
    return web and bool(slash) and PurePosixPath(path).suffix.lower() in _FILM_SUFFIXES


def shown(name: str) -> str:
    """A name as it may stand in a message: an address by its label, a path as it is.

    What is neither for sure, an address with a letter missing for one, loses what comes before an `@` or after the
    first of `?&=`.
    """
    if "://" in name:
        return label_of(name)
    _, at, end = name.rpartition("@")
    kept = re.split(r"[?&=]", end, maxsplit=1)[0]
    return ("***" if at else "") + at + kept + ("***" if kept != end else "")
