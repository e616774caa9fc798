"""What is around Leaver in an account: somebody signed in, topics that people subscribe to, and a trail."""

from moto.sts.models import sts_backends

from local.aws.template import ACCOUNT, REGION, STACK
from local.world import PEOPLE, World

#: where alarms ring
ON_CALL = f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-on-call"
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


def _operator(access_key_id: str, region: str) -> tuple[str, str, str]:
    del access_key_id, region
    return "AROALOCAL:ada", f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/ada", ACCOUNT
