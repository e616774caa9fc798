"""npm's `standardwebhooks` as a sender that is not ours: what it signs, the door takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from leaver.webhooks.sources import Answer
from tests.doubles.front_door import OTHER_STANDARD, SECRETS, FrontDoor
from tests.npm import installed

BODIES = ['{"type":"OffboardingRequested","data":{}}', '{"data":{"name":"Zoë 👋"}}', ""]


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the lock pins it, and the program that signs with it."""
    return installed(tmp_path_factory.mktemp("foreign"), "standardwebhooks") / "sign.mjs"


def signed(sender: Path, body: str, door: FrontDoor, secret: str) -> dict[str, str]:
    seconds = str(int(door.clock.now.timestamp()))
    node = shutil.which("node") or ""
    ran = subprocess.run([node, sender, secret, "msg_1", seconds], input=body.encode(), capture_output=True, check=True)  # noqa: S603
    return {"webhook-id": "msg_1", "webhook-timestamp": seconds, "webhook-signature": ran.stdout.decode()}


@pytest.mark.parametrize("body", BODIES)
def test_what_npms_sender_signs_is_taken(sender: Path, body: str) -> None:
    door = FrontDoor()
    headers = signed(sender, body, door, SECRETS["standard"])
    assert door.post("/standard/main", body.encode(), headers) == Answer(200)
    assert len(door.events.put) == 1


def test_what_it_signs_with_another_secret_or_for_another_body_is_not(sender: Path) -> None:
    door = FrontDoor()
    body = BODIES[0]
    foreign = signed(sender, body, door, OTHER_STANDARD)
    assert door.post("/standard/main", body.encode(), foreign) == Answer(401)
    assert door.post("/standard/main", b"{}", signed(sender, body, door, SECRETS["standard"])) == Answer(401)
    assert door.events.put == []
