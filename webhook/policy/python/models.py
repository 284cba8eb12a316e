"""Params of Python policies as models: msgspec structs, dataclasses, or pydantic models.

The model is made of the `data` of a ConfigMap, with each value read as YAML (`min: "1"` is the number 1), or of the
`spec` of another kind. pydantic is imported only by a policy that uses it.
"""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from webhook.byidentity import ByIdentity
from webhook.documents import reader
from webhook.policy.python import structs
from webhook.policy.python.declaring import ParamsError
from webhook.policy.python.decorators import PolicyDefinitionError
from webhook.policy.python.sealing import NotSealable, pydantic_model, sealed
from webhook.policy.python.structs import Fault, InvalidParams
from webhook.policy.request import JSONObject

if TYPE_CHECKING:
    from pydantic import BaseModel

_KEPT = 64


def model_of(parameter: Any, function: Callable[..., Any]) -> tuple[type, bool] | None:
    """The model of a parameter's annotation, and whether it allows None; None for other annotations.

    Raises PolicyDefinitionError for a model that values cannot be converted to.
    """
    annotation = parameter.annotation
    if isinstance(annotation, str):
        try:
            annotation = typing.get_type_hints(function).get(parameter.name)
        except (NameError, TypeError, SyntaxError):
            # A name that only type checkers know (TYPE_CHECKING). It cannot be a model, which is needed at run time.
            return None
    choices = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    models = [choice for choice in choices if structs.is_struct(choice) or _is_pydantic(choice)]
    if len(models) != 1:
        return None
    [model] = models
    if not _is_pydantic(model) and (why := structs.unusable(model)):
        raise PolicyDefinitionError(f"{function.__name__}: {model.__name__} cannot be the model of params: {why}")
    return model, type(None) in choices


def _is_pydantic(kind: Any) -> bool:
    base = pydantic_model()
    return base is not None and isinstance(kind, type) and issubclass(kind, base)


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union


class ModelParams:
    """Validates param objects as a model, and caches the result by the identity of the object.

    Requests share the result, so it is made read-only. If that is impossible, because it contains a set or an instance
    of a custom class, each evaluation gets a copy.
    """

    def __init__(self, model: type, optional: bool) -> None:
        self._model = model
        self._convert = _pydantic_reader(model) if _is_pydantic(model) else partial(structs.read, model)
        self.optional = optional
        self._read: ByIdentity[tuple[Any, bool]] = ByIdentity(_KEPT)  # the result; whether requests can share it

    def read(self, params: JSONObject | None) -> Any:
        """The model of a param object. None if `params` is None and the policy allows that. Raises ParamsError."""
        if params is None:
            if self.optional:
                return None
            raise ParamsError(f"the policy needs params ({self._model.__name__}), and its binding has no paramRef")
        read, shared = self._read.get(params) or self._read.keep(params, self._validated(params))
        if isinstance(read, ParamsError):
            raise ParamsError(str(read))  # a new one: a cached exception would collect tracebacks of all requests
        return read if shared else copy.deepcopy(read)

    def _validated(self, params: JSONObject) -> tuple[Any, bool]:
        validated = self._model_of(params)
        if isinstance(validated, ParamsError):
            return validated, True
        try:
            return sealed(validated), True
        except NotSealable:
            return validated, False

    def _model_of(self, params: JSONObject) -> Any:
        metadata = params.get("metadata") or {}
        name = "/".join(part for part in (metadata.get("namespace"), metadata.get("name")) if part)
        kind = str(params.get("kind"))
        subject = f"params {kind} {name}"
        field = "data" if kind == "ConfigMap" and params.get("apiVersion") == "v1" else "spec"
        values = params.get(field)
        wrong: list[str] = []
        if field == "data":
            values, wrong = _parsed(values or {})
        if wrong:
            return ParamsError(f"{subject}: {'; '.join(wrong)}")
        try:
            return self._convert({} if values is None else values)
        except InvalidParams as error:
            for path, message, missing in error.faults:
                where = ".".join((field, *map(str, path)))
                if kind != "Secret":
                    wrong.append(f"{where}: {message}")
                else:  # messages may contain the value
                    wrong.append(f"{where} is {'missing' if missing else 'of a wrong type or value'}")
            return ParamsError(f"{subject}: {'; '.join(wrong)}")


def _pydantic_reader(model: type[BaseModel]) -> Callable[[Any], BaseModel]:
    from pydantic import ValidationError

    def read(values: Any) -> BaseModel:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            items = error.errors(include_url=False, include_input=False, include_context=False)
            raise InvalidParams(
                [Fault(item["loc"], item["msg"], item["type"] == "missing") for item in items]
            ) from None

    return read


def _parsed(entries: Any) -> tuple[dict[str, Any], list[str]]:
    """The entries of a ConfigMap's data, each value read as one YAML document; and the errors."""
    if not isinstance(entries, dict):
        return {}, ["data: expected a mapping"]
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for key, text in entries.items():
        if not isinstance(text, str):
            wrong.append(f"data.{key}: expected text, as every value of a ConfigMap is")
            continue
        parsed, problems = reader.parse(text, f"data.{key}")
        wrong += map(str, problems)
        if len(parsed) > 1:
            wrong.append(f"data.{key}: expected one YAML document, found {len(parsed)}")
        values[key] = parsed[0].value if parsed else None
    return values, wrong
