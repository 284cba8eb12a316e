"""A connection to the API server, on the `kubernetes` client: JSON in and out, and watches, all of it blocking.

The client's typed models are not used: objects of any kind are wanted, as plain JSON. Its package takes a second to
import, so it is imported only by who connects.
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
_SHOWN = 500  # characters of what a server says
_MAX_LINE = 64 << 20  # bytes of one event: an object is 3 MiB at most

Where = Literal["in-cluster", "kubeconfig"]
Query = list[tuple[str, str]]
Object = dict[str, Any]


class ConfigurationError(Exception):
    """It is not known where the API server is, or how to be let in; the text says what is missing."""


class APIError(Exception):
    """The API server answered with an error: an HTTP status, and what it said."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Unreachable(Exception):
    """There was no answer, or the answer broke off; the text says why."""


def in_cluster() -> bool:
    """Whether this process runs in a Pod that has a service account's token."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and TOKEN.is_file()


def configuration(where: Where, kubeconfig: Path | None = None) -> Configuration:
    """The client's configuration: of the Pod's service account, or of a kubeconfig file.

    Without a file: the one that KUBECONFIG names, else ~/.kube/config. Its current context counts. Raises
    ConfigurationError.
    """
    from kubernetes import config
    from kubernetes.client import Configuration

    found = Configuration()
    try:
        if where == "in-cluster":
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
        else:
            file = None if kubeconfig is None else str(kubeconfig)
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=file, client_configuration=found, persist_config=False
            )
    except (config.ConfigException, OSError, ValueError, TypeError, KeyError) as error:
        source = "the service account's token" if where == "in-cluster" else f"kubeconfig {kubeconfig or ''}".strip()
        raise ConfigurationError(f"{source}: {' '.join(str(error).split())[:_SHOWN]}") from None
    found.retries = False  # whoever asks knows better when to ask again
    found.client_side_validation = False
    return found


class Connection:
    """May be used by several threads at once: at most `connections` of them without waiting for each other."""

    def __init__(self, configuration: Configuration, connections: int) -> None:
        from kubernetes.client import ApiClient

        configuration.connection_pool_maxsize = connections
        self._client = ApiClient(configuration)
        self._client.user_agent = "gatewright"
        self._lock = threading.Lock()
        self._watching: set[Watch] = set()
        self._closed = False

    def get(self, path: str, query: Query | None = None, timeout: float = 30.0) -> Object:
        """A GET. timeout: seconds between two pieces of the answer. Raises APIError, Unreachable."""
        return self._answered("GET", path, query or [], None, timeout)

    def post(self, path: str, body: Object, timeout: float) -> Object:
        """A POST of JSON. Raises APIError, Unreachable."""
        return self._answered("POST", path, [], body, timeout)

    def watch(self, path: str, query: Query, silence: float) -> Watch:
        """A watch that has begun: the server has said yes. silence: seconds without a byte after which it is over.

        Raises APIError, Unreachable.
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
        """To be called once a watch is no longer read."""
        with self._lock:
            self._watching.discard(watch)
        watch.close()

    def close(self) -> None:
        """End all watches, from any thread: those that read them are told that they broke off."""
        with self._lock:
            self._closed = True
            watching = list(self._watching)
        for watch in watching:
            watch.cut()

    def _answered(self, method: str, path: str, query: Query, body: Object | None, timeout: float) -> Object:
        from urllib3.exceptions import HTTPError

        response = self._request(method, path, query, body, timeout)
        if not 200 <= response.status <= 299:
            raise _error(response)
        try:
            answer = orjson.loads(response.read())
        except orjson.JSONDecodeError:
            raise Unreachable("the answer is not JSON") from None
        except (HTTPError, OSError) as error:
            raise Unreachable(_reason(error)) from None
        if not isinstance(answer, dict):
            raise Unreachable("the answer is no JSON object")
        return answer

    def _request(self, method: str, path: str, query: Query, body: Object | None, timeout: float) -> Any:
        """The answer's head, its body still to be read."""
        from kubernetes.client import ApiException
        from kubernetes.config import ConfigException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json"}
        try:
            parameters = self._client.param_serialize(
                method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            timeouts = (min(CONNECT_TIMEOUT, timeout), timeout)
            return self._client.call_api(*parameters, _request_timeout=timeouts).response
        except (HTTPError, ApiException, ConfigException, OSError) as error:
            raise Unreachable(_reason(error)) from None


class Watch:
    """The events of a watch, as they come."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def events(self) -> Iterator[list[Object]]:
        """The events, each time all that came at once. Ends when the server ends the watch. Raises Unreachable."""
        from urllib3.exceptions import HTTPError

        rest = b""
        try:
            for piece in self._response.stream(1 << 20, decode_content=True):
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > _MAX_LINE:
                    raise Unreachable("the watch sends an event without an end")
                events = [orjson.loads(line) for line in lines if line]
                if not all(isinstance(event, dict) for event in events):
                    raise Unreachable("the watch sends what is no event")
                if events:
                    yield events
        except orjson.JSONDecodeError:
            raise Unreachable("the watch sends what is not JSON") from None
        except (HTTPError, OSError, ValueError, AttributeError) as error:  # the latter two: it was cut
            raise Unreachable(_reason(error)) from None

    def cut(self) -> None:
        """End it from another thread than the one that reads it, which then is told."""
        connection = getattr(self._response, "connection", None)
        opened = getattr(connection, "sock", None)
        if opened is not None:
            with contextlib.suppress(OSError):  # of the socket, not of TLS: the reader is within that
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def close(self) -> None:
        self._response.close()
        self._response.release_conn()


def _error(response: Any) -> APIError:
    """What a server says in a Status; of anything else only the HTTP status is told."""
    from urllib3.exceptions import HTTPError

    message = str(response.reason or "")
    try:
        said = orjson.loads(response.read())
    except (orjson.JSONDecodeError, HTTPError, OSError):
        said = None
    if isinstance(said, dict) and isinstance(said.get("message"), str):
        message = said["message"]
    return APIError(int(response.status), " ".join(message.split())[:_SHOWN])


def _reason(error: BaseException) -> str:
    """One line of what urllib3 or the system says. Nothing of a request stands in it but where it went."""
    cause: BaseException = error
    for _ in range(5):  # they are packed into each other
        inner = getattr(cause, "reason", None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return f"{type(cause).__name__}: {' '.join(text.split())}"[:_SHOWN]
