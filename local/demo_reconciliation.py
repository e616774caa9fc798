"""Somebody whom HR never told of, found by comparing Acme's roster with who has something."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from leaver.reconcile.comparison import LEFT
from leaver.reconcile.record import Documents, Runs, result_name
from local import acme
from local.aws.template import REGION
from local.demo_rows import Before, Row
from local.world import World

BUCKET: Final = "acme-rosters"
#: what the deployment is told
PARAMETERS: Final = {"Roster": "csv", "RosterBucket": BUCKET}
#: HR's event was lost: he left, and is signed in
IVAN: Final = acme.Person("ivan@example.com", "iVanNIm1QgePTO8WbOqwIQ", "")


def plant(world: World, *, gone: Sequence[acme.Person] = (IVAN,)) -> None:
    """Let Ivan be signed in at Zoom, and put a roster into the bucket by which these people left."""
    world.zoom.add_user(IVAN.zoom_id, IVAN.email, account_id=acme.ZOOM_ACCOUNT)
    left = {each.email: "gone" for each in gone}
    people = [each.email for each in (*acme.PEOPLE, acme.BOUGHT_ADMIN, IVAN) if each is not acme.JOHN]
    lines = [f"# as_of={datetime.now(UTC).isoformat()} count={len(people)}", "email,status"]
    lines += [f"{each},{left.get(each, '')}" for each in people]
    make_bucket(world)
    put_roster(world, "\n".join(lines).encode())


def make_bucket(world: World) -> None:
    """Make the bucket in which the deployment looks for its roster."""
    world.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


def put_roster(world: World, body: bytes) -> None:
    """Lay a roster there, in place of the one before."""
    world.client("s3").put_object(Bucket=BUCKET, Key="roster.csv", Body=body)


def run(world: World) -> None:
    """Begin a run, as `leaver reconcile` does."""
    world.client("sqs").send_message(QueueUrl=world.queue_url("reconcile"), MessageBody="{}")


def result(world: World) -> dict[str, Any] | None:
    """What the last run found; None as long as none is done."""
    table = world.resource("Deliveries").ref
    dynamodb = world.client("dynamodb")
    state = Runs(dynamodb, table=table).read()
    if state is None or state.last is None:
        return None
    found: dict[str, Any] = Documents(dynamodb, table=table, clock=lambda: datetime.now(UTC)).read(
        result_name(state.last)
    )
    return found


def _forgotten(world: World, _: Before) -> str:
    found = result(world)
    if found is None:
        return "nobody looked"
    who = [row["who"] for row in found["lists"]["gone_and_alive"] if row["because"] == LEFT]
    stays = "signed in" if world.zoom.has_session(IVAN.email) else "no session"
    return "; ".join([*found["stopped"], ", ".join(who) or "nobody", stays])


def _call_him_employed(world: World) -> None:
    """Have the roster say that Ivan works here."""
    roster = world.client("s3").get_object(Bucket=BUCKET, Key="roster.csv")["Body"].read()
    put_roster(world, roster.replace(b"gone", b"here"))


FORGOTTEN: Final = Row(
    "forgotten",
    "who left, by the roster, and no event came",
    f"{IVAN.email}; signed in",
    "the result of reconcile, which ends nothing; Zoom",
    _forgotten,
    _call_him_employed,
)
