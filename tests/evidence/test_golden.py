"""What was signed once verifies for ever: a folder that Leaver made on the day when it began to sign days."""

from pathlib import Path

from leaver_cli.evidence.offline import check_folder

GOLDEN = Path(__file__).parent / "golden"


def test_what_was_signed_once_still_verifies() -> None:
    verdict = check_folder(GOLDEN)
    assert (verdict.looked_at, verdict.findings) == ("2 cases, 4 days", [])
