"""What botocore and moto would work out anew for each client and each answer, though names or code alone decide it."""

import inspect
import pickle
from collections import deque
from copy import deepcopy
from functools import cache
from types import CodeType
from typing import Any

import botocore.session
from botocore import hooks, httpsession, useragent
from moto import backend_index
from moto.core import responses
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.parsing import ast_nodes, expressions, validators
from moto.sqs import models as sqs

from local.aws import answers

_ALIASER = hooks.EventAliaser(hooks.HierarchicalEmitter())
_accepts_kwargs = hooks.accepts_kwargs


@cache
def _code_accepts(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_VARKEYWORDS)


def _accepts(handler: Any) -> bool:
    # By its code: a handler belongs to a client, which would live for ever.
    code = getattr(handler, "__code__", None)
    return _code_accepts(code) if code else bool(_accepts_kwargs(handler))


#: moto has no types for these
_Node: Any = vars(ast_nodes)["Node"]
_Traverser: Any = vars(ast_nodes)["DepthFirstTraverser"]
_Update: Any = vars(ast_nodes)["UpdateExpression"]
_UpdateParser: Any = vars(expressions)["UpdateExpressionParser"]
_lex = ConditionExpressionParser._lex_condition_expression


@cache
def _lexed(condition: str | None) -> tuple[Any, ...]:
    return tuple(_lex(ConditionExpressionParser(condition, None, None)))


def _lex_again(parser: ConditionExpressionParser) -> deque[Any]:
    return deque(_lexed(parser.condition_expression))


#: whether a kind of things is one of nodes
_is_node: dict[type, bool] = {}
#: which kinds of nodes each kind of traverser processes
_processed: dict[tuple[type, type], bool] = {}


def _traverse(traverser: Any, node: Any, place: int = -1) -> Any:
    """What moto does, but that it asks each traverser anew at each node which kinds it processes."""
    kind = type(node)
    if kind not in _is_node:
        _is_node[kind] = isinstance(node, _Node)
    if not _is_node[kind]:
        return node
    parent = node.parent
    for number, child in enumerate(node.children or ()):
        traverser.pre_processing_of_child(node, number)
        traverser.traverse_node_recursively(child, number)
    key = (type(traverser), kind)
    if key not in _processed:
        _processed[key] = isinstance(node, traverser.nodes_to_be_processed())
    if _processed[key]:
        node = traverser.process(node)
        node.parent = parent
        if parent:
            parent.children[place] = node
    return node


#: the AWS that Leaver and its tests call
_CALLED = ("dynamodb", "secretsmanager", "sqs", "events", "kms", "s3", "sns", "logs", "cloudformation", "cloudwatch")


@cache
def _pickled(update: Any) -> bytes:
    return pickle.dumps(update)


def _copy(value: Any) -> Any:
    """A copy; of an update, which is kept, in a fifth of the time."""
    return pickle.loads(_pickled(value)) if isinstance(value, _Update) else deepcopy(value)  # noqa: S301 - our own


def _is_kept(backend: Any, queue_name: str, message: Any) -> bool:
    """What moto does, but that it asks a queue for all its attributes, three times for each message."""
    until = backend.get_queue(queue_name).message_retention_period + message.sent_timestamp / 1000
    return bool(until > vars(sqs)["unix_time"]())


def remember() -> None:
    """Work each of them out once in a process; nothing that a test has made is among them."""
    botocore.session.create_loader = cache(botocore.session.create_loader)
    alias = cache(_ALIASER._alias_event_name)  # type: ignore[attr-defined]
    hooks.EventAliaser._alias_event_name = staticmethod(alias)  # type: ignore[attr-defined]
    hooks.accepts_kwargs = _accepts  # type: ignore[assignment]
    useragent.sanitize_user_agent_string_component = cache(useragent.sanitize_user_agent_string_component)
    # Each client reads the authorities of the system; here they call nobody who has a certificate.
    httpsession.create_urllib3_context = cache(httpsession.create_urllib3_context)
    answers.patch_moto()
    responses.camelcase_to_underscores = cache(responses.camelcase_to_underscores)  # type: ignore[attr-defined]
    # A condition is read twice for each update, and its patterns made for each word; an update is read twice as well.
    ConditionExpressionParser._lex_condition_expression = _lex_again  # type: ignore[assignment,method-assign]
    _UpdateParser.make = cache(_UpdateParser.make)
    vars(validators)["deepcopy"] = _copy
    vars(sqs)["camelcase_to_underscores"] = cache(vars(sqs)["camelcase_to_underscores"])
    sqs.SQSBackend.is_message_valid_based_on_retention_period = _is_kept  # type: ignore[assignment,method-assign]
    # For each call moto goes through the addresses of all services, one by one.
    backend_index.backend_url_patterns.sort(key=lambda each: each[0] not in _CALLED)
    _Traverser.traverse_node_recursively = _traverse
