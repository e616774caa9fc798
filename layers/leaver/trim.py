"""Keep of botocore's data what Leaver's clients read: it describes some four hundred services, and looks at each."""

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

SERVICES: Final = frozenset({"dynamodb", "events", "kms", "s3", "secretsmanager", "sns", "sqs"})


def trim(data: Path) -> None:
    """Drop the other services, and unpack what is read at every cold start."""
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
    for packed in data.rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    endpoints = data / "endpoints.json"
    endpoints.write_text(json.dumps(_trimmed(json.loads(endpoints.read_text()))))


def _trimmed(endpoints: dict[str, Any]) -> dict[str, Any]:
    partitions = [
        partition | {"services": {name: it for name, it in partition["services"].items() if name in SERVICES}}
        for partition in endpoints["partitions"]
    ]
    return endpoints | {"partitions": partitions}


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
