"""What functions answer to people, in memory."""

from dataclasses import dataclass, field

from leaver.consuming.answers import Answer


@dataclass
class InMemoryAnswers:
    """The table, which fails once if it is told to."""

    kept: dict[str, Answer] = field(default_factory=dict)
    fails: bool = False

    def put(self, answer: Answer) -> None:
        if self.fails:
            raise TimeoutError
        self.kept[answer.delivery] = answer

    @property
    def only(self) -> Answer:
        (answer,) = self.kept.values()
        return answer
