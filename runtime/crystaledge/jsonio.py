"""Frozen dataclasses to JSON and back, strictly: unknown keys, wrong types and bad values are refused.

One codec for the manifest and for every configuration file, driven by the annotations of the
dataclasses themselves, so that a field is declared once. Supported annotations: `bool`, `int`,
`float`, `str`, enums, dataclasses, `tuple[X, ...]`, `tuple[X, Y]`, `X | None`, `int | str`, unions of
dataclasses that share no set of keys, and `Annotated[X, Pattern | Bounds]`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import reprlib
import types
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from crystaledge.errors import InputError, ManifestError

T = TypeVar("T")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


@dataclass(frozen=True, slots=True)
class Pattern:
    """The whole string must match `regex`; `says` tells a person what that means."""

    regex: str
    says: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number must lie in [low, high]."""

    low: float
    high: float = math.inf


def encode(value: object) -> Any:
    """A dataclass tree as JSON values; enums by value, tuples as lists, `None` fields kept."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    if isinstance(value, dict):
        return {k: encode(v) for k, v in value.items()}
    return value


def dumps(value: object) -> str:
    """Readable, reproducible JSON text of a dataclass tree; refuses NaN and infinities."""
    return json.dumps(encode(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def loads(kind: type[T], text: str | bytes, *, where: str, error: type[InputError] = ManifestError) -> T:
    """Parse JSON text into a dataclass.

    Args:
        kind: the dataclass.
        where: name of the file, for messages.
        error: class of the error to raise.

    Raises:
        error: no JSON, or anything that the annotations of `kind` do not allow.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        msg = f"{where} is not valid JSON: {problem}."
        raise error(msg) from problem
    return decode(kind, value, where=where, error=error)


def refuse_unknown_version(
    text: str | bytes, version: int, *, where: str, error: type[InputError] = ManifestError
) -> None:
    """Raise `error` where JSON text names another `schema_version`.

    Asked before anything else: another version may have other keys, and their names would only
    confuse. Text that is no JSON object, or names no version, is left to `loads`.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    named = found.get("schema_version", version) if isinstance(found, dict) else version
    if named != version or isinstance(named, bool):
        msg = (
            f"{where} has schema version {_SHORT.repr(named)}; this package reads version {version}. "
            "Make it again, or update crystaledge."
        )
        raise error(msg)


def decode(kind: type[T], value: object, *, where: str, error: type[InputError] = ManifestError) -> T:
    """Turn parsed JSON into a dataclass; see `loads`."""
    return cast(T, _decode(kind, value, where, error))


def _decode(kind: Any, value: Any, where: str, error: type[InputError]) -> Any:
    if get_origin(kind) is Annotated:
        inner, *rules = get_args(kind)
        decoded = _decode(inner, value, where, error)
        for rule in rules:
            _check(rule, decoded, where, error)
        return decoded
    if get_origin(kind) in (Union, types.UnionType):
        return _decode_union(get_args(kind), value, where, error)
    if get_origin(kind) is tuple:
        return _decode_tuple(get_args(kind), value, where, error)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, value, where, error)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _decode_enum(kind, value, where, error)
    return _decode_scalar(kind, value, where, error)


def _decode_scalar(kind: Any, value: Any, where: str, error: type[InputError]) -> Any:
    if kind is float:
        number = _finite(value)
        if number is not None:
            return number
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise error(
        _mismatch(where, value, {int: "an integer", float: "a number", str: "a string"}.get(kind, kind.__name__))
    )


def _finite(value: Any) -> float | None:
    """A number as a float; None where it is none, or where no float can hold it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _decode_enum(kind: type[Enum], value: Any, where: str, error: type[InputError]) -> Enum:
    for member in kind:
        if member.value == value and type(member.value) is type(value):
            return member
    raise error(_mismatch(where, value, "one of " + ", ".join(repr(m.value) for m in kind)))


def _decode_union(options: tuple[Any, ...], value: Any, where: str, error: type[InputError]) -> Any:
    if value is None and type(None) in options:
        return None
    rest = [o for o in options if o is not type(None)]
    if len(rest) == 1:
        return _decode(rest[0], value, where, error)
    if isinstance(value, dict) and all(dataclasses.is_dataclass(option) for option in rest):
        return _decode(_best_match(rest, value), value, where, error)
    for option in rest:
        if isinstance(option, type) and type(value) is option:
            return value
    raise error(_mismatch(where, value, " or ".join(o.__name__ for o in rest)))


def _best_match(options: list[Any], value: dict[str, Any]) -> Any:
    """The dataclass that an object means: the one with the most of its keys, whose rules then apply."""
    return max(options, key=lambda option: len({f.name for f in dataclasses.fields(option)} & set(value)))


def _decode_tuple(items: tuple[Any, ...], value: Any, where: str, error: type[InputError]) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise error(_mismatch(where, value, "a list"))
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(items) != len(value):
        raise error(_mismatch(where, value, f"a list of {len(items)} items"))
    return tuple(_decode(k, v, f"{where}[{i}]", error) for i, (k, v) in enumerate(zip(items, value, strict=True)))


def _decode_dataclass(kind: type, value: Any, where: str, error: type[InputError]) -> Any:
    if not isinstance(value, dict):
        raise error(_mismatch(where, value, "an object"))
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(value) - set(fields))
    if unknown:
        msg = f"{where} has the unknown key {unknown[0]!r}; known keys are {', '.join(fields)}."
        raise error(msg)
    missing = [n for n, f in fields.items() if n not in value and is_required(f)]
    if missing:
        msg = f"{where} lacks the key {missing[0]!r}; add it or export the bundle again."
        raise error(msg)
    hints = get_type_hints(kind, include_extras=True)
    arguments = {n: _decode(hints[n], v, f"{where}.{n}", error) for n, v in value.items()}
    try:
        return kind(**arguments)
    except InputError as problem:
        msg = f"{where}: {problem}"
        raise error(msg) from problem


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether a JSON object must carry this field."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _check(rule: object, value: Any, where: str, error: type[InputError]) -> None:
    if isinstance(rule, Pattern) and not re.fullmatch(rule.regex, value):
        raise error(_mismatch(where, value, rule.says))
    if isinstance(rule, Bounds) and not rule.low <= value <= rule.high:
        upper = "" if math.isinf(rule.high) else f" and at most {rule.high:g}"
        raise error(_mismatch(where, value, f"a number of at least {rule.low:g}{upper}"))


def _mismatch(where: str, value: object, expected: str) -> str:
    shown = _SHORT.repr(value)  # bounded in depth as well: hostile nesting must not exhaust the stack
    return f"{where} is {shown if len(shown) <= 60 else shown[:57] + '...'}; expected {expected}."


def _refuse_constant(name: str) -> float:
    msg = f"{name} is not a JSON number"
    raise ValueError(msg)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "an object names the same key twice"
        raise ValueError(msg)
    return found
