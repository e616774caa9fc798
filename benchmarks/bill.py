"""What AWS charges for what was counted: us-east-1, on demand, without the free tier."""

from dataclasses import dataclass, field
from typing import Final

#: when the prices were looked up
AS_OF: Final = "2026-11-21"

#: dollars for one; volume discounts are left out. Those of Lambda, logs, KMS and S3 are as commonly told, not looked up
PRICES: Final = {
    "EventBridge events": 1.00e-6,
    "SQS requests": 0.40e-6,
    "DynamoDB write units": 0.625e-6,
    "DynamoDB read units": 0.125e-6,
    "Secrets Manager calls": 5.0e-6,
    "KMS signatures": 15.0e-6,
    "S3 writes": 5.0e-6,
    "S3 reads": 0.40e-6,
    "Lambda invocations": 0.20e-6,
    "Lambda GB-seconds, x86": 1.6667e-5,
    "log bytes": 0.50e-9,
}


@dataclass
class Bill:
    """Counts, by the names in PRICES."""

    counts: dict[str, float] = field(default_factory=dict)

    def add(self, what: str, count: float) -> None:
        """Count some more; KeyError for what has no price."""
        if what not in PRICES:
            raise KeyError(what)
        self.counts[what] = self.counts.get(what, 0) + count

    def each(self, people: int) -> "Bill":
        """The share of one person."""
        return Bill({name: count / people for name, count in self.counts.items()})

    def dollars(self, what: str) -> float:
        """What one item of it costs."""
        return self.counts.get(what, 0) * PRICES[what]

    @property
    def total(self) -> float:
        """What all of it costs, in dollars."""
        return sum(map(self.dollars, self.counts))
