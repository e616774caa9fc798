"""What stands from its construction until `close`, or until the end of its `with`."""

from abc import ABC, abstractmethod
from typing import Self


class Closes(ABC):
    """Ends by `close`."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
