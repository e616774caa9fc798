"""Keep of botocore's data what Leaver's clients read: it describes some four hundred services, and looks at each.

Of a service it describes every operation, in words for people too. Kept are those that Leaver, or botocore itself,
calls by name.
"""

import gzip
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

SERVICES: Final = frozenset({"dynamodb", "events", "kms", "s3", "secretsmanager", "sns", "sqs"})


def trim(data: Path, sources: Iterable[Path]) -> None:
    """Drop the other services and what no source names of these, and unpack what is read at every cold start."""
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
    for packed in data.rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    endpoints = data / "endpoints.json"
    endpoints.write_text(json.dumps(_trimmed(json.loads(endpoints.read_text()))))
    named = {_bare(word) for source in sources for word in re.findall(r"\w+", source.read_text())}
    for service in data.rglob("service-2.json"):
        service.write_text(json.dumps(_described(json.loads(service.read_text()), named)))


def _trimmed(endpoints: dict[str, Any]) -> dict[str, Any]:
    partitions = [
        partition | {"services": {name: it for name, it in partition["services"].items() if name in SERVICES}}
        for partition in endpoints["partitions"]
    ]
    return endpoints | {"partitions": partitions}


def _bare(name: str) -> str:
    """What `PutItem` and `put_item` have in common."""
    return name.replace("_", "").lower()


def _described(service: dict[str, Any], named: set[str]) -> dict[str, Any]:
    """The named operations, and the shapes that these are made of."""
    operations = {name: _without_words(it) for name, it in service["operations"].items() if _bare(name) in named}
    kept: dict[str, Any] = {}
    found = list(_shapes(operations))
    while found:
        name = found.pop()
        if name not in kept:
            kept[name] = _without_words(service["shapes"][name])
            found.extend(_shapes(kept[name]))
    return service | {"operations": operations, "shapes": kept}


def _shapes(described: Any) -> Iterator[str]:
    """The names of the shapes that a description refers to."""
    if isinstance(described, dict):
        if isinstance(described.get("shape"), str):
            yield described["shape"]
        for each in described.values():
            yield from _shapes(each)
    elif isinstance(described, list):
        for each in described:
            yield from _shapes(each)


def _without_words(described: Any) -> Any:
    if isinstance(described, dict):
        return {
            name: _without_words(each)
            for name, each in described.items()
            # A member may be called so, too.
            if name != "documentation" or not isinstance(each, str)
        }
    return [_without_words(each) for each in described] if isinstance(described, list) else described


if __name__ == "__main__":
    python = Path(sys.argv[1])
    botocore = python / "botocore"
    trim(botocore / "data", [*python.glob("leaver/**/*.py"), *botocore.glob("*.py"), *botocore.glob("retries/*.py")])
