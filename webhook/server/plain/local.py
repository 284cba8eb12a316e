"""Which requests to the plain port come from this host: `kubectl port-forward` and `kubectl exec`, and nobody else."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest

OF_PROXIES: Final = ("forwarded", "via", "x-real-ip", "x-forwarded-", "x-envoy-", "l5d-")
"""How the headers begin that say that a request came by a proxy. One in front of the port, such as a service mesh's in
the Pod, makes its clients look local. That of a mesh may name no client: Envoy adds X-Forwarded-Proto, Linkerd
l5d-client-id."""

_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
_OWN_SITE: Final = ("none", "same-origin")


def is_local(client: str) -> bool:
    """Whether the address is of the loopback interface."""
    try:
        address = ip_address(client)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _admit_local(request: HTTPRequest, what: str) -> None:
    client = request.client.host if request.client is not None else ""
    if not is_local(client) or any(name.startswith(OF_PROXIES) for name in request.headers):
        raise HTTPException(403, f"{what} is for clients on the loopback interface, such as kubectl port-forward")


def admit_own(request: HTTPRequest, what: str) -> None:
    """Raise 403 if the client is not on this host, or is a web page of another site.

    what: what it asks for, as the message names it. A page asks through the browser of somebody who is on this host.

    A browser sends what such a page asks from the loopback interface, too. The Host is that page's own then (its name
    may lead here: DNS rebinding), or Sec-Fetch-Site says that another site asks.
    """
    _admit_local(request, what)
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _HOSTS:
        raise HTTPException(403, f"{what} is for http://localhost and http://127.0.0.1; ask for it there")
    if request.headers.get("sec-fetch-site", "none") not in _OWN_SITE:
        raise HTTPException(403, f"{what} is not for pages of other sites; open it in a tab of its own")
