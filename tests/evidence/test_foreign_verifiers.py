"""Verifiers that nobody here wrote take our envelopes and checkpoints, and refuse the changed ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from in_toto_attestation.v1.statement import Statement as InTotoStatement
from in_toto_attestation.v1.statement_pb2 import Statement as InTotoMessage
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # it says by no __all__ what it exports

from leaver.evidence.dsse import IN_TOTO, Envelope
from leaver.evidence.note import Checkpoint, signed_note
from tests.evidence.conftest import Key
from tests.evidence.test_checkpoints import CHECKPOINT, ORIGIN
from tests.evidence.test_envelopes import STATEMENT, enclosed
from tests.npm import installed

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
CHANGED = STATEMENT.to_json().replace(b'"completed"', b'"cancelled"')


def theirs(envelope: Envelope) -> TheirEnvelope:
    return TheirEnvelope.from_dict(json.loads(envelope.to_json()))


def changed(envelope: Envelope) -> Envelope:
    return Envelope(IN_TOTO, CHANGED, envelope.signature, envelope.key_id)


def test_securesystemslib_takes_the_envelope(key: Key) -> None:
    envelope = enclosed(key)
    public = SSlibKey.from_crypto(key.private.public_key(), keyid=envelope.key_id)
    assert theirs(envelope).verify([public], 1).keys() == {envelope.key_id}
    assert theirs(envelope).pae() == envelope.signed


def test_securesystemslib_refuses_a_changed_payload_another_type_and_another_key(key: Key, other_key: Key) -> None:
    envelope = enclosed(key)
    public = SSlibKey.from_crypto(key.private.public_key(), keyid=envelope.key_id)
    other = SSlibKey.from_crypto(other_key.private.public_key(), keyid=envelope.key_id)
    retyped = Envelope("text/plain", envelope.payload, envelope.signature, envelope.key_id)
    for forged, trusted in ((changed(envelope), public), (retyped, public), (envelope, other)):
        with pytest.raises(VerificationError):
            theirs(forged).verify([trusted], 1)


def test_in_totos_own_library_reads_the_statement() -> None:
    read = Parse(STATEMENT.to_json(), InTotoMessage())
    InTotoStatement.copy_from_pb(read).validate()
    assert read.subject[0].digest["sha256"] == STATEMENT.sha256
    assert read.predicate["state"] == "completed"


def test_openssl_takes_the_signature_and_refuses_a_changed_payload(key: Key, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl")
    envelope = enclosed(key)
    (tmp_path / "key.pem").write_bytes(key.pem)
    (tmp_path / "signature").write_bytes(envelope.signature)
    verify = [openssl, "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"]

    def says(signed: bytes) -> str:
        return subprocess.run(verify, cwd=tmp_path, input=signed, capture_output=True, check=False).stdout.decode()  # noqa: S603 - openssl

    assert says(envelope.signed) == "Verified OK\n"
    assert says(changed(envelope).signed) == "Verification failure\n"


def test_what_the_page_shows_an_auditor_verifies_and_refuses_another_envelope(key: Key, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    page = PAGE.read_text(encoding="utf-8")
    [take] = re.findall(r"```sh\n(aws kms get-public-key.*?)```", page, re.DOTALL)
    blocks = re.findall(r"```sh\n(python3 - envelope\.json.*?)```", page, re.DOTALL)
    (tmp_path / "bundle.json").write_bytes(b"{}")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    run = partial(subprocess.run, cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=False)

    # As KMS answers the AWS CLI: DER, in Base64.
    (tmp_path / "answer").write_text("".join(key.pem.decode().splitlines()[1:-1]))
    run(["bash", "-c", f"aws() {{ cat answer; }}\n{take}"])
    assert (tmp_path / "key.pem").read_bytes() == key.pem

    def said(envelope: Envelope) -> list[str]:
        (tmp_path / "envelope.json").write_bytes(envelope.to_json())
        return [run(["bash", "-c", block]).stdout for block in blocks]

    by_openssl, by_securesystemslib = said(enclosed(key))
    assert "Verified OK" in by_openssl
    assert by_securesystemslib == "signed with key.pem\n"
    by_openssl, by_securesystemslib = said(changed(enclosed(key)))
    assert "Verification failure" in by_openssl
    assert by_securesystemslib == ""


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """npm's packages as the lock pins them, and the program that verifies with them."""
    return installed(tmp_path_factory.mktemp("foreign"), "@sigstore packages") / "verify.mjs"


def said(verifier: Path, key: Key, envelope: Envelope, note: str) -> Any:
    asked = {"publicKey": key.pem.decode(), "origin": ORIGIN, "envelope": json.loads(envelope.to_json()), "note": note}
    node = shutil.which("node") or ""
    ran = subprocess.run([node, verifier], input=json.dumps(asked).encode(), capture_output=True, check=True)  # noqa: S603
    return json.loads(ran.stdout)


def test_npms_sigstore_takes_envelope_and_checkpoint(verifier: Path, key: Key) -> None:
    text = CHECKPOINT.to_text()
    note = signed_note(text, key.sign(text.encode()), name=ORIGIN, public_key=key.public)
    assert said(verifier, key, enclosed(key), note) == {"isSigned": True, "size": 5}


def test_npms_sigstore_refuses_a_changed_envelope_and_a_changed_checkpoint(verifier: Path, key: Key) -> None:
    signature = key.sign(CHECKPOINT.to_text().encode())
    larger = Checkpoint(ORIGIN, 6, CHECKPOINT.root).to_text()
    note = signed_note(larger, signature, name=ORIGIN, public_key=key.public)
    assert said(verifier, key, changed(enclosed(key)), note) == {"isSigned": False, "size": None}
