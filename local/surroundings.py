"""What is around Leaver in an account: somebody signed in, topics that people subscribe to, and a trail."""

from moto.sts.models import sts_backends

from local import acme
from local.aws.template import ACCOUNT, REGION, STACK
from local.simulators.provider import CANARY
from local.simulators.venafi_state import Role
from local.world import PEOPLE, World

#: where alarms ring
ON_CALL = f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-on-call"
#: who may log in to Venafi, and has not yet
ROBOT = "local:{00000000-aaaa-4aaa-8aaa-000000000009}"
PASSWORD = f"{CANARY}password-of-robot"
#: of a stack among all that: every function is there to be played with, and somebody hears of everything
PARAMETERS = {"DeactivateUsers": "true", "NotifyTopicArn": PEOPLE, "AlarmTopicArn": ON_CALL}


def surround(world: World) -> None:
    """Sign an operator in, let people subscribe, and write down what is done in the account."""
    # moto knows nobody by the world's own credentials, which are no key of AWS's.
    sts_backends[ACCOUNT]["aws"].get_caller_identity = _operator  # type: ignore[method-assign]
    sns = world.client("sns")
    sns.create_topic(Name=ON_CALL.rpartition(":")[2])
    for topic in (PEOPLE, ON_CALL):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="on-call@example.com")
    bucket = f"{STACK}-trail-{ACCOUNT}"
    world.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    trail = world.client("cloudtrail")
    trail.create_trail(Name="management-events", S3BucketName=bucket, IsMultiRegionTrail=True)
    trail.start_logging(Name="management-events")


def offer_connections(world: World) -> str:
    """Register apps and a robot that nobody has connected yet; returns how each is connected."""
    for app in ("app-of-the-server", "app-with-consent"):
        world.zoom.add_app(
            app,
            acme.zoom_secret(app),
            account_id=acme.ZOOM_ACCOUNT,
            scopes=acme.ALL_SCOPES,
            server_to_server=app == "app-of-the-server",
        )
    world.venafi.add_identity(ROBOT, "robot", role=Role.GRANT_ADMIN, password=PASSWORD)
    owner = f"--owner {acme.ADMIN.email}"
    robot = f"--client-id {acme.VENAFI_APP} --grant-type password --username robot"
    zoom = f"--client-id %s --account-id {acme.ZOOM_ACCOUNT} {owner}"
    asks = "    # asks for the %s: %s"
    return "\n".join(
        (
            f"leaver connect zoom zoom-2 {zoom % 'app-of-the-server'}"
            + asks % ("client secret", acme.zoom_secret("app-of-the-server")),
            f"leaver connect zoom zoom-3 --grant-type refresh_token {zoom % 'app-with-consent'}"
            + asks % ("client secret", acme.zoom_secret("app-with-consent")),
            f"leaver connect venafi venafi-2 {robot} {owner} --from-lambda" + asks % ("password", PASSWORD),
        )
    )


def _operator(access_key_id: str, region: str) -> tuple[str, str, str]:
    del access_key_id, region
    return "AROALOCAL:ada", f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/ada", ACCOUNT
