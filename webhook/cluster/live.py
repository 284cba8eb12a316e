"""The ClusterView over a live cluster: a cache of each kind that the policies look up.

No lookup waits for the network, or for a lock: each reads the snapshot that a cache's thread has left there. Whether a
user may do something cannot be kept at hand; `ReviewView` asks, for one review.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cluster.cache import Cache, State
from webhook.cluster.connection import APIError, Connection, Unreachable
from webhook.cluster.lookups import NAMESPACES_KIND, Lookups, Target
from webhook.cluster.subjectaccess import ask
from webhook.cluster.view import Answer, NotAtHand, Question, Unanswered, UnknownKind
from webhook.schema import Kinds

if TYPE_CHECKING:
    from kubernetes.client import Configuration

MAX_QUESTIONS = 64
"""Questions about access in one review; each may take the API server a while."""

NAMESPACE_PATIENCE = 1.0
"""Seconds that a review waits for its own Namespace to appear: it was created a moment ago, and the watch will tell."""

_ASKING = 8  # questions about access that are asked at once
_LOOK_AGAIN = 0.01  # seconds


class LiveView:
    """Everything that `lookups` has, once it is started. `changed` is told of each cache's changes, from any thread."""

    def __init__(self, lookups: Lookups, changed: Callable[[Cache], None] = lambda cache: None) -> None:
        self._lookups = lookups
        self._tell = changed
        self._lock = threading.Lock()  # of the kinds, which are worked out anew by the caches' threads
        self._kinds = Kinds.builtin()
        self.caches = tuple(Cache(target, self._changed) for target in lookups.targets)
        """One a target, in their order."""
        self._by_kind: dict[tuple[str, str], tuple[Cache, ...]] = {}
        for cache in self.caches:
            kind = cache.target[:2]
            self._by_kind[kind] = (*self._by_kind.get(kind, ()), cache)
        self._connection: Connection | None = None
        self._threads: list[threading.Thread] = []
        self._executor: ThreadPoolExecutor | None = None
        self.asked: Counter[str] = Counter()
        """Questions about access, by what came of them: allowed, refused, error."""

    def start(self, configuration: Configuration) -> None:
        """Begin to list and watch. In the process that asks: threads do not survive a fork."""
        self._connection = Connection(configuration, len(self.caches) + _ASKING)
        if self._lookups.access:
            self._executor = ThreadPoolExecutor(_ASKING, thread_name_prefix="access")
        for cache in self.caches:
            # As daemons: one that waits for a server which does not answer keeps no process from ending.
            thread = threading.Thread(
                target=cache.run, args=(self._connection,), name=f"cache {cache.target}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self, seconds: float = 1.0) -> None:
        """End all watches; what has not ended after that many seconds is left behind."""
        for cache in self.caches:
            cache.stop()
        if self._connection is not None:
            self._connection.close()
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def waits_for(self) -> str | None:
        """What has not been listed yet, and why not; None if all has."""
        waiting = [cache for cache in self.caches if cache.state is State.WAITING]
        if not waiting:
            return None
        told = (f"{cache.target} ({cache.problem})" if cache.problem else str(cache.target) for cache in waiting)
        return f"waiting for the cluster's {', '.join(told)}"

    @property
    def kinds(self) -> Kinds:
        """The kinds that Kubernetes has, and of those that are looked up the ones that this cluster serves."""
        return self._kinds

    def namespace(self, name: str) -> Answer:
        """See ClusterView. Raises Unanswered where it is not known: it may have been created a moment ago."""
        answer = self.get(*NAMESPACES_KIND, name)
        if answer.value is None:
            raise Unanswered(name)
        return answer

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        cache = self._cache(api_version, kind, namespace or "", name)
        resource = cache.resource
        where = (namespace or "") if resource is None or resource.namespaced else ""
        return Answer(cache.snapshot.get(where, name), cache.age)

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        cache = self._cache(api_version, kind, namespace or "", "")
        return Answer(cache.snapshot.list(namespace), cache.age)

    def authorize(self, access: Access) -> AccessDecision:
        """Raises Unanswered: it takes the network. See `for_review`."""
        raise Unanswered(access)

    def for_review(self, until: float) -> ReviewView:
        """The same for one review that is to be answered by then, in the event loop's time."""
        return ReviewView(self, until)

    async def access(self, access: Access, seconds: float) -> AccessDecision:
        """Ask the API server. Raises AccessUnknown where there is no answer within that time."""
        try:
            decision = await self._access(access, seconds)
        except AccessUnknown:
            self.asked["error"] += 1
            raise
        self.asked["error" if decision.error else "allowed" if decision.allowed else "refused"] += 1
        return decision

    async def _access(self, access: Access, seconds: float) -> AccessDecision:
        if self._connection is None or self._executor is None:
            raise AccessUnknown(f"nobody here asks the authorizer: {access}")
        answer = asyncio.get_running_loop().run_in_executor(self._executor, ask, self._connection, access, seconds)
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            why = f"no answer within {seconds:.1f} s"
        except (APIError, Unreachable) as error:
            why = str(error)
        raise AccessUnknown(f"the API server could not be asked about access ({why}): {access}")

    def _cache(self, api_version: str, kind: str, namespace: str, name: str) -> Cache:
        wanted = Target(api_version, kind, namespace, name)
        for cache in self._by_kind.get((api_version, kind), ()):
            target = cache.target
            # What is cluster-scoped is in every namespace.
            if not target.covers(wanted) and not (_cluster_scoped(cache) and target.name in ("", name)):
                continue
            if cache.state is State.WAITING:
                raise NotAtHand(f"{kind} of {api_version} has not been listed yet{_because(cache)}")
            if cache.state is State.NOT_SERVED:
                raise UnknownKind(api_version, kind)
            return cache
        if self._kinds.for_kind(api_version, kind) is None:
            raise UnknownKind(api_version, kind)
        raise NotAtHand(f"{wanted} is not kept at hand here")

    def _changed(self, cache: Cache) -> None:
        with self._lock:
            builtin = Kinds.builtin()
            served = [each.resource for each in self.caches if each.resource and each.state is not State.NOT_SERVED]
            absent = {each.target[:2] for each in self.caches if each.state is State.NOT_SERVED}
            self._kinds = builtin.with_resources(served, without=absent)
        self._tell(cache)


class ReviewView:
    """The ClusterView of one review: what it had to wait for is asked once, and answered at every evaluation."""

    def __init__(self, live: LiveView, until: float) -> None:
        self._live = live
        self._until = until
        self._access: dict[Access, AccessDecision | AccessUnknown] = {}
        self._absent: set[str] = set()

    async def find_out(self, question: Question) -> None:
        """Wait for the answer to what an evaluation gave up at. Never raises, and takes no longer than is left."""
        if isinstance(question, str):
            await self._await_namespace(question)
            return
        left = self._until - asyncio.get_running_loop().time()
        answer: AccessDecision | AccessUnknown
        if len(self._access) >= MAX_QUESTIONS:
            answer = AccessUnknown(f"more than {MAX_QUESTIONS} questions about access in one review: {question}")
        elif left <= 0:
            answer = AccessUnknown(f"the review's time is over: {question}")
        else:
            try:
                answer = await self._live.access(question, left)
            except AccessUnknown as error:
                answer = error
        self._access[question] = answer

    async def _await_namespace(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        until = min(self._until, loop.time() + NAMESPACE_PATIENCE)
        while loop.time() < until:
            await asyncio.sleep(_LOOK_AGAIN)
            try:
                if self._live.get(*NAMESPACES_KIND, name).value is not None:
                    return
            except LookupError:  # as it is told at the next evaluation
                return
        self._absent.add(name)

    @property
    def kinds(self) -> Kinds:
        """See ClusterView."""
        return self._live.kinds

    def namespace(self, name: str) -> Answer:
        """See ClusterView. Raises Unanswered at the first time that it is not known."""
        if name in self._absent:
            return self._live.get(*NAMESPACES_KIND, name)
        return self._live.namespace(name)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        return self._live.get(api_version, kind, name, namespace)

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        return self._live.list(api_version, kind, namespace)

    def authorize(self, access: Access) -> AccessDecision:
        """See ClusterView. Raises Unanswered at the first time that it is asked."""
        answer = self._access.get(access)
        if answer is None:
            raise Unanswered(access)
        if isinstance(answer, AccessUnknown):
            raise AccessUnknown(str(answer))  # a new one: a kept error would gather tracebacks
        return answer


def _cluster_scoped(cache: Cache) -> bool:
    return cache.resource is not None and not cache.resource.namespaced


def _because(cache: Cache) -> str:
    return f" ({cache.problem})" if cache.problem else ""


def describe(cache: Cache) -> dict[str, Any]:
    """What a log line tells of a cache whose state has changed; no object, and nothing of one."""
    told: dict[str, Any] = {"objects_of": str(cache.target), "state": str(cache.state)}
    if cache.state is State.SYNCED:
        told |= {"objects": cache.snapshot.count, "restarts": cache.counts.restarts}
    elif cache.problem:
        told["message"] = cache.problem
    return told
