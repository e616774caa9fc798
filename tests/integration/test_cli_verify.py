"""`leaver verify` on a folder, as `aws s3 sync` makes one."""

import ast
import hashlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leaver.evidence.log_proof import LogProof
from leaver_cli.evidence import standalone
from leaver_cli.evidence.standalone import MODULES, verify_py
from leaver_cli.main import app
from tests.contract.stack import ROOT
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


def keep_checkpoint(folder: Path) -> list[str]:
    """Keep the checkpoint of both cases; returns the option that names it."""
    proof = LogProof.from_text((places(folder)[1] / "envelope.tlog-proof").read_text())
    (folder / "kept.txt").write_text(proof.checkpoint)
    return ["--checkpoint", str(folder / "kept.txt")]


def test_what_nobody_changed_holds(folder: Path) -> None:
    assert verify(folder, *keep_checkpoint(folder)) == (0, "2 cases, 0 findings\n")


def test_a_key_that_came_with_the_evidence_is_named_to_be_held_against_another(folder: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(folder), "--origin", "leaver-evidence/cases"])
    digest = hashlib.sha256((folder / "key.pem").read_bytes()).hexdigest()
    assert f"key.pem is the folder's own, with the SHA-256 {digest}" in result.output
    (folder / "key.pem").unlink()
    assert CliRunner().invoke(app, ["verify", str(folder), "--origin", "leaver-evidence/cases"]).exit_code == 2


def test_a_folder_with_a_checkpoint_names_its_log(folder: Path) -> None:
    assert "name the log with --origin" in CliRunner().invoke(app, ["verify", str(folder)]).output.replace("\n", " ")
    checkpoint = LogProof.from_text((places(folder)[1] / "envelope.tlog-proof").read_text()).checkpoint
    for name in ("checkpoint.txt", "kept.txt"):
        (folder / name).write_text(checkpoint)
    assert CliRunner().invoke(app, ["verify", str(folder)]).exit_code == 0
    trusted = ["--key", str(folder / "key.pem"), "--checkpoint", str(folder / "kept.txt")]
    assert CliRunner().invoke(app, ["verify", str(folder), *trusted]).output == "2 cases, 0 findings\n"
    (folder / "checkpoint.txt").write_bytes(checkpoint.encode() + b"\xff\n")
    assert "log: a checkpoint: " in CliRunner().invoke(app, ["verify", str(folder)]).output


def test_a_folder_may_hold_a_part_of_the_log_without_a_gap(office: Office, folder: Path) -> None:
    leaves = [each.hex() for each in office.evidence.log.hashes]
    (folder / "leaves.txt").write_text("\n".join(leaves))
    first = places(folder)[0]
    for each in first.iterdir():
        each.unlink()
    first.rmdir()
    part = "places 1 to 1 of a log of 2, and no day: nothing is said of any other time\n"
    assert verify(folder) == (0, f"{part}1 cases, 0 findings\n")
    (folder / "leaves.txt").write_text("\n".join(leaves[::-1]))
    said = ("log: another statement stands at place 1", "log: the first 2 statements are not those of a checkpoint")
    both = "\n".join([*said, "1 cases, 2 findings\n"])
    assert (verify(folder), verify(folder, "--sample")) == ((1, f"{part}{both}"), (1, both))
    (folder / "leaves.txt").write_text("none")
    assert verify(folder)[0] == 2


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
    assert verify(folder) == (1, "log: no statement stands at place 0\n1 cases, 1 findings\n")
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
    (folder / "verify.py").write_text(verify_py())
    command = [sys.executable, "-I", str(folder / "verify.py"), str(folder), "--origin", "leaver-evidence/cases"]
    alone = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - our own file
    assert [each for each in alone if not each.isprintable() and each != "\n"] == []


def test_one_file_finds_the_same_with_nothing_of_ours(folder: Path) -> None:
    alone = folder / "verify.py"
    page = (ROOT / "docs" / "evidence.md").read_text()
    [shown] = re.findall(r"^python -c .* > verify.py$", page, re.MULTILINE)
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(["/bin/bash", "-c", shown], cwd=folder, env=path, check=True)  # noqa: S603 - a page of our own
    assert alone.read_text() == verify_py()
    imported = {
        (each.module if isinstance(each, ast.ImportFrom) else each.names[0].name).partition(".")[0]  # type: ignore[union-attr] # no relative ones
        for each in ast.walk(ast.parse(alone.read_text()))
        if isinstance(each, ast.Import | ast.ImportFrom)
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}
    key = ["--key", str(folder / "key.pem"), "--origin", "leaver-evidence/cases"]
    kept = keep_checkpoint(folder)
    for _ in range(2):
        command = [sys.executable, "-I", str(alone), str(folder), *key, *kept]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own file
        assert (ran.returncode, ran.stdout) == verify(folder, *kept)
        (places(folder)[0] / "bundle.json").write_text("{}")


def test_the_file_is_what_leaver_verify_runs_byte_by_byte() -> None:
    joined = verify_py()
    for module in MODULES:
        own = [each for each in vars(module).values() if getattr(each, "__module__", None) == module.__name__]
        assert own
        assert all(inspect.getsource(each) in joined for each in own)


def test_a_name_that_two_modules_give_is_told_before_it_hides_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standalone, "MODULES", (*MODULES, MODULES[0]))
    with pytest.raises(ValueError, match=r"two modules define .*canonical"):
        verify_py()
