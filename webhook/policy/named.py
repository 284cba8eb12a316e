"""How a request names the resource and the type of its object.

Without msgspec, unlike webhook.policy.request: policy authors import this through `gatewright`, in tests and editors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

JSONObject = dict[str, Any]


class GroupVersionResource(NamedTuple):
    """An API resource. The core group is the empty string: ("", "v1", "pods")."""

    group: str
    version: str
    resource: str


class GroupVersionKind(NamedTuple):
    """The type of an object. The core group is the empty string: ("", "v1", "Pod")."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """The apiVersion of manifests: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version
