"""Derives the published JSON Schema from the manifest's dataclasses, so that the two cannot drift.

`python -m crystaledge.manifest.json_schema` prints it; the copy beside this file is what is published.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import types
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from crystaledge.jsonio import Bounds, Pattern, encode, is_required
from crystaledge.manifest.model import Manifest

_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}


def manifest_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of manifest.json."""
    definitions: dict[str, Any] = {}
    root = _schema(Manifest, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "CrystalEdge bundle manifest",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        merged = _schema(arguments[0], definitions)
        for rule in arguments[1:]:
            merged = {**merged, **_rule(rule)}
        return merged
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(option, definitions) for option in arguments]}
    if origin is tuple:
        return _array(arguments, definitions)
    if kind is type(None):
        return {"type": "null"}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        definitions.setdefault(kind.__name__, {})
        definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return {"type": _SCALARS[kind]}


def _array(items: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    if len(items) == 2 and items[1] is Ellipsis:
        return {"type": "array", "items": _schema(items[0], definitions)}
    schemas = [_schema(item, definitions) for item in items]
    return {"type": "array", "prefixItems": schemas, "minItems": len(items), "maxItems": len(items)}


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    properties: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        properties[field.name] = _schema(hints[field.name], definitions)
        if field.default is not dataclasses.MISSING:
            properties[field.name] = {**properties[field.name], "default": encode(field.default)}
    required = [f.name for f in dataclasses.fields(kind) if is_required(f)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _rule(rule: object) -> dict[str, Any]:
    if isinstance(rule, Pattern):
        return {"pattern": f"^(?:{rule.regex})$", "description": rule.says}
    if isinstance(rule, Bounds):
        return {"minimum": rule.low} | ({} if math.isinf(rule.high) else {"maximum": rule.high})
    return {}


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(manifest_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
