"""Applies exceptions to the policies that they name, and reports names that do not exist."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from webhook.documents.reader import Document
from webhook.paths import Path
from webhook.policy.cel.validating import CELValidator
from webhook.policy.exceptions import ExceptedPolicyModel, Exemption, PolicyException, PolicyExceptionModel
from webhook.policy.load import translate
from webhook.policy.load.problems import expected
from webhook.policy.policyset import Binding, Policy
from webhook.policy.written import model
from webhook.policy.written.policykinds import MUTATING, VALIDATING

Key = tuple[str, str]
"""Kind and name of a policy."""


class Written(Struct, frozen=True):
    """An exception of a file. refused: faults of it were reported, so it exempts nothing."""

    exception: PolicyExceptionModel
    document: Document
    refused: bool


class Exempting:
    """The exceptions of a tree, held against its policies and bindings.

    unusable: policies with errors, which may be named. fault: takes a fault of a document, at a path.
    """

    def __init__(
        self,
        policies: Mapping[Key, Policy[Any]],
        bindings: Sequence[Binding],
        unusable: Collection[Key],
        fault: Callable[[Document, Path, str], None],
    ) -> None:
        self._policies = policies
        self._bindings = bindings
        self._unusable = unusable
        self._fault = fault
        self.by_policy: dict[Key, list[Exemption]] = {}
        """The exemptions of each policy, sorted by the exception's name."""
        self.made: list[tuple[PolicyException, Document]] = []

    def add(self, exceptions: Iterable[Written]) -> None:
        """Add exceptions, and report names in them that do not exist."""
        for each in sorted(exceptions, key=lambda each: each.exception.metadata.name):
            document = each.document
            exception = None
            if not each.refused:
                exception = translate.exception(each.exception, document.stream, document.line)
                self.made.append((exception, document))
            for index, named in enumerate(each.exception.spec.policies):
                keys = [key for key in self._policies if key[1] == named.name and named.kind in (None, key[0])]
                for path, message in self._unknown(named, keys):
                    self._fault(document, ("spec", "policies", index, *path), message)
                if exception is not None:
                    self._exempt(keys, exception, named)

    def _exempt(self, keys: Iterable[Key], exception: PolicyException, named: ExceptedPolicyModel) -> None:
        for key in keys:
            exemption = Exemption(
                exception,
                None if named.bindings is None else frozenset(named.bindings),
                None if named.validations is None else frozenset(named.validations),
            )
            self.by_policy.setdefault(key, []).append(exemption)

    def _unknown(self, named: ExceptedPolicyModel, keys: list[Key]) -> Iterator[model.Fault]:
        """The policy, bindings and validations that an exception names and that do not exist."""
        if not keys:
            known = named.kind is not None and any(key[1] == named.name for key in self._policies)
            if named.name and (
                known or not any((kind, named.name) in self._unusable for kind in (VALIDATING, MUTATING))
            ):
                names = sorted({name for kind, name in self._policies if named.kind in (None, kind)})
                what = named.kind or "policy"
                yield ("name",), f"there is no {what} {model.describe(named.name)}; {expected(named.name, names)}"
            return
        for index, binding in enumerate(named.bindings or ()):
            names = sorted(
                {each.name for each in self._bindings if (each.kind.removesuffix("Binding"), each.policy) in keys}
            )
            if binding not in names:
                message = f"there is no binding {model.describe(binding)} of '{named.name}'; {expected(binding, names)}"
                yield ("bindings", index), message
        counts = [
            len(evaluator.validations)
            for key in keys
            if isinstance(evaluator := self._policies[key].evaluator, CELValidator)
        ]
        for index, number in enumerate(named.validations or ()):
            if not counts:
                message = f"'{named.name}' has no numbered validations; leave this out to except the whole policy"
                yield ("validations",), message
                return
            if not 0 <= number < max(counts):
                yield ("validations", index), f"expected 0 to {max(counts) - 1}, found {number}"
