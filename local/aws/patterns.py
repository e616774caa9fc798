"""Event patterns as EventBridge reads them: into arrays of objects too, where moto does not look."""

import json
from functools import cache
from typing import Any

import jsonpath_ng.ext
from moto.events.models import EventPattern

from local.aws.template import Json

#: moto makes the parser itself anew for each path of each event that it delivers
_parse = cache(jsonpath_ng.ext.parse)  # type: ignore[attr-defined]


def matches(pattern: Json, event: Json) -> bool:
    """Return whether a rule with this pattern takes this event."""
    patch_moto()
    return EventPattern.load(json.dumps(pattern)).matches_event(event)


def patch_moto() -> None:
    """Make moto, which delivers to the targets of rules itself, read events as AWS does."""
    jsonpath_ng.ext.parse = _parse  # type: ignore[attr-defined]
    EventPattern._flatten_dict = staticmethod(_flatten)  # type: ignore[assignment,method-assign]  # noqa: SLF001 - there is no other way in


def _flatten(node: Any, prefix: str = "", found: dict[str, Any] | None = None) -> dict[str, Any]:
    """Every leaf under its dotted path; what the objects of an array have under one name, together in a list.

    AWS besides asks that what two fields of a pattern match lie in one object of the array; no rule of ours has two.
    """
    found = {} if found is None else found
    for name, value in node.items():
        path = f"{prefix}.{name}" if prefix else name
        objects = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
        if isinstance(value, dict) and value:
            _flatten(value, path, found)
        elif objects:
            for each in objects:
                for leaf, content in _flatten(each, path).items():
                    found.setdefault(leaf, []).extend(content if isinstance(content, list) else [content])
        else:
            found[path] = value
    return found
