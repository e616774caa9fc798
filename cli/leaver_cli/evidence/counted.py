"""What AWS itself counted, to be held against what was heard: the events that rules matched, the door's deliveries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from leaver_cli.deployment import Deployment

#: where HR events lie, and the parameters that name partners' buses
_QUEUES: Final = ("start-offboarding", "start-offboarding-urgent")
_PARTNERS: Final = ("OktaEventBusName", "SailPointEventBusName", "SailPointDeletedEventBusName")
_MATCHED: Final = {"Namespace": "AWS/Events", "MetricName": "MatchedEvents"}
_DELIVERED: Final = {"Namespace": "Leaver", "MetricName": "WebhooksTaken"}


@dataclass(frozen=True)
class Counted:
    """Over some days; None where CloudWatch knows of nothing at all."""

    #: by the rules that lead to start_offboarding, of the stack's own bus and of partners'
    matched: int | None = None
    #: what the front door put on the bus
    delivered: int | None = None

    def findings(self, heard: int) -> Iterator[str]:
        """What is not as it was heard by these rules: an event is gone from the ledger, or was put there by hand.

        CloudWatch does not promise to count everything, and EventBridge may deliver an event twice.
        """
        if self.matched not in {None, heard}:
            yield f"population: EventBridge counts {self.matched} HR events in these days, and {heard} were heard of it"


def count(deployment: Deployment, days: Sequence[str]) -> Counted:
    """Ask EventBridge for the rules and CloudWatch for their counts."""
    if not days:
        return Counted()
    stack = deployment.stack
    partners = [name for each in _PARTNERS if (name := deployment.parameters.get(each))]
    urls = [stack.queue_url(f"{stack.name}-{queue}") for queue in _QUEUES]
    attributes = [stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]) for url in urls]
    arns = [each["Attributes"]["QueueArn"] for each in attributes]
    rules = [
        {"EventBusName": bus, "RuleName": rule}
        for bus in (stack.bus, *sorted(set(partners)))
        for arn in arns
        for rule in stack.events.list_rule_names_by_target(TargetArn=arn, EventBusName=bus)["RuleNames"]
    ]
    whose = {"service": "leaver", "stack": stack.name}
    return Counted(
        matched=_sum(deployment.cloudwatch, _MATCHED, rules, days),
        delivered=_sum(deployment.cloudwatch, _DELIVERED, [whose], days),
    )


def _sum(
    cloudwatch: Any, metric: Mapping[str, str], dimensions: Sequence[Mapping[str, str]], days: Sequence[str]
) -> int | None:
    first, last = (datetime.fromisoformat(pick(days)).replace(tzinfo=UTC) for pick in (min, max))
    points = [
        point["Sum"]
        for each in dimensions
        for point in cloudwatch.get_metric_statistics(
            **metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in each.items()],
            StartTime=first,
            EndTime=last + timedelta(days=1),
            Period=86400,
            Statistics=["Sum"],
        )["Datapoints"]
    ]
    return int(sum(points)) if points else None
