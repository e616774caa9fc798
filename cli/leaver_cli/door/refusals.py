"""What the front door refused, by the metric that it counts them with."""

from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

from leaver_cli.deployment import Deployment

_METRIC: Final = {"Namespace": "Leaver", "MetricName": "WebhooksRefused"}


class Refusal(TypedDict):
    """How often something was refused; a source is `unknown` where nobody could tell it."""

    source: str
    reason: str
    count: int


def refusals(deployment: Deployment, at: datetime) -> list[Refusal]:
    """Find what was refused in the day before."""
    whose = [{"Name": "stack", "Value": deployment.stack.name}]
    pages = deployment.cloudwatch.get_paginator("list_metrics").paginate(**_METRIC, Dimensions=whose)
    metrics = [
        {each["Name"]: each["Value"] for each in metric["Dimensions"]} for page in pages for metric in page["Metrics"]
    ]
    told = sorted({(each["source"], each["reason"]): each for each in metrics if "reason" in each}.items())
    counted = [
        Refusal(source=source, reason=reason, count=_count(deployment.cloudwatch, each, at))
        for (source, reason), each in told
    ]
    return [each for each in counted if each["count"]]


def _count(cloudwatch: Any, dimensions: dict[str, str], at: datetime) -> int:
    sums = cloudwatch.get_metric_statistics(
        **_METRIC,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=at - timedelta(days=1),
        EndTime=at,
        Period=3600,
        Statistics=["Sum"],
    )
    return int(sum(each["Sum"] for each in sums["Datapoints"]))
