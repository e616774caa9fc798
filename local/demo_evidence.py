"""Have the demo's evidence checked when its world is gone: by `leaver verify`, by verify.py alone, and by openssl."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from leaver.evidence.dsse import Envelope
from local.world import World

#: what BREAK calls it
NAME: Final = "evidence"
_LEAVER: Final = (sys.executable, "-m", "leaver_cli.main")


class Check(NamedTuple):
    """What one program says of the evidence, and whether that is that all of it holds."""

    by: str
    said: str
    holds: bool


def hand_over(world: World, folder: Path) -> Check:
    """Do what is done for an auditor: evidence by `leaver evidence`, and the public key by another way, from KMS."""
    key = world.client("kms").get_public_key(KeyId=world.resource("EvidenceKey").ref)["PublicKey"]
    pem = load_der_public_key(key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _key_of(folder).write_bytes(pem)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    command = [*_LEAVER, "evidence", "--since", f"{yesterday:%Y-%m-%d}", "--out", str(_handed(folder))]
    return _check("leaver evidence", command, env={**os.environ, **world.environment()})


def forge(folder: Path) -> None:
    """Make each case of the folder end a year later than it did."""
    for each in _handed(folder).glob("cases/*/bundle.json"):
        bundle = json.loads(each.read_bytes())
        bundle["case"]["finished_at"] = bundle["case"]["finished_at"].replace("20", "21", 1)
        each.write_text(json.dumps(bundle))


def checks(folder: Path) -> Iterator[Check]:
    """Have each program check it."""
    if not _handed(folder).is_dir():
        yield Check("leaver evidence", "nothing was signed", holds=False)
        return
    asked = [str(_handed(folder)), "--key", str(_key_of(folder))]
    yield _check("leaver verify", [*_LEAVER, "verify", *asked])
    yield _check("verify.py alone", [sys.executable, "-I", str(_handed(folder) / "verify.py"), *asked])
    if openssl := shutil.which("openssl"):
        for each in sorted(_handed(folder).glob("cases/*/envelope.json")):
            yield _by_openssl(openssl, each, folder)


def _by_openssl(openssl: str, envelope: Path, folder: Path) -> Check:
    read = Envelope.from_json(envelope.read_bytes())
    signed, signature = folder / "signed", folder / "signature"
    signed.write_bytes(read.signed)
    signature.write_bytes(read.signature)
    command = [openssl, "dgst", "-sha256", "-verify", str(_key_of(folder)), "-signature", str(signature), str(signed)]
    return _check(f"openssl, the signature of {envelope.parent.name}", command)


def _check(by: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Check:
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=env)  # noqa: S603 - what is named above
    # Its last line sums it up.
    return Check(by, (ran.stdout or ran.stderr).strip().rpartition("\n")[2], ran.returncode == 0)


def _handed(folder: Path) -> Path:
    return folder / "auditor"


def _key_of(folder: Path) -> Path:
    return folder / "key.pem"
