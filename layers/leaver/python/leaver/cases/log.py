"""The log of all cases: each statement is a leaf of one Merkle tree, in the order in which they were signed.

Of the tree only its frontier is kept to go on with; what a leaf's proof takes is kept with the leaf.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, computed_field

from leaver.cases.partitions import KEY, LOG, of_evidence
from leaver.errors import NotKept
from leaver.evidence.merkle import Frontier, leaf_hash
from leaver.storage.tables import Items, columns, item, read_as

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: how often a leaf is appended again that another one came before
TRIES: Final = 3
_HEAD: Final = "head"
_PLACE: Final = "place"


class Head(BaseModel):
    """How far the log has come."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    partition: str = LOG
    entry: str = _HEAD
    size: int = 0
    #: in hex
    frontier: tuple[str, ...] = ()

    @property
    def tree(self) -> Frontier:
        """The tree so far."""
        return Frontier(self.size, tuple(map(bytes.fromhex, self.frontier)))


class Leaf(BaseModel):
    """A statement in the log, by its hash; and what it takes to prove that it was the last one of the tree then."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    partition: str = LOG
    case_id: str
    index: int
    #: in hex
    hash: str
    path: tuple[str, ...] = ()

    @computed_field  # type: ignore[prop-decorator] # mypy knows no property under a decorator
    @property
    def entry(self) -> str:
        """Its place, so that text sorts as numbers do."""
        return entry_of(self.index)

    @property
    def tree_before(self) -> Frontier:
        """The tree to which it was appended."""
        return Frontier(self.index, tuple(bytes.fromhex(each) for each in reversed(self.path)))

    @property
    def root(self) -> bytes:
        """The root of the tree that ends with it."""
        return self.tree_before.root_with(bytes.fromhex(self.hash))


class Place(BaseModel):
    """Where a case's statement stands in the log."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    case_id: str
    entry: str = _PLACE
    index: int

    @computed_field  # type: ignore[prop-decorator] # mypy knows no property under a decorator
    @property
    def partition(self) -> str:
        """Where it lies in the table."""
        return of_evidence(self.case_id)


def entry_of(index: int) -> str:
    """The sort key of the leaf at this place."""
    return f"leaf#{index:012d}"


class CaseLog:
    """The log in the Cases table; nothing in it is changed, and nobody but seal_case appends."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._heads = Items(dynamodb, table=table, key=KEY, model=read_as(Head))
        self._leaves = Items(dynamodb, table=table, key=KEY, model=read_as(Leaf))
        self._places = Items(dynamodb, table=table, key=KEY, model=read_as(Place))

    def append(self, case_id: str, statement: bytes) -> Leaf:
        """Append a case's statement where it is not in the log yet; returns its leaf.

        Raises NotKept where others kept appending, or where another statement of this case is in the log.
        """
        for _ in range(TRIES):
            if (standing := self._standing(case_id)) is not None:
                if standing.hash != leaf_hash(statement).hex():
                    raise NotKept(f"evidence of {case_id}: another statement is in the log")
                return standing
            self._append(case_id, leaf_hash(statement))
        raise NotKept(f"evidence of {case_id}: others kept appending to the log")

    def has(self, name: str) -> bool:
        """Whether a statement of that name is in the log."""
        return self._places.read(partition=of_evidence(name), entry=_PLACE) is not None

    def read_all(self) -> Iterator[Leaf]:
        """Read every leaf, in order."""
        found = self._leaves.query(None, "#key = :key", {"#key": KEY[0]}, {":key": LOG})
        yield from (read_as(Leaf)(each) for each in found if each["entry"] != _HEAD)

    def _standing(self, case_id: str) -> Leaf | None:
        place = self._places.read(partition=of_evidence(case_id), entry=_PLACE)
        return self._leaves.read(partition=LOG, entry=entry_of(place.index)) if place else None

    def _append(self, case_id: str, hashed: bytes) -> None:
        head = self._heads.read(partition=LOG, entry=_HEAD) or Head()
        tree = head.tree
        after = tree.appended(hashed)
        leaf = Leaf(case_id=case_id, index=tree.size, hash=hashed.hex(), path=tuple(each.hex() for each in tree.path))
        grown = Head(size=after.size, frontier=tuple(each.hex() for each in after.hashes))
        self._write(grown, leaf, Place(case_id=case_id, index=leaf.index))

    def _write(self, head: Head, leaf: Leaf, place: Place) -> None:
        """Write the three, all or none: none where somebody else was faster, or where they stand there already."""
        # The head needs no condition: whoever was faster has taken the leaf's place.
        grown = {"TableName": self._table, "Item": item(columns(head))}
        transaction: Any = [{"Put": each} for each in (grown, self._new(leaf), self._new(place))]
        try:
            self._dynamodb.transact_write_items(TransactItems=transaction)
        except self._dynamodb.exceptions.TransactionCanceledException as error:
            reasons = {each.get("Code", "None") for each in error.response["CancellationReasons"]}
            if reasons - {"None", "ConditionalCheckFailed", "TransactionConflict"}:
                raise

    def _new(self, new: BaseModel) -> dict[str, object]:
        return {
            "TableName": self._table,
            "Item": item(columns(new)),
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": KEY[0]},
        }
