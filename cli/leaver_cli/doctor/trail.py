"""Whether somebody who changes Leaver's key, functions or tables leaves a trace outside of Leaver."""

from typing import Any

from leaver_cli.doctor.row import Row, Trouble
from leaver_cli.doctor.seat import Seat

_TO_DO = "make a trail of management events, for all regions (CloudTrail, Create trail), in a bucket of another account"


def look_at_trail(seat: Seat) -> Row:
    """Whether CloudTrail writes down who changed the key or a function."""
    trails = seat.cloudtrail.describe_trails(includeShadowTrails=True)["trailList"]
    reaching = [each for each in trails if each.get("IsMultiRegionTrail") or each.get("HomeRegion") == seat.region]
    writing = [each["Name"] for each in reaching if _is_writing(seat, each)]
    key = seat.outputs["KeyArn"].rpartition("/")[2]
    what_changes = f"changes to key {key}, functions and tables"
    if writing:
        return Row("trail", f"{', '.join(writing)} shows {what_changes}")
    what = f"no trail shows {what_changes}" + (f": none of {len(trails)} writes in {seat.region}" if trails else "")
    return Row("trail", "none", (Trouble(what, _TO_DO),))


def _is_writing(seat: Seat, trail: Any) -> bool:
    arn = trail["TrailARN"]
    if not seat.cloudtrail.get_trail_status(Name=arn)["IsLogging"]:
        return False
    selectors = seat.cloudtrail.get_event_selectors(TrailName=arn)
    basic, advanced = selectors.get("EventSelectors", []), selectors.get("AdvancedEventSelectors", [])
    # A trail that nobody gave a selector writes management events, all of them.
    if not basic and not advanced:
        return True
    by_basic = any(each["IncludeManagementEvents"] and each["ReadWriteType"] != "ReadOnly" for each in basic)
    return by_basic or any(
        part["Field"] == "eventCategory" and "Management" in part.get("Equals", [])
        for each in advanced
        for part in each["FieldSelectors"]
    )
