"""Params of Python policies as pydantic models.

A ConfigMap gives its `data`, each value read as YAML (`min: "1"` is the number 1); any other kind gives its `spec`.
"""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from webhook.documents import reader
from webhook.policy.python.sealing import NotSealable, sealed
from webhook.policy.request import JSONObject

_KEPT = 64


class ParamsError(ValueError):
    """The params are not what the policy's model asks for; the text names the object, the fields and what is wrong."""


def model_of(parameter: Any, function: Callable[..., Any]) -> tuple[type[BaseModel], bool] | None:
    """The pydantic model that a parameter is annotated with, and whether None will do; None for other annotations."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        try:
            annotation = typing.get_type_hints(function).get(parameter.name)
        except (NameError, TypeError, SyntaxError):
            # Names that only a type checker sees. A model is no such name, for it is needed here.
            return None
    choices = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    models = [choice for choice in choices if isinstance(choice, type) and issubclass(choice, BaseModel)]
    return (models[0], type(None) in choices) if len(models) == 1 else None


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union


class ModelParams:
    """Reads param objects as a model. An object that has been read is kept, for as long as it is the same object.

    All requests share a model, which therefore cannot be changed. One that has a value of a type that can be (a set, a
    class of the policy's own) is copied for each evaluation.
    """

    def __init__(self, model: type[BaseModel], optional: bool) -> None:
        self._model = model
        self.optional = optional
        # By identity, with the object itself so that its identity stays its own.
        # With whether all requests may share it.
        self._read: dict[int, tuple[JSONObject, BaseModel | ParamsError, bool]] = {}

    def read(self, params: JSONObject | None) -> BaseModel | None:
        """The model of a param object; None for None if the policy allows it. Raises ParamsError."""
        if params is None:
            if self.optional:
                return None
            raise ParamsError(f"the policy needs params ({self._model.__name__}), and its binding has no paramRef")
        found = self._read.get(id(params))
        if found is None:
            if len(self._read) >= _KEPT:
                self._read.clear()
            found = self._read[id(params)] = (params, *self._validated(params))
        _, read, shared = found
        if isinstance(read, ParamsError):
            raise ParamsError(str(read))  # a new one: a kept error would gather the tracebacks of all requests
        return read if shared else copy.deepcopy(read)

    def _validated(self, params: JSONObject) -> tuple[BaseModel | ParamsError, bool]:
        validated = self._model_of(params)
        if isinstance(validated, ParamsError):
            return validated, True
        try:
            return sealed(validated), True
        except NotSealable:
            return validated, False

    def _model_of(self, params: JSONObject) -> BaseModel | ParamsError:
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
            return self._model.model_validate({} if values is None else values)
        except ValidationError as error:
            secret = kind == "Secret"
            for item in error.errors(include_url=False, include_input=False, include_context=False):
                where = ".".join((field, *map(str, item["loc"])))
                if not secret:
                    wrong.append(f"{where}: {item['msg']}")
                else:  # the messages of validators may tell the value
                    wrong.append(f"{where} is {'missing' if item['type'] == 'missing' else 'of a wrong type or value'}")
            return ParamsError(f"{subject}: {'; '.join(wrong)}")


def _parsed(entries: Any) -> tuple[dict[str, Any], list[str]]:
    """The entries of a ConfigMap's data, each value read as one YAML document."""
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
