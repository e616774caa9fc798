"""Who is told that something is wrong: alarms and their topic, notices, and the dashboard."""

import re
from collections.abc import Iterator

from leaver_cli.doctor.row import Row, Trouble
from leaver_cli.doctor.seat import Seat


def look_at_alarms(seat: Seat) -> Row:
    """Whether alarms ring, and whether anybody hears them."""
    own = re.compile(rf"{re.escape(seat.name)}-[A-Z]")
    pages = seat.deployment.cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{seat.name}-")
    alarms = [each for page in pages for each in page["MetricAlarms"] if own.match(each["AlarmName"])]
    troubles = [
        Trouble(f"{each['AlarmName']} rings: {each.get('AlarmDescription', '')}", "do what it says; `leaver cases`")
        for each in alarms
        if each["StateValue"] == "ALARM"
    ]
    troubles += [
        Trouble(f"{each['AlarmName']} tells nobody: its actions are disabled", "enable them in CloudWatch")
        for each in alarms
        if not each["ActionsEnabled"]
    ]
    topic = seat.parameter("AlarmTopicArn")
    if not alarms:
        troubles.append(Trouble("there is no alarm", "deploy again: sam deploy"))
    if topic:
        troubles += _of_topic(seat, "AlarmTopicArn", topic)
    else:
        to_do = "deploy with AlarmTopicArn, a topic that on-call people subscribe to: docs/deploy.md"
        troubles.append(Trouble("alarms have no topic: they are only seen in CloudWatch", to_do))
    return Row("alarms", f"{len(alarms)} alarms, told to {topic or 'nobody'}", tuple(troubles))


def look_at_notices(seat: Seat) -> Row:
    """Whether whoever should be told in a sentence can be."""
    topic, address = seat.parameter("NotifyTopicArn"), seat.parameter("NotifyUrl")
    troubles = tuple(_of_topic(seat, "NotifyTopicArn", topic)) if topic else ()
    return Row("notices", ", ".join(each for each in (topic, address) if each) or "not wanted", troubles)


def look_at_dashboard(seat: Seat) -> Row:
    """Whether there is one, and where."""
    cloudwatch = seat.deployment.cloudwatch
    try:
        cloudwatch.get_dashboard(DashboardName=seat.name)
    except (cloudwatch.exceptions.DashboardNotFoundError, cloudwatch.exceptions.ResourceNotFound):
        return Row("dashboard", "gone", (Trouble(f"there is no dashboard {seat.name}", "deploy again: sam deploy"),))
    return Row("dashboard", seat.outputs.get("DashboardUrl", seat.name))


def _of_topic(seat: Seat, parameter: str, topic: str) -> Iterator[Trouble]:
    try:
        pages = list(seat.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic))
    except seat.sns.exceptions.NotFoundException:
        yield Trouble(f"{parameter}: there is no topic {topic}", "make the topic, or deploy with one that exists")
        return
    subscriptions = [each for page in pages for each in page["Subscriptions"]]
    if not subscriptions:
        yield Trouble(f"{parameter}: nobody subscribes to {topic}", "subscribe to it: docs/notices.md")
    for each in subscriptions:
        if not each["SubscriptionArn"].startswith("arn:"):
            what = f"{parameter}: the subscription of {each['Endpoint']} is not confirmed"
            yield Trouble(what, "open the link in the mail that AWS sent there")
