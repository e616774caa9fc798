"""The metrics that a function printed."""

import json
from collections import Counter


def sum_metrics(emitted: str) -> Counter[str]:
    """Sum up the metrics that a function printed (CloudWatch's embedded metric format), but for how long it waited."""
    totals: Counter[str] = Counter()
    for line in emitted.splitlines():
        blob = json.loads(line)
        for directive in blob.get("_aws", {}).get("CloudWatchMetrics", []):
            for metric in directive["Metrics"]:
                if not metric["Name"].endswith("Waited"):
                    totals[metric["Name"]] += sum(blob[metric["Name"]])
    return totals
