"""Whatever a leaver's case came to is signed and locked by the time that it is announced."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from typer.testing import CliRunner

from leaver.evidence.dsse import Envelope
from leaver.evidence.log_proof import LogProof
from leaver.evidence.merkle import leaf_hash
from leaver_cli.main import app
from tests.e2e.test_offboarding import requested
from tests.e2e.test_rare_ways import cases_of, people_of
from tests.e2e.watched_world import WatchedWorld


def stored(world: WatchedWorld, case_id: str, name: str) -> Any:
    bucket = world.resource("EvidenceBucket").ref
    return world.client("s3").get_object(Bucket=bucket, Key=f"cases/{case_id}/{name}")


def test_a_completed_case_is_signed_and_locked_and_names_nobody(world: WatchedWorld) -> None:
    leaver = world.hire()
    world.put_hr_event("OffboardingRequested", requested(leaver))
    world.wait_until_idle()
    [case] = [each for each in world.cases() if each["email"] == leaver.email]
    bundle = stored(world, case["case_id"], "bundle.json")
    assert bundle["ObjectLockMode"] == "GOVERNANCE"
    content = bundle["Body"].read()
    assert leaver.email.encode() not in content
    assert leaver.zoom_id.encode() not in content
    envelope = Envelope.from_json(stored(world, case["case_id"], "envelope.json")["Body"].read())
    key = world.client("kms").get_public_key(KeyId=world.resource("EvidenceKey").ref)["PublicKey"]
    public = load_der_public_key(key)
    assert isinstance(public, EllipticCurvePublicKey)
    public.verify(envelope.signature, envelope.signed, ECDSA(SHA256()))
    said = json.loads(envelope.payload)
    assert said["subject"][0]["digest"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert (said["predicate"]["caseId"], said["predicate"]["caseState"]) == (case["case_id"], "completed")
    assert case["evidence"]["statement"] == hashlib.sha256(envelope.payload).hexdigest()
    proof = LogProof.from_text(stored(world, case["case_id"], "envelope.tlog-proof")["Body"].read().decode())
    leaf = next(each for each in world._kept() if each["entry"] == f"leaf#{proof.index:012d}")
    assert (leaf["case_id"], leaf["hash"]) == (case["case_id"], leaf_hash(envelope.payload).hex())


def test_what_was_heard_yesterday_is_signed_and_logged_too(world: WatchedWorld) -> None:
    world.send("seal_case", {"days": "over"})
    world.wait_until_idle()
    bucket = world.resource("EvidenceBucket").ref
    kept = world.client("s3").list_objects_v2(Bucket=bucket, Prefix="days/")["Contents"]
    assert sorted(each["Key"].split("/")[2] for each in kept) == ["bundle.json", "envelope.json", "envelope.tlog-proof"]
    day = kept[0]["Key"].split("/")[1]
    said = world.client("s3").get_object(Bucket=bucket, Key=f"days/{day}/bundle.json")["Body"].read()
    assert json.loads(said) == {"day": day, "heard": [], "version": "leaver.population.v1"}
    assert any(each.get("case_id") == day for each in world._kept() if each["entry"].startswith("leaf#"))


def test_an_auditor_s_folder_of_the_deployment_holds_and_a_changed_one_does_not(
    world: WatchedWorld, tmp_path: Path
) -> None:
    leaver = world.hire()
    world.put_hr_event("OffboardingRequested", requested(leaver))
    world.send("seal_case", {"days": "over"})
    world.wait_until_idle()
    out = tmp_path / "audit"
    written = CliRunner().invoke(app, ["evidence", "--since", "2020-01-01", "--out", str(out)], env=world.environment())
    assert written.exit_code == 0, written.output
    assert "1 days, 0 findings" in written.output
    [names] = [each for each in out.glob("cases/*/names.json") if leaver.email in each.read_text()]
    shown = (names.parent / "index.html").read_text()
    assert leaver.zoom_id in shown
    assert "PurgeUserTokens" in shown
    assert leaver.email in (out / "people.csv").read_text()
    command = [sys.executable, "-I", str(out / "verify.py"), str(out), "--key", str(out / "key.pem")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603 - our own file
    (names.parent / "bundle.json").write_text("{}")
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1  # noqa: S603 - our own file


def test_whoever_is_erased_is_in_no_item_of_the_cases_and_what_refused_refuses(
    world: WatchedWorld, tmp_path: Path
) -> None:
    leaver = world.hire()
    world.put_hr_event("OffboardingRequested", requested(leaver))
    world.wait_until_idle()
    [told] = [each for each in world.cases() if each["email"] == leaver.email]
    cases, people = cases_of(world), people_of(world)
    going = CliRunner().invoke(app, ["erase", leaver.email, "--yes"], env=world.environment())
    assert going.exit_code == 1
    assert f"nothing is erased: {told['case_id']} is completed" in going.output
    # A day later nobody looks at it any more.
    cases.change(cases.require(told["case_id"]), lambda standing: standing.with_look_at(None))
    ran = CliRunner().invoke(app, ["erase", leaver.email], input="y\n", env=world.environment())
    assert ran.exit_code == 0, ran.output
    assert "Nobody can take it back. Erase whom these are about" in ran.output
    assert "point-in-time recovery of the tables" in ran.output
    # What was kept of user tokens goes by Zoom's own id, as the command says.
    kept = json.dumps([each for each in world._kept() if not each["partition"].startswith("user-token#")], default=str)
    assert leaver.email not in kept
    assert leaver.zoom_id not in kept
    assert people.gone([leaver.email])
    again = CliRunner().invoke(app, ["erase", leaver.email, "--json"], env=world.environment())
    assert (again.exit_code, json.loads(again.output)["erased"]) == (0, [])
    out = tmp_path / "audit"
    shown = CliRunner().invoke(app, ["evidence", told["case_id"], "--out", str(out)], env=world.environment())
    assert shown.exit_code == 0, shown.output
    assert f"{told['case_id']}: erased" in shown.output
    assert not any(leaver.email in each.read_text() for each in out.rglob("*") if each.is_file())
