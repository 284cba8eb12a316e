"""A policy tree → the kustomization that ships it: the policies as a ConfigMap, their params as objects of the cluster.

CI enforces a folder; the cluster enforces a list of files. The list is written here from
the folder, as the registration is, so that no policy can be in one and missing in the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from webhook.documents import reader
from webhook.documents.reader import Problem
from webhook.documents.yamlwriting import dumped
from webhook.policy.load.treefiles import walk
from webhook.policy.policyset import PolicySet
from webhook.policy.written.policykinds import EXCEPTION, POLICY_KINDS, is_own
from webhook.registration.configurations import comment
from webhook.visible import visible

FILE: Final = "kustomization.yaml"
MOST: Final = 1 << 20
"""Bytes that the values of a ConfigMap may have (k8s.io/kubernetes, ValidateConfigMap, MaxSecretSize)."""
MOST_APPLIED: Final = 256 << 10
"""Bytes that all annotations of an object may have. `kubectl apply` keeps the whole object in one."""

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_WARN = "warn"


class ShippingError(ValueError):
    """A tree that cannot be shipped. `problems`: why, each with its file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Shipment(Struct, frozen=True):
    """What of a tree goes to the cluster, by paths relative to the tree with "/", sorted.

    `files`: keys of the ConfigMap, each with its file. `warning`: the same, with `_NAME.warn.yaml` for NAME.yaml where
    there is one; empty if there is none. `params`: the files with the objects that bindings name. `size`: the bytes of
    the files; `applied`: about those that `kubectl apply` keeps of them in an annotation. `notes`: files that are not
    shipped, and why.
    """

    files: tuple[tuple[str, str], ...]
    warning: tuple[tuple[str, str], ...]
    params: tuple[str, ...]
    size: int
    applied: int
    notes: tuple[Problem, ...]


def shipment(tree: Path, policies: PolicySet, *, files_too: bool = True) -> Shipment:
    """What of the tree that `policies` were loaded from is shipped. Raises ShippingError, also for a tree too large.

    A policy without a binding never runs, so it stays here, and its params too; unless an exception names it.
    files_too: whether its files become a ConfigMap; without, they may have any size and any names.
    """
    if not tree.is_dir():
        raise ShippingError([Problem(str(tree), None, None, "is no folder; only a folder can be shipped")])
    files: dict[str, str] = {}
    params: list[str] = []
    problems: list[Problem] = []
    notes: list[Problem] = []
    wanted = Params(policies)
    bound = [policy for policy in policies.policies if policy.bindings or policy.exceptions]
    kept = {policy.file for policy in bound} | {binding.file for binding in policies.bindings}
    for file in walk(tree)[0]:
        name = file.relative_to(tree).as_posix()
        kinds = _Kinds(file, wanted)
        if kinds.policies and not kinds.exceptions and str(file) not in kept:
            continue  # of a policy that the API server runs itself, or that nothing binds
        if kinds.policies and kinds.params:
            message = "has policies and params of theirs; give the params a file of their own, which kubectl applies"
            problems.append(Problem(str(file), None, None, message))
        elif kinds.policies:
            key = name.replace("/", ".")
            if not files_too:
                pass
            elif not _KEY.fullmatch(key):
                message = f"cannot be the key {visible(key)} of a ConfigMap: expected letters, digits, '-', '_' and '.'"
                problems.append(Problem(str(file), None, None, message))
            elif key in files:
                message = f"has the key {key} in the ConfigMap, as {files[key]} has; rename one of them"
                problems.append(Problem(str(file), None, None, message))
            files[key] = name
        elif kinds.params:
            params.append(name)
        elif kinds.others:
            message = f"is not shipped: no binding names the {kinds.others} in it"
            notes.append(Problem(str(file), None, None, message))
    notes += wanted.missing()
    contents = {key: (tree / name).read_bytes() for key, name in files.items()}
    size = sum(map(len, contents.values()))
    if files_too and size > MOST:
        problems.append(Problem(str(tree), None, None, _too_large(size, len(files))))
    if problems:
        raise ShippingError(problems)
    warning = {key: _warning(tree, name) for key, name in files.items()}
    return Shipment(
        files=tuple(sorted(files.items())),
        warning=tuple(sorted(warning.items())) if warning != files else (),
        params=tuple(sorted(params)),
        size=size,
        applied=_applied(contents),
        notes=tuple(notes),
    )


def text(shipped: Shipment, name: str, command: str, *, steady: bool = False) -> str:
    """The kustomization, in YAML. `name`: of the registration; `command`: the command line that the header names.

    `steady`: whether the ConfigMap keeps its name when a policy changes, so that running Pods see the change.
    """
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    parts = [
        *comment(f"Generated by `{command}`: change the policies, not this."),
        *comment(
            "The policies as a ConfigMap, which manifests/base mounts. A ConfigMap has no folders: the key says what "
            "the file is of. Tests are not shipped."
        ),
        dumped(head),
    ]
    if shipped.params:
        about = "Params are objects of their own, which the webhook watches: a change is in force a moment later."
        parts += [*comment(about), dumped({"resources": list(shipped.params)})]
    parts += comment(_STEADY if steady else _HASHED)
    options: dict[str, object] = {"disableNameSuffixHash": True} if steady else {}
    first = _generator(f"{name}-policies", shipped.files, options)
    parts.append(dumped({"configMapGenerator": [first]}).rstrip("\n"))
    if shipped.warning:
        parts += comment(
            "The same with the bindings that only warn, from files _NAME.warn.yaml: manifests/overlays/warn-only puts "
            "its data into the one above. It is marked as local, so it is never applied by itself."
        )
        local = {**options, "annotations": {"config.kubernetes.io/local-config": "true"}}
        parts.append(dumped([_generator(f"{name}-policies-{_WARN}", shipped.warning, local)]))
    return "\n".join(part.rstrip("\n") if part.startswith("#") else part for part in parts).rstrip("\n") + "\n"


