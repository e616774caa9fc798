"""`leaver verify` on a folder, as `aws s3 sync` makes one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from leaver.evidence.log_proof import LogProof
from leaver_cli.main import app
from tests.doubles.office import Office
from tests.integration.test_cli_hostile_text import HOSTILE


@pytest.fixture(scope="module")
def office() -> Office:
    office = Office()
    for number in range(2):
        email = f"{number}@example.com"
        office.hire(email, f"Z-{number}", f"local:{{{number}}}", kept=False)
        office.hears_and_works(email=email)
    return office


@pytest.fixture
def folder(office: Office, tmp_path: Path) -> Path:
    for name, content in office.evidence.bucket.objects.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "key.pem").write_bytes(office.evidence.signer.pem)
    return tmp_path


def verify(folder: Path, *options: str) -> tuple[int, str]:
    asked = ["verify", str(folder), "--key", str(folder / "key.pem"), "--origin", "leaver-evidence/cases", *options]
    result = CliRunner().invoke(app, asked)
    return result.exit_code, result.output


def places(folder: Path) -> list[Path]:
    cases = (folder / "cases").iterdir()
    return sorted(cases, key=lambda each: LogProof.from_text((each / "envelope.tlog-proof").read_text()).index)


def test_what_nobody_changed_holds(folder: Path) -> None:
    kept = LogProof.from_text((places(folder)[1] / "envelope.tlog-proof").read_text()).checkpoint
    (folder / "kept.txt").write_text(kept)
    assert verify(folder, "--checkpoint", str(folder / "kept.txt")) == (0, "2 cases, 0 findings\n")


def test_what_is_wrong_is_named_with_its_case(folder: Path) -> None:
    place = places(folder)[0]
    (place / "bundle.json").unlink()
    status, said = verify(folder)
    assert (status, f"{place.name}: bundle: is not JSON" in said) == (1, True)


def test_a_missing_case_is_found_unless_these_are_some_of_them(folder: Path) -> None:
    gone = places(folder)[0]
    for each in gone.iterdir():
        each.unlink()
    gone.rmdir()
    assert verify(folder) == (1, "log: no case stands at place 0\n1 cases, 1 findings\n")
    assert verify(folder, "--sample") == (0, "1 cases, 0 findings\n")


def test_a_checkpoint_that_was_kept_tells_of_cases_that_were_cut_off(folder: Path) -> None:
    last = places(folder)[1]
    (folder / "kept.txt").write_text(LogProof.from_text((last / "envelope.tlog-proof").read_text()).checkpoint)
    for each in last.iterdir():
        each.unlink()
    last.rmdir()
    assert verify(folder) == (0, "1 cases, 0 findings\n")
    said = "log: 1 statements, and a checkpoint of 2\n1 cases, 1 findings\n"
    assert verify(folder, "--checkpoint", str(folder / "kept.txt")) == (1, said)


def test_what_is_no_key_and_what_is_no_evidence_is_told_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    (folder / "key.pem").write_text("none")
    status, said = verify(folder)
    assert (status, "is no public key" in said) == (2, True)
    assert verify(tmp_path / "elsewhere")[0] != 0


def test_hostile_text_in_evidence_commands_no_terminal(folder: Path) -> None:
    spoilt = folder / "cases" / HOSTILE.replace("/", "")
    places(folder)[0].rename(spoilt)
    for each in spoilt.iterdir():
        each.write_text(HOSTILE)
    status, said = verify(folder)
    assert (status, "[b]:x:" in said, "envelope: " in said) == (1, True, True)
    assert [each for each in said if not each.isprintable() and each != "\n"] == []
    assert not any(line.startswith("SEALED") for line in said.splitlines())
