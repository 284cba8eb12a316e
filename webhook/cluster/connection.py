"""A blocking connection to the API server on top of the `kubernetes` client: JSON requests and watches.

The client's typed models are not used, because policies look up objects of any kind as plain JSON. The `kubernetes`
package takes a second to import, so functions import it when they connect.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

if TYPE_CHECKING:
    from kubernetes.client import Configuration

TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where the kubelet mounts a service account's token."""

CONNECT_TIMEOUT = 10.0  # seconds
_KUBECONFIG = "~/.kube/config"
_SHOWN = 500  # characters of a server's message that errors quote
_MAX_DIGITS = 6  # of a Retry-After in seconds
_MAX_LINE = 64 << 20  # bytes of one watch event; an object has at most 3 MiB

Where = Literal["in-cluster", "kubeconfig"]
Query = list[tuple[str, str]]
Object = dict[str, Any]


class ConfigurationError(Exception):
    """No usable address or credentials of the API server; the text says what is missing."""


class APIError(Exception):
    """The API server responded with an error: its HTTP status and message.

    `token`: of a list whose continue token has expired (410), the one that goes on with the next key all the same, or
    "". `retry_after`: the seconds that the server asks its clients to wait, 0 if it does not.
    """

    def __init__(self, status: int, message: str, *, token: str = "", retry_after: float = 0.0) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.token = token
        self.retry_after = retry_after


class Unreachable(Exception):
    """No response, a response that broke off, or one that is not JSON; the text says which."""


