"""How moto's answers are written: DynamoDB's values, which it keeps as they are sent, are not taken apart again."""

from moto.core.model import StructureShape
from moto.core.serialize import BaseJSONSerializer, Serialized

from local.aws.template import Json

_write_structure = BaseJSONSerializer._serialize_type_structure  # noqa: SLF001 - there is no other way in


def patch_moto() -> None:
    """Make moto, which looks for each of a value's ten types under all names that it may have, copy what is known."""
    BaseJSONSerializer._serialize_type_structure = _write  # type: ignore[assignment,method-assign]  # noqa: SLF001 - the same


def _write(
    serializer: BaseJSONSerializer, serialized: Serialized, value: Json, shape: StructureShape, key: str
) -> None:
    if key and shape.name == "AttributeValue" and _is_written(value):
        serialized[key] = value
    else:
        _write_structure(serializer, serialized, value, shape, key)


def _is_written(value: Json) -> bool:
    """Whether this is one of DynamoDB's values in the form in which it is sent; bytes and sets are left to moto."""
    if type(value) is not dict or len(value) != 1:
        return False
    match value:
        case {"S": str()} | {"N": str()} | {"BOOL": bool()} | {"NULL": bool()}:
            return True
        case {"M": dict(fields)}:
            return all(map(_is_written, fields.values()))
        case {"L": list(items)}:
            return all(map(_is_written, items))
    return False
