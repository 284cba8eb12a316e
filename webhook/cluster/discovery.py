"""API discovery: the resource of a kind, that is, its plural and whether it is namespaced.

Every authenticated user may read it
(https://kubernetes.io/docs/reference/using-api/api-concepts/#unaggregated-discovery).
"""

from __future__ import annotations

from urllib.parse import quote

from webhook.cluster.connection import APIError, Connection
from webhook.schema import Resource


def discover(connection: Connection, api_version: str, kind: str) -> Resource | None:
    """The listable resource of a kind; None if the cluster serves none. Raises APIError, Unreachable."""
    try:
        answer = connection.get(_root(api_version))
    except APIError as error:
        if error.status == 404:
            return None
        raise
    group, _, version = api_version.rpartition("/")
    for found in answer.get("resources") or ():
        name = found["name"]
        if found["kind"] == kind and "/" not in name and "list" in (found.get("verbs") or ()):
            return Resource(group, version, kind, name, found.get("namespaced") is True)
    return None


def collection(resource: Resource, namespace: str) -> str:
    """The URL path that lists a resource, in one namespace or ("") in all."""
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace and resource.namespaced else ""
    return f"{_root(resource.api_version)}{within}/{quote(resource.plural, safe='')}"


def _root(api_version: str) -> str:
    return f"/{'apis' if '/' in api_version else 'api'}/{quote(api_version, safe='/')}"
