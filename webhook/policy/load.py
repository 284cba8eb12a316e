"""A policy tree -> PolicySet, or every error at once, each with file, line and field.

A set is whole or not at all: with one error nothing is loaded.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any, TypeVar

from webhook import documents
from webhook.documents import Document, Problem
from webhook.paths import ROOT, Path, render
from webhook.policy import model, refusals, translate
from webhook.policy.discovery import declarations
from webhook.policy.evaluation import Mutator, Validator
from webhook.policy.functions import PythonMutator, PythonValidator
from webhook.policy.places import inside
from webhook.policy.policyset import Binding, Policy, PolicySet
from webhook.policy.python import Declaration
from webhook.policy.validating import compile_policy

VALIDATING = "ValidatingAdmissionPolicy"
MUTATING = "MutatingAdmissionPolicy"

_GROUP = "admissionregistration.k8s.io"
_OWN_GROUP = "gatewright.dev"
_POLICY_KINDS = (VALIDATING, f"{VALIDATING}Binding", MUTATING, f"{MUTATING}Binding")
_OWN_KINDS = ("PolicyTest",)  # read by `gatewright test`
_BINDING_KINDS: dict[str, type[model.ValidatingAdmissionPolicyBinding] | type[model.MutatingAdmissionPolicyBinding]] = {
    f"{VALIDATING}Binding": model.ValidatingAdmissionPolicyBinding,
    f"{MUTATING}Binding": model.MutatingAdmissionPolicyBinding,
}

_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml"})  # lists of files, no policies
_LIKELY_NAME = re.compile(r"""(?:\b(?:def|class)\s+|\bname["']?\s*[:=]\s*["']?)([A-Za-z0-9_.-]+)""")

Kind = TypeVar("Kind", bound=model.Model)
AnyPolicy = Policy[Validator] | Policy[Mutator]


class PolicyTreeError(ValueError):
    """A policy tree that cannot be used. `problems`: everything that is wrong with it, by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(
            set(problems), key=lambda problem: (problem.file, problem.line or 0, problem.column or 0, problem.message)
        )
        super().__init__("\n".join(map(str, self.problems)))


def load(root: str | os.PathLike[str]) -> PolicySet:
    """The policies of a folder, or of a file: *.yaml, *.yml, *.json and *.py, recursively.

    In folders, entries whose name starts with `.` or `_` are left out, and kustomizations. Raises PolicyTreeError, also
    if there is no policy at all.
    """
    tree = FilePath(root)
    if not tree.exists():
        raise PolicyTreeError([Problem(str(root), None, None, "no such file or folder; expected a policy tree")])
    files = list(_files(tree))
    read, problems = documents.read(str(file) for file in files if file.suffix != ".py")
    loader = _Loader(tree if tree.is_dir() else tree.parent)
    loader.problems += problems
    for file in {problem.file for problem in problems}:
        loader.excuse(FilePath(file))
    loader.add_documents(read)
    loader.add_python_files(file for file in files if file.suffix == ".py")
    if not loader.problems and not loader.policies:
        loader.problems.append(Problem(str(root), None, None, "there is no policy in it"))
    return loader.finished()


def load_documents(
    read: Iterable[Document], python_files: Iterable[FilePath] = (), root: FilePath = FilePath()
) -> PolicySet:
    """The policies among documents that have been read, and in Python files below `root`. Raises PolicyTreeError."""
    loader = _Loader(root)
    loader.add_documents(read)
    loader.add_python_files(python_files)
    return loader.finished()


def _files(path: FilePath) -> Iterator[FilePath]:
    """The files of a tree that may hold policies, sorted."""
    if not path.is_dir():
        yield path
        return
    seen: set[FilePath] = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        resolved = FilePath(folder).resolve()
        if resolved in seen:  # a symbolic link that leads back up
            folders.clear()
            continue
        seen.add(resolved)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names):
            wanted = name.endswith((*documents.SUFFIXES, ".py")) and not name.startswith((".", "_"))
            if wanted and name not in _KUSTOMIZATIONS:
                yield FilePath(folder, name)


class _Loader:
    """Gathers policies, bindings and problems, until all is read and can be put together."""

    def __init__(self, root: FilePath) -> None:
        self._root = root
        self.problems: list[Problem] = []
        self.policies: dict[tuple[str, str], AnyPolicy] = {}
        self._bindings: dict[tuple[str, str], tuple[Binding, Document]] = {}
        self._objects: dict[tuple[str, str, str, str], Document] = {}
        self._unusable: set[tuple[str, str]] = set()  # policies with errors: their bindings are not to blame
        self._notes: list[Problem] = []
        self._hash = sha256()

    # Documents

    def add_documents(self, read: Iterable[Document]) -> None:
        """Sort documents into policies, bindings and other objects."""
        good, problems = documents.objects(read)
        self.problems += problems
        for document in good:
            value = document.value
            self._hash.update(json.dumps(value, sort_keys=True).encode())
            group, _, _ = value["apiVersion"].rpartition("/")
            kind = value["kind"]
            if group == _GROUP and kind in _POLICY_KINDS:
                if value["apiVersion"] != model.API_VERSION:
                    expected = f"expected {model.API_VERSION}, found {value['apiVersion']}"
                    self._fault(document, ("apiVersion",), expected)
                elif kind == VALIDATING:
                    self._add_policy(document)
                elif kind == MUTATING:
                    self._refuse_mutating(document)
                else:
                    self._add_binding(document)
            elif group == _OWN_GROUP:
                if kind not in _OWN_KINDS:
                    expected = f"{value['apiVersion']} has no kind {kind}; expected {' or '.join(_OWN_KINDS)}"
                    self._fault(document, ("kind",), expected)
            else:
                self._add_object(document)

    def _add_policy(self, document: Document) -> None:
        policy, mistyped = self._decoded(model.ValidatingAdmissionPolicy, document)
        refused = self._refused(document, refusals.of_policy(policy), mistyped)
        validator, issues = compile_policy(policy)
        for path, issue in issues:
            position, exact = inside(document, path, issue.line, issue.column)
            where = "" if exact else f" (at {issue.line}:{issue.column} of the expression)"
            message = f"{_subject(document)}: {render(path)}: {issue.message}{where}"
            self.problems.append(Problem(document.file, position.line, position.column, message))
        name = policy.metadata.name
        if not self._is_new(document, VALIDATING, name) or refused or issues:
            self._unusable.add((VALIDATING, name))
            return
        annotations = policy.metadata.annotations
        self.policies[VALIDATING, name] = Policy(
            kind=VALIDATING,
            name=name,
            language="cel",
            description=annotations.get("kubernetes.io/description", ""),
            file=document.file,
            line=document.line,
            failure_policy=policy.spec.failure_policy,
            match=translate.match(policy.spec.match_constraints),
            param_kind=translate.param_kind(policy.spec.param_kind),
            evaluator=validator,
        )

    def _refuse_mutating(self, document: Document) -> None:
        self._unusable.add((MUTATING, str((document.value.get("metadata") or {}).get("name"))))
        self._fault(
            document,
            ("kind",),
            "MutatingAdmissionPolicy in CEL is not supported yet; write the mutation as a Python function with @mutate",
        )

    def _add_binding(self, document: Document) -> None:
        kind = document.value["kind"]
        bound, mistyped = self._decoded(_BINDING_KINDS[kind], document)
        refused = self._refused(document, refusals.of_binding(bound), mistyped)
        name = bound.metadata.name
        before = self._bindings.get((kind, name))
        if before is not None and name:
            self._fault(document, ("metadata", "name"), f"{kind} '{name}' stands in {_place(before[0])} already")
        elif not refused:
            binding = translate.binding(bound, document.file, document.line)
            self._bindings[kind, name] = (binding, document)

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
            where = f"{before.file}:{before.line}"
            self._fault(document, ("metadata", "name"), f"{key[1]} '{key[-1]}' stands in {where} already")
        self._objects[key] = document

    def _decoded(self, kind: type[Kind], document: Document) -> tuple[Kind, list[Path]]:
        """The document's model, and where its fields are unknown or of a wrong type, which is reported."""
        decoded, faults = model.decode(kind, document.value)
        for path, message in faults:
            self._fault(document, path, message)
        return decoded, [path for path, _ in faults]

    def _refused(self, document: Document, faults: Iterable[model.Fault], mistyped: list[Path]) -> bool:
        """Report what is wrong with a document, but for what follows from a field of a wrong type; whether any is."""
        refused = bool(mistyped)
        for path, message in faults:
            if not any(_follows(path, wrong) for wrong in mistyped):
                self._fault(document, path, message)
                refused = True
        return refused

    def _fault(self, document: Document, path: Path, message: str) -> None:
        position = document.position(path)
        field = f"{render(path)}: " if path != ROOT else ""
        text = f"{_subject(document)}: {field}{message}"
        self.problems.append(Problem(document.file, position.line, position.column, text))

    def _is_new(self, document: Document, kind: str, name: str) -> bool:
        before = self.policies.get((kind, name))
        if before is None:
            return True
        self._fault(document, ("metadata", "name"), f"{kind} '{name}' stands in {_place(before)} already")
        return False

    # Python

    def add_python_files(self, files: Iterable[FilePath]) -> None:
        """Import policy files and take what they declare."""
        for file in files:
            declared, problems = declarations(file, self._root)
            self.problems += problems
            if problems:
                self.excuse(file)
            else:
                self._hash.update(file.read_bytes())
            if not declared and not problems:
                self._notes.append(Problem(str(file), None, None, "declares no policy"))
            for declaration in declared:
                self._add_declaration(declaration)

    def _add_declaration(self, declaration: Declaration) -> None:
        key = (declaration.kind, declaration.name)
        before = self.policies.get(key)
        if before is not None:
            message = f"{declaration.kind} '{declaration.name}' stands in {_place(before)} already; give name=…"
            self.problems.append(Problem(declaration.file, declaration.line, None, message))
            return
        evaluator: Any = PythonValidator(declaration) if declaration.kind == VALIDATING else PythonMutator(declaration)
        self.policies[key] = Policy(
            kind=declaration.kind,
            name=declaration.name,
            language="python",
            description=declaration.description,
            file=declaration.file,
            line=declaration.line,
            failure_policy=declaration.failure_policy,
            match=declaration.match,
            param_kind=declaration.param_kind,
            evaluator=evaluator,
        )

    def excuse(self, file: FilePath) -> None:
        """Hold no binding against the policies that a file which cannot be read looks as if it declared."""
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        names = {name.replace("_", "-").lower() for name in _LIKELY_NAME.findall(text)}
        self._unusable.update((kind, name) for name in names for kind in (VALIDATING, MUTATING))

    # All together

    def finished(self) -> PolicySet:
        """The set of all that was added. Raises PolicyTreeError."""
        bound: dict[tuple[str, str], list[Binding]] = {key: [] for key in self.policies}
        for binding, document in self._bindings.values():
            key = (binding.kind.removesuffix("Binding"), binding.policy)
            if key in bound:
                self._check_params(self.policies[key], binding, document)
                bound[key].append(binding)
            elif key not in self._unusable:
                self._fault(document, ("spec", "policyName"), self._unknown_policy(key))
        if self.problems:
            raise PolicyTreeError(self.problems)
        validating: list[Policy[Validator]] = []
        mutating: list[Policy[Mutator]] = []
        for key, policy in self.policies.items():
            if not bound[key]:
                message = f"{policy.kind} '{policy.name}' has no binding, so it never runs"
                self._notes.append(Problem(policy.file, policy.line, None, message))
            complete: Policy[Any] = replace(policy, bindings=tuple(sorted(bound[key], key=_name)))
            (validating if policy.kind == VALIDATING else mutating).append(complete)
        return PolicySet(
            validating,
            mutating,
            objects=[document.value for document in self._objects.values()],
            revision=self._hash.hexdigest()[:16],
            notes=self._notes,
        )

    def _unknown_policy(self, key: tuple[str, str]) -> str:
        kind, name = key
        other = MUTATING if kind == VALIDATING else VALIDATING
        if (other, name) in self.policies or (other, name) in self._unusable:
            return f"'{name}' is a {other}, which a {other}Binding binds"
        names = sorted(name for each, name in self.policies if each == kind)
        return f"there is no {kind} '{name}'; expected one of: {', '.join(names) or '(none is defined)'}"

    def _check_params(self, policy: AnyPolicy, binding: Binding, document: Document) -> None:
        needed = isinstance(policy.evaluator, PythonValidator | PythonMutator) and policy.evaluator.needs_params
        if binding.param_ref is None and needed:
            self._fault(document, ("spec", "paramRef"), f"required: policy '{policy.name}' needs params")
        if binding.param_ref is not None and policy.param_kind is None:
            position = document.position(("spec", "paramRef"))
            message = f"{_subject(document)}: spec.paramRef is ignored: policy '{policy.name}' has no paramKind"
            self._notes.append(Problem(document.file, position.line, position.column, message))


def _follows(path: Path, wrong: Path) -> bool:
    """Whether what is wrong at `path` may come of the wrong type at `wrong`: below it, or of the list that it is in."""
    return path[: len(wrong)] == wrong or (path == wrong[:-1] and isinstance(wrong[-1], int))


def _subject(document: Document) -> str:
    name = (document.value.get("metadata") or {}).get("name")
    return f"{document.value['kind']} '{name}'" if name else str(document.value["kind"])


def _name(binding: Binding) -> str:
    return binding.name


def _place(placed: AnyPolicy | Binding) -> str:
    return f"{placed.file}:{placed.line}"