def warnings(shipped: Shipment, tree: Path) -> Iterator[Problem]:
    """What an operator should know before the tree is applied."""
    if shipped.applied > MOST_APPLIED:
        yield Problem(
            str(tree),
            None,
            None,
            f"the policies have {shipped.size:,} bytes, so `kubectl apply` needs --server-side: without it, it keeps a "
            f"second copy in an annotation, which may have {MOST_APPLIED:,} bytes",
        )


def is_generated(content: str) -> bool:
    """Whether a kustomization was written here, so that it may be written anew."""
    return content.startswith("# Generated by `gatewright manifests")


_HASHED = (
    "The names end in a hash of the content: a changed policy is a changed Deployment, and its Pods are replaced one "
    "by one."
)
_STEADY = (
    "The name has no hash: the kubelet changes the files of running Pods, and each takes the change over by itself "
    "(docs/serve.md#changed-policies)."
)


def _generator(name: str, files: Iterable[tuple[str, str]], options: dict[str, object]) -> dict[str, object]:
    listed = [file if key == file else f"{key}={file}" for key, file in files]
    return {"name": name, "files": listed, **({"options": options} if options else {})}


def _too_large(size: int, count: int) -> str:
    return (
        f"the policies have {size:,} bytes in {count} files, and a ConfigMap holds {MOST:,}; ship them in the image, "
        "or in a volume that something else fills, at the place that GATEWRIGHT_POLICIES names "
        "(docs/operations/upgrade.md#a-tree-of-more-than-1-mib)"
    )


def _applied(contents: dict[str, bytes]) -> int:
    """About the bytes that `kubectl apply` writes into its annotation: JSON as Go writes it, with < > & escaped."""
    data = {key: content.decode("utf-8", "replace") for key, content in contents.items()}
    encoded = json.dumps({"apiVersion": "v1", "data": data, "kind": "ConfigMap"}, ensure_ascii=False)
    return len(encoded.encode()) + 5 * sum(encoded.count(each) for each in "<>&") + 512


def _warning(tree: Path, name: str) -> str:
    """The file that takes the place of another in the first roll-out; the file itself if there is none."""
    path = tree / name
    instead = path.with_name(f"_{path.stem}.{_WARN}{path.suffix}")
    return instead.relative_to(tree).as_posix() if instead.is_file() else name


class Params:
    """The objects that bindings name as params, and which of them the tree has."""

    def __init__(self, policies: PolicySet) -> None:
        self._wanted = [
            (policy.param_kind, binding.param_ref, binding)
            for policy in policies.policies
            for binding in policy.bindings
            if policy.param_kind is not None and binding.param_ref is not None
        ]
        self._unbound = [
            (policy.param_kind, policy.name)
            for policy in policies.policies
            if policy.param_kind is not None and not policy.bindings
        ]
        self._found: set[int] = set()

    def wait(self, value: Mapping[str, Any]) -> bool:
        """Whether the object has the name of a policy without a binding, NAME or NAME-…, and is of the kind of its
        params."""
        metadata = value.get("metadata") or {}
        name, kind = str(metadata.get("name")), (value.get("apiVersion"), value.get("kind"))
        return any(
            (each.api_version, each.kind) == kind and f"{name}-".startswith(f"{of}-") for each, of in self._unbound
        )

    def has(self, value: Mapping[str, Any]) -> bool:
        """Whether a binding names this object."""
        metadata = value.get("metadata") or {}
        name, namespace = metadata.get("name"), metadata.get("namespace") or ""
        wanted = False
        for index, (kind, ref, _) in enumerate(self._wanted):
            if (value.get("apiVersion"), value.get("kind")) != (kind.api_version, kind.kind):
                continue
            if ref.name in ("", name) and (not ref.namespace or not namespace or ref.namespace == namespace):
                self._found.add(index)
                wanted = True
        return wanted

    def missing(self) -> Iterator[Problem]:
        """A note on each binding whose params the tree does not have."""
        for index, (kind, ref, binding) in enumerate(self._wanted):
            if index not in self._found:
                named = " ".join(("", "/".join(filter(None, (ref.namespace, ref.name))))) if ref.name else ""
                message = (
                    f"{binding.kind} '{binding.name}' has params that the tree does not have: {kind.kind}{named} must "
                    "be in the cluster"
                )
                yield Problem(binding.file, binding.line, None, message)


class _Kinds:
    """What a file of the tree holds. `others`: a kind of object in it that is nothing else; "" if there is none."""

    def __init__(self, file: Path, wanted: Params) -> None:
        self.policies = file.suffix == ".py"
        self.exceptions = False
        self.params = False
        self.others = ""
        if self.policies:
            return
        documents, _ = reader.read([str(file)])
        for document in documents:
            value = document.value
            kind, own = value["kind"], is_own(value["apiVersion"])
            if kind in POLICY_KINDS:
                self.policies = True
            elif own and kind == EXCEPTION:
                self.policies = self.exceptions = True
            elif own:
                continue  # a test
            elif wanted.has(value):
                self.params = True
            elif not wanted.wait(value):
                self.others = str(kind)