def in_cluster() -> bool:
    """Whether this process runs in a Pod that has a service account's token."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and TOKEN.is_file()


def configuration(where: Where, kubeconfig: Path | None = None, context: str = "") -> Configuration:
    """The client configuration for the Pod's service account or for a context of a kubeconfig file.

    `kubeconfig` None: the file that KUBECONFIG names, else ~/.kube/config. context: "" for the current one. Raises
    ConfigurationError.
    """
    try:
        from kubernetes import config
        from kubernetes.client import Configuration
    except ModuleNotFoundError as error:
        if error.name != "kubernetes":
            raise
        raise ConfigurationError("the client of clusters is not installed: pip install 'gatewright[cluster]'") from None

    found = Configuration()
    if where == "kubeconfig" and (missing := _missing(kubeconfig)):
        raise ConfigurationError(missing)
    try:
        if where == "in-cluster":
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
        else:
            file = None if kubeconfig is None else str(kubeconfig)
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=file, context=context or None, client_configuration=found, persist_config=False
            )
    except (config.ConfigException, OSError, ValueError, TypeError, KeyError) as error:
        source = "the service account's token" if where == "in-cluster" else f"kubeconfig {kubeconfig or ''}".strip()
        raise ConfigurationError(f"{source}: {' '.join(str(error).split())[:_SHOWN]}") from None
    found.retries = False  # callers have their own retries
    found.client_side_validation = False
    return found


def _missing(kubeconfig: Path | None) -> str:
    """Why there is no kubeconfig to read; "" if there is a file."""
    if kubeconfig is not None:
        return "" if _exists(str(kubeconfig)) else f"kubeconfig {kubeconfig}: no such file"
    named = os.environ.get("KUBECONFIG", "")
    if any(_exists(each) for each in (named or _KUBECONFIG).split(os.pathsep) if each):
        return ""
    if named:
        return f"kubeconfig: KUBECONFIG names no file that is there: {named[:_SHOWN]}"
    return f"kubeconfig: there is no {_KUBECONFIG}; name a file with KUBECONFIG or --kubeconfig"


def _exists(name: str) -> bool:
    return os.path.exists(os.path.expanduser(name))  # noqa: PTH110, PTH111  # of ~unknown pathlib raises an error


class Connection:
    """A thread-safe connection to the API server. `connections`: the requests and watches that can be open at once."""

    def __init__(self, configuration: Configuration, connections: int) -> None:
        from kubernetes.client import ApiClient

        configuration.connection_pool_maxsize = connections
        self.server = configuration.host.rpartition("@")[2]  # the address, without credentials
        self._client = ApiClient(configuration)
        self._client.user_agent = "gatewright"
        self._lock = threading.Lock()
        self._watching: set[Watch] = set()
        self._closed = False

    def get(self, path: str, query: Query | None = None, timeout: float = 30.0) -> Object:
        """The JSON object that a GET returns. timeout: seconds between two reads. Raises APIError, Unreachable."""
        return self._answered("GET", path, query or [], None, timeout)

    def sized(self, path: str, query: Query, timeout: float) -> tuple[Object, int]:
        """As `get`, with the bytes of the JSON text."""
        text = self._text("GET", path, query, None, timeout)
        return _object(text), len(text)

    def post(self, path: str, body: Object, timeout: float) -> Object:
        """The JSON object that a POST of `body` returns. timeout: seconds between two reads.

        Raises APIError, Unreachable.
        """
        return self._answered("POST", path, [], body, timeout)

    def patch(self, path: str, body: Object, timeout: float) -> Object:
        """The JSON object that a PATCH with a merge patch (RFC 7386) returns. As `post` otherwise."""
        return self._answered("PATCH", path, [], body, timeout)

    def apply(self, path: str, body: Object, manager: str, timeout: float) -> Object:
        """The object that a server-side apply makes, which takes fields over from others. manager: of the fields. As
        `post` otherwise."""
        query = [("fieldManager", manager), ("force", "true")]
        return self._answered("PATCH", path, query, body, timeout, "application/apply-patch+yaml")

    def delete(self, path: str, body: Object, timeout: float) -> Object:
        """The answer to a DELETE with these options. Otherwise like `post`."""
        return self._answered("DELETE", path, [], body, timeout)

    def watch(self, path: str, query: Query, silence: float) -> Watch:
        """An open watch: the server has responded with 200. silence: seconds without a byte after which it ends.

        Callers pass it to `ended` once they no longer read it. Raises APIError, Unreachable.
        """
        response = self._request("GET", path, query, None, silence)
        if response.status != 200:
            raise _error(response)
        watch = Watch(response)
        with self._lock:
            closed = self._closed
            if not closed:
                self._watching.add(watch)
        if closed:
            watch.close()
            raise Unreachable("shutting down")
        return watch

    def ended(self, watch: Watch) -> None:
        """Close a watch that is no longer read."""
        with self._lock:
            self._watching.discard(watch)
        watch.close()

    def close(self) -> None:
        """End all watches, from any thread: their readers get Unreachable."""
        with self._lock:
            self._closed = True
            watching = list(self._watching)
        for watch in watching:
            watch.cut()

    def _answered(
        self, method: str, path: str, query: Query, body: Object | None, timeout: float, content_type: str = ""
    ) -> Object:
        return _object(self._text(method, path, query, body, timeout, content_type))

    def _text(
        self, method: str, path: str, query: Query, body: Object | None, timeout: float, content_type: str = ""
    ) -> bytes:
        from urllib3.exceptions import HTTPError

        response = self._request(method, path, query, body, timeout, content_type)
        if not 200 <= response.status <= 299:
            raise _error(response)
        try:
            text: bytes = response.read()
        except (HTTPError, OSError) as error:
            raise Unreachable(_reason(error)) from None
        return text

    def _request(
        self, method: str, path: str, query: Query, body: Object | None, timeout: float, content_type: str = ""
    ) -> Any:
        """The response, with its body not yet read."""
        from kubernetes.client import ApiException
        from kubernetes.config import ConfigException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = content_type or "application/merge-patch+json"
        try:
            parameters = self._client.param_serialize(
                method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            timeouts = (min(CONNECT_TIMEOUT, timeout), timeout)
            return self._client.call_api(*parameters, _request_timeout=timeouts).response
        except (HTTPError, ApiException, ConfigException, OSError) as error:
            raise Unreachable(_reason(error)) from None


class Watch:
    """An open watch."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def events(self) -> Iterator[list[Object]]:
        """Batches of events: each batch is what one read returned. Ends when the server ends the watch.

        Raises Unreachable.
        """
        from urllib3.exceptions import HTTPError

        rest = b""
        try:
            for piece in self._response.stream(1 << 20, decode_content=True):
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > _MAX_LINE:
                    raise Unreachable(f"the watch sent an event of more than {_MAX_LINE >> 20} MiB")
                events = [orjson.loads(line) for line in lines if line]
                if not all(isinstance(event, dict) for event in events):
                    raise Unreachable("the watch sent an event that is not a JSON object")
                if events:
                    yield events
        except orjson.JSONDecodeError:
            raise Unreachable("the watch sent an event that is not JSON") from None
        except (HTTPError, OSError, ValueError, AttributeError) as error:  # the latter two come from `cut`
            raise Unreachable(_reason(error)) from None

    def cut(self) -> None:
        """End the watch from another thread; the reader gets Unreachable."""
        connection = getattr(self._response, "connection", None)
        opened = getattr(connection, "sock", None)
        if opened is not None:
            with contextlib.suppress(OSError):  # shuts down the TCP socket: the reading thread is using the TLS one
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def close(self) -> None:
        self._response.close()
        self._response.release_conn()


def _object(text: bytes) -> Object:
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unreachable("the response is not JSON") from None
    if not isinstance(answer, dict):
        raise Unreachable("the response is not a JSON object")
    return answer


def _error(response: Any) -> APIError:
    """The message of the response's Status object; without one, the HTTP reason phrase."""
    from urllib3.exceptions import HTTPError

    message = str(response.reason or "")
    try:
        status = orjson.loads(response.read())
    except (orjson.JSONDecodeError, HTTPError, OSError):
        status = None
    token = ""
    if isinstance(status, dict) and isinstance(status.get("message"), str):
        message = status["message"]
        metadata = status.get("metadata")
        found = metadata.get("continue") if isinstance(metadata, dict) else None
        token = found if isinstance(found, str) else ""
    asked = str(response.headers.get("Retry-After") or "")
    retry_after = float(asked) if asked.isascii() and asked.isdigit() and len(asked) <= _MAX_DIGITS else 0.0
    return APIError(int(response.status), " ".join(message.split())[:_SHOWN], token=token, retry_after=retry_after)


def _reason(error: BaseException) -> str:
    """The innermost cause of an error of urllib3 or the system, as one line. Of the request it names only the host."""
    cause: BaseException = error
    for _ in range(5):  # urllib3 nests errors in `reason`
        inner = getattr(cause, "reason", None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return f"{type(cause).__name__}: {' '.join(text.split())}"[:_SHOWN]
