"""What kubectl could create from a document, or from a part of a text that cannot be read, and what it could not.

A repository holds much besides manifests. Only what kubectl could not create either is left out of a check; what is
likely to be meant as an object, and is none, is an error (docs/decisions/021-files.md).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from webhook.documents.kustomizations import GROUP
from webhook.documents.reader import Unread
from webhook.offline.leftout import BINARY, NOTHING, TEMPLATE
from webhook.schema import Kinds

# Of tools that run on a laptop or a node: objects in form, which no API server knows.
_CLIENT_GROUPS: Final = frozenset(
    {
        *("apiserver.config.k8s.io", "audit.k8s.io", "client.authentication.k8s.io", "kubeadm.k8s.io"),
        *("kubelet.config.k8s.io", "kubeproxy.config.k8s.io", "kubescheduler.config.k8s.io", GROUP),
        *("backstage.io", "ctlptl.dev", "eksctl.io", "k0sctl.k0sproject.io", "k3d.io", "kind.x-k8s.io", "skaffold"),
    }
)


ACTION: Final = "{{"
"""What begins an action of a template of Helm."""

_ACTIONS: Final = (ACTION, "{%")  # of Helm, gomplate, consul-template; of Jinja (Ansible, cookiecutter) and Liquid


DEFINITION: Final = "CustomResourceDefinition"
"""The kind of what defines kinds."""


def is_definition(value: Any) -> bool:
    """Whether a document is a CustomResourceDefinition."""
    return isinstance(value, dict) and value.get("kind") == DEFINITION


def creates_something(value: Any, groups: Collection[str]) -> bool:
    """Whether kubectl may create an object from a document. It needs a kind, an apiVersion and a name.

    A list of objects needs a kind alone: without an apiVersion `kubectl create --validate=false` sends its items.
    """
    if not isinstance(value, dict) or not _is_text(value.get("kind")):
        return False
    if not _is_text(value.get("apiVersion")):
        return "items" in value
    group = value["apiVersion"].rpartition("/")[0]
    metadata = value.get("metadata")
    named = isinstance(metadata, dict) and any(metadata.get(name) for name in ("name", "generateName"))
    kubeconfig = (value["apiVersion"], value["kind"]) == ("v1", "Config")
    kustomize = value["apiVersion"] == "builtin"  # kustomize's own transformers
    if group in groups and not kubeconfig and not kustomize:
        return True
    client = kubeconfig or kustomize or (group or value["apiVersion"]) in _CLIENT_GROUPS
    return (named and not client) or "items" in value


def resembles_an_object(value: Any) -> bool:
    """Whether a document that creates nothing is likely to be meant as an object, and must not pass silently."""
    if not isinstance(value, dict):
        return False
    kind, metadata = value.get("kind"), value.get("metadata")
    body = any(name in value for name in ("spec", "data", "stringData", "rules", "subjects"))
    if _is_text(value.get("apiVersion")):
        return "kind" not in value and (isinstance(metadata, dict) or body)
    if _is_text(kind):  # alone it is mostly a value: `kind: DaemonSet` stands in the values of many charts
        return str(kind)[:1].isupper() and (isinstance(metadata, dict) or body)
    return isinstance(metadata, dict) and body


def why_unread(unread: Unread) -> str:
    """Why a part that cannot be read is left out; "" if it is a problem.

    Only what kubectl cannot read either is left out. A byte order mark within a text is read by kubectl alone.
    """
    if not unread.grammar or "\ufeff" in unread.text:
        return ""
    named = all(word in unread.text for word in ("kind", "apiVersion"))
    if unread.binary:
        return "" if named else BINARY
    if any(action in unread.text for action in _ACTIONS):
        return TEMPLATE
    return "" if named else NOTHING


_RBAC: Final = "rbac.authorization.k8s.io"


def is_named_by_template(value: dict[str, Any], kinds: Kinds) -> bool:
    """Whether the API server must refuse an object of a chart's template as it stands, for `{{` in what names it.

    Names of RBAC objects may have it, annotations of all objects; and cluster-scoped objects lose their namespace.
    """
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or not _is_text(value.get("apiVersion")):
        return False
    identity = [value["apiVersion"], value["kind"]]
    resource = kinds.for_kind(value["apiVersion"], value["kind"])
    if resource is not None and resource.namespaced:
        identity.append(metadata.get("namespace"))
    if not value["apiVersion"].startswith(f"{_RBAC}/"):
        identity.append(metadata.get("name") or metadata.get("generateName"))
    if isinstance(labels := metadata.get("labels"), dict):
        identity += [*labels, *labels.values()]
    return any(isinstance(each, str) and ACTION in each for each in identity)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
