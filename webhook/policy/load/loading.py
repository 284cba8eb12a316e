"""Loads a policy tree as a PolicySet, or reports all of its errors at once, each with file, line and field.

It loads nothing of a tree with an error.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from webhook.documents import reader, syntax
from webhook.documents.reader import Document, Problem
from webhook.lazypatterns import lazily
from webhook.paths import Path, lookup, render
from webhook.policy import conditions, exceptions
from webhook.policy.cel.matchconditions import Conditions
from webhook.policy.evaluation import Mutator, Validator
from webhook.policy.load import likelymistakes, translate
from webhook.policy.load.exempting import Exempting, Written
from webhook.policy.load.faultless import is_faultless
from webhook.policy.load.made import Issues, mutating_policy, python_policy, validating_policy
from webhook.policy.load.problems import in_expression, order, place, problem, subject, warning
from webhook.policy.load.testfiles import only_tests
from webhook.policy.load.treefiles import Tree, TreeFile, read_tree
from webhook.policy.policyset import Binding, Policy, PolicySet
from webhook.policy.python.declaring import Declaration
from webhook.policy.python.importing import declarations
from webhook.policy.python.running import PythonMutator, PythonValidator
from webhook.policy.written import model, policykinds, refusals
from webhook.policy.written.policykinds import MUTATING, VALIDATING
from webhook.schema import Schemas
from webhook.versions import NEWEST, Version

if TYPE_CHECKING:
    from webhook.apiserver.retyping import CustomKinds

_BINDING_KINDS: dict[str, type[model.ValidatingAdmissionPolicyBinding] | type[model.MutatingAdmissionPolicyBinding]] = {
    f"{VALIDATING}Binding": model.ValidatingAdmissionPolicyBinding,
    f"{MUTATING}Binding": model.MutatingAdmissionPolicyBinding,
}

_CONDITIONS_AT: Path = ("metadata", "annotations", conditions.ANNOTATION)

_LIKELY_NAME = lazily(r"""(?:\b(?:def|class)\s+|\bname["']?\s*[:=]\s*["']?)([A-Za-z0-9_.-]+)""")

Kind = TypeVar("Kind", bound=model.Model)
AnyPolicy = Policy[Validator] | Policy[Mutator]


class PolicyTreeError(ValueError):
    """A policy tree with errors. `problems`: all of them, sorted by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=order)
        super().__init__("\n".join(map(str, self.problems)))


Roots = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def load(roots: Roots, version: Version = NEWEST, *, imports: Collection[str] = ()) -> PolicySet:
    """Load the policies of a file or a folder, or of several, which make one tree.

    A folder is read as `read_tree` does. `version`: the Kubernetes version; policies may use the features that it has.
    `imports`: modules that Python policies may import beside webhook.policy.python.allowed.DEFAULT. Raises
    PolicyTreeError, also if there are no policies.
    """
    names = (roots,) if isinstance(roots, str | os.PathLike) else roots
    return load_tree(read_tree(*names, imports=imports), version)


def load_tree(
    tree: Tree,
    version: Version = NEWEST,
    progress: Callable[[str], None] = lambda _file: None,
    *,
    with_tests: bool = False,
    trusting: bool = True,
) -> PolicySet:
    """Load the policies of a tree that was read before. Raises PolicyTreeError.

    `progress` is called with each file's name before it is loaded. `with_tests`: faults in files of which nothing but
    tests is expected are faults of the tree (webhook.policy.load.testfiles); otherwise only `test` and `lint` see them.
    `trusting`: take for faultless what is known to be (webhook.policy.load.faultless).
    """
    loader = _Loader(version, tree, trusting=trusting)
    loader.problems += tree.problems
    for file in tree.files:
        if not file.name.endswith(".py"):
            progress(file.name)
            if with_tests or not only_tests(file.content):
                loader.add_file(file)
    for file in tree.files:
        if file.name.endswith(".py"):
            progress(file.name)
            loader.add_python_file(file)
    if not loader.problems and not loader.policies:
        without = (Problem(name, None, None, "it has no policies") for name in tree.names)
        loader.problems += [*without, *loader.foreign]
    return loader.finished()


class _Bound(Struct, frozen=True):
    """A binding, its document, and the paths of its fields that have a wrong type."""

    binding: Binding
    document: Document
    mistyped: list[Path]


class _Loader:
    """Collects policies, bindings and problems; `finished` checks them together and returns the PolicySet."""

    def __init__(self, version: Version, tree: Tree, *, trusting: bool) -> None:
        self._version = version
        self._trusting = trusting
        self._imports = tree.imports
        self._revision = tree.revision
        self._waits = tree.waits
        self.problems: list[Problem] = []
        self.policies: dict[tuple[str, str], AnyPolicy] = {}
        self._bindings: list[_Bound] = []
        self._exceptions: list[Written] = []
        self._places: dict[tuple[str, str], str] = {}  # of policies and bindings, including those with errors
        self._objects: dict[tuple[str, str, str, str], Document] = {}
        self._unusable: set[tuple[str, str]] = set()  # policies with errors: references to them are not reported
        self._documents: dict[tuple[str, str], Document] = {}  # of policies in CEL
        self._custom: CustomKinds = {}
        self._notes: list[Problem] = []
        self.foreign: list[Problem] = []  # objects of other policy engines

    # Documents

    def add_file(self, file: TreeFile) -> None:
        """Sort the documents of a file into policies, bindings and other objects."""
        read, problems = reader.parse(file.content, file.name)
        self.problems += problems
        if problems:
            self.excuse(file.content)
        faultless = self._trusting and is_faultless(file.content, self._version)
        for document in read:
            _, problems = reader.objects([document])
            self.problems += problems
            if problems:
                self._excuse_name(document)
            else:
                self._add_document(document, faultless=faultless)

    def _add_document(self, document: Document, *, faultless: bool) -> None:
        api_version, kind = document.value["apiVersion"], document.value["kind"]
        faults = list(policykinds.faults(api_version, kind, self._version))
        for path, message in faults:
            self._fault(document, path, message)
        # The kind alone decides how to read a document, so that a wrong apiVersion does not hide its other errors.
        if kind == VALIDATING:
            self._add_policy(document, faultless=faultless)
        elif kind == MUTATING:
            self._add_mutating_policy(document, faultless=faultless)
        elif kind in _BINDING_KINDS:
            self._add_binding(document)
        elif kind == policykinds.EXCEPTION and policykinds.is_own(api_version):
            self._add_exception(document)
        elif faults:
            self._excuse_name(document)
        elif not policykinds.is_own(api_version):
            self._add_object(document)
            if kind == "CustomResourceDefinition" and api_version == "apiextensions.k8s.io/v1":
                self._add_definition(document)
            if engine := policykinds.engine_of(api_version):
                message = f"is a policy of {engine} ({api_version}), which Gatewright does not evaluate"
                if engine in policykinds.CONVERTED:
                    message += f"; `gatewright convert {document.stream} --out DIR` converts it"
                self.foreign.append(warning(document, ("kind",), f"{subject(document)} {message}"))

    def _add_definition(self, document: Document) -> None:
        """Warn of a CustomResourceDefinition that the API server refuses: its kind is not known then."""
        from webhook.apiserver.customresources import definitions  # only trees with definitions need it

        definition = definitions.read(document.value, self._version)
        defined = {(kind.api_version, kind.kind): kind for kind in definition.kinds.values()}
        self._custom = {**self._custom, **defined}
        refused = definition.refused
        if refused:
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            words = "the API server refuses it, so that objects of its kind are not checked against it"
            message = f"{subject(document)}: {words}: {refused[0].text}{more}"
            self.foreign.append(warning(document, refused[0].path, message))

    def _add_policy(self, document: Document, *, faultless: bool) -> None:
        policy, mistyped = self._decoded(model.ValidatingAdmissionPolicy, document)
        refused = self._refused(document, refusals.of_policy(policy), mistyped)
        made, issues = validating_policy(policy, self._version, document.stream, document.line, faultless=faultless)
        self._add_made(document, made, issues, mistyped, refused=refused)

    def _add_mutating_policy(self, document: Document, *, faultless: bool) -> None:
        policy, mistyped = self._decoded(model.MutatingAdmissionPolicy, document)
        refused = self._refused(document, refusals.of_mutating_policy(policy), mistyped)
        made, issues = mutating_policy(policy, self._version, document.stream, document.line, faultless=faultless)
        self._add_made(document, made, issues, mistyped, refused=refused)

    def _add_made(
        self, document: Document, policy: AnyPolicy, issues: Issues, mistyped: list[Path], *, refused: bool
    ) -> None:
        """Add a policy in CEL, unless it is refused, has issues, or there is one of this name."""
        key = (policy.kind, policy.name)
        refused = self._uncompiled(document, issues, mistyped) or refused
        if not self._is_new(document, policy.kind, policy.name) or refused:
            self._unusable.add(key)
            return
        self._documents[key] = document
        self.policies[key] = policy

    def _add_binding(self, document: Document) -> None:
        kind = document.value["kind"]
        bound, mistyped = self._decoded(_BINDING_KINDS[kind], document)
        self._refused(document, refusals.of_binding(bound), mistyped)
        self._is_new(document, kind, bound.metadata.name)
        conditioned = self._conditions(document, bound.metadata.annotations)
        # Bindings with errors are kept too: `finished` checks them against all policies and reports more errors.
        binding = translate.binding(bound, document.stream, document.line, conditioned)
        self._bindings.append(_Bound(binding, document, mistyped))

    def _conditions(self, document: Document, annotations: dict[str, str]) -> Conditions | None:
        text = annotations.get(conditions.ANNOTATION)
        if text is None:
            return None
        found, faults = conditions.read(text)
        for fault in faults:
            self._fault(document, _CONDITIONS_AT, fault)
        return found

    def _add_exception(self, document: Document) -> None:
        written, mistyped = self._decoded(exceptions.PolicyExceptionModel, document)
        refused = self._refused(document, exceptions.refused(written), mistyped)
        self._is_new(document, policykinds.EXCEPTION, written.metadata.name)
        self._exceptions.append(Written(written, document, refused))

    def _add_object(self, document: Document) -> None:
        metadata = document.value.get("metadata") or {}
        key = (
            document.value["apiVersion"],
            document.value["kind"],
            metadata.get("namespace") or "",
            metadata.get("name") or "",
        )
        before = self._objects.get(key)
        if before is not None and key[-1]:
            self._fault(document, ("metadata", "name"), f"{key[1]} '{key[-1]}' is already defined in {place(before)}")
        self._objects[key] = document

    def _decoded(self, kind: type[Kind], document: Document) -> tuple[Kind, list[Path]]:
        """Decode the document. Reports unknown fields and fields with a wrong type; returns their paths."""
        decoded, faults = model.decode(kind, document.value)
        # kubectl drops a YAML tag and sends the rest: an expression without its `!` has the opposite meaning.
        tagged: list[Path] = []
        for path, position, tag in document.tags():
            tagged.append(path)
            wrong = problem(document, path, syntax.misread.as_tag(tag, lookup(document.value, path)))
            excerpt = document.excerpt(position)
            self.problems.append(replace(wrong, line=position.line, column=position.column, excerpt=excerpt))
        faults = [fault for fault in faults if fault[0] not in tagged]
        for path, message in faults:
            self._fault(document, path, message)
        return decoded, [*tagged, *(path for path, _ in faults)]

    def _refused(self, document: Document, faults: Iterable[model.Fault], mistyped: list[Path]) -> bool:
        """Report the faults, except those that result from a field with a wrong type. Returns whether there are any."""
        refused = bool(mistyped)
        for path, message in faults:
            if not any(_follows(path, wrong) for wrong in mistyped):
                self._fault(document, path, message)
                refused = True
        return refused

    def _fault(self, document: Document, path: Path, message: str) -> None:
        wants_text = message == refusals.NO_EXPRESSION or message.startswith(model.NO_TEXT)
        misread = document.misread(path) if wants_text else None
        self.problems.append(problem(document, path, f"{message}; {misread}" if misread else message))

    def _uncompiled(self, document: Document, issues: Issues, mistyped: list[Path]) -> bool:
        """Report the issues, except in expressions of a wrong type. Returns whether any was reported."""
        found = [(path, issue) for path, issue in issues if path not in mistyped]
        self.problems += (in_expression(document, path, issue) for path, issue in found)
        return bool(found)

    def _is_new(self, document: Document, kind: str, name: str) -> bool:
        """Whether kind and name are new; reports if they are not. A missing name is reported elsewhere."""
        before = self._places.get((kind, name))
        if before is not None:
            self._fault(document, ("metadata", "name"), f"{kind} '{name}' is already defined in {before}")
            return False
        if name:
            self._places[kind, name] = place(document)
        return True

    def _excuse_name(self, document: Document) -> None:
        """Do not report references to the policy that this invalid document may define."""
        name = lookup(document.value, ("metadata", "name"))
        if name is not None:
            self._unusable.update((kind, str(name)) for kind in (VALIDATING, MUTATING))

    # Python

    def add_python_file(self, file: TreeFile) -> None:
        """Import a policy file and add the policies that it declares."""
        trusted = self._trusting and is_faultless(file.content, self._version)
        declared, problems = declarations(file.name, file.content, self._imports, trusted=trusted)
        self.problems += problems
        if problems:
            self.excuse(file.content)
        if not declared and not problems:
            self._notes.append(Problem(file.name, None, None, "declares no policies"))
        for declaration in declared:
            self._add_declaration(declaration)

    def _add_declaration(self, declaration: Declaration) -> None:
        key = (declaration.kind, declaration.name)
        before = self._places.get(key)
        if before is not None:
            message = f"{declaration.kind} '{declaration.name}' is already defined in {before}; set name=…"
            self.problems.append(Problem(declaration.file, declaration.line, None, message))
            return
        self._places[key] = f"{declaration.file}:{declaration.line}"
        self.policies[key] = python_policy(declaration, self._version)

    def excuse(self, content: bytes) -> None:
        """Do not report references to names that a file with errors mentions: it may define these policies."""
        text = content.decode(errors="replace")
        names = {name.replace("_", "-").lower() for name in _LIKELY_NAME.findall(text)}
        self._unusable.update((kind, name) for name in names for kind in (VALIDATING, MUTATING))

    # The whole tree

    def finished(self) -> PolicySet:
        """The PolicySet of everything that was added. Raises PolicyTreeError."""
        bound: dict[tuple[str, str], list[Binding]] = {key: [] for key in self.policies}
        for each in self._bindings:
            key = (each.binding.kind.removesuffix("Binding"), each.binding.policy)
            if key in bound:
                self._check_params(self.policies[key], each)
                self._check_conditions(self.policies[key], each)
                bound[key].append(each.binding)
            elif each.binding.policy and key not in self._unusable:
                self._fault(each.document, ("spec", "policyName"), self._unknown_policy(key))
        exempting = Exempting(self.policies, [each.binding for each in self._bindings], self._unusable, self._fault)
        exempting.add(self._exceptions)
        if self.problems:
            raise PolicyTreeError(self.problems)
        for exception, document in exempting.made:
            if exception.expires <= time.time():
                ended = document.problem(("spec", "expires"), exceptions.expired(exception))
                self._notes.append(replace(ended, rule="GW306"))
        validators: list[Policy[Validator]] = []
        mutators: list[Policy[Mutator]] = []
        objects = [document.value for document in self._objects.values()]
        schemas = Schemas.builtin().with_crds(objects)
        for key, policy in self.policies.items():
            if not bound[key] and not self._waits(policy.file):
                message = f"{policy.kind} '{policy.name}' has no binding, so it never runs"
                self._notes.append(Problem(policy.file, policy.line, None, message, rule="GW304"))
            complete: Policy[Any] = replace(
                policy,
                bindings=tuple(sorted(bound[key], key=_name)),
                exceptions=tuple(exempting.by_policy.get(key, ())),
            )
            if policy.kind == MUTATING and policy.language == "cel":
                complete = complete.evaluated_by(lambda mutator: mutator.with_schemas(schemas))
            if policy.kind == MUTATING and self._custom:
                complete = complete.evaluated_by(lambda mutator: mutator.with_custom_kinds(self._custom))
            (validators if policy.kind == VALIDATING else mutators).append(complete)
        bindings = [(each.binding, each.document) for each in self._bindings]
        mistakes = likelymistakes.warnings(self.policies, self._documents, bindings, objects, self._version)
        return PolicySet(
            validators,
            mutators,
            objects=objects,
            revision=self._revision,
            notes=self._notes,
            warnings=sorted([*self.foreign, *mistakes], key=order),
            target=self._version,
        )

    def _unknown_policy(self, key: tuple[str, str]) -> str:
        kind, name = key
        other = MUTATING if kind == VALIDATING else VALIDATING
        if (other, name) in self.policies or (other, name) in self._unusable:
            return f"'{name}' is a {other}, which a {other}Binding binds"
        names = sorted(name for each, name in self.policies if each == kind)
        return f"there is no {kind} '{name}'; expected one of: {', '.join(names) or '(none is defined)'}"

    def _check_params(self, policy: AnyPolicy, bound: _Bound) -> None:
        at = ("spec", "paramRef")
        if any(_follows(at, wrong) for wrong in bound.mistyped):
            return
        evaluator = None if policy.language == "cel" else policy.evaluator
        needed = isinstance(evaluator, PythonValidator | PythonMutator) and evaluator.needs_params
        if bound.binding.param_ref is None and needed:
            self._fault(bound.document, at, f"required: policy '{policy.name}' needs params")
        if bound.binding.param_ref is not None and policy.param_kind is None:
            message = f"{subject(bound.document)}: {render(at)} is ignored: policy '{policy.name}' has no paramKind"
            self._notes.append(replace(bound.document.problem(at, message), rule="GW303"))

    def _check_conditions(self, policy: AnyPolicy, bound: _Bound) -> None:
        if policy.language == "cel" and lookup(bound.document.value, _CONDITIONS_AT) is not None:
            message = f"policy '{policy.name}' is in CEL; write the conditions in its spec.matchConditions"
            self._fault(bound.document, _CONDITIONS_AT, message)


def _follows(path: Path, wrong: Path) -> bool:
    """Whether a fault at `path` may result from the wrong type at `wrong`: `path` is below it or is its list."""
    return path[: len(wrong)] == wrong or (path == wrong[:-1] and isinstance(wrong[-1], int))


def _name(binding: Binding) -> str:
    return binding.name
