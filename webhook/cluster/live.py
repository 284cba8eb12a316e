"""The ClusterView over a live cluster: one cache for each kind that the policies look up.

Lookups wait for neither the network nor a lock: each reads the latest snapshot of a cache. Access checks
(SubjectAccessReview) cannot be cached; `ReviewView` sends them, for one review.
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
from webhook.cluster.view import Answer, NotCached, Question, Unanswered, UnknownKind
from webhook.schema import Kinds

if TYPE_CHECKING:
    from kubernetes.client import Configuration

MAX_QUESTIONS = 64
"""Access checks in one review; each is a request to the API server."""

NAMESPACE_PATIENCE = 1.0
"""Seconds that a review waits for its own Namespace to appear in the cache, where the watch may lag behind."""

_ASKING = 8  # access checks in flight at once
_SPARE = 32  # connections for the caches that successors of a view add
_POLL = 0.01  # seconds between two lookups of a Namespace that is waited for
_LONGER = 0.5  # seconds that a request may outlive the wait for its answer


class LiveView:
    """Caches what `lookups` names, once started.

    `changed` is called from the caches' threads, with each cache that changes state. `before`: the view that this one
    will succeed. Caches that both need are shared, so that nothing is listed twice.
    """

    def __init__(
        self,
        lookups: Lookups,
        changed: Callable[[Cache], None] = lambda cache: None,
        before: LiveView | None = None,
    ) -> None:
        self._lookups = lookups
        self._notify = changed
        self._lock = threading.Lock()  # guards `_kinds`, which the caches' threads replace
        kept: dict[Target, Cache] = {} if before is None else {cache.target: cache for cache in before.caches}
        self.caches: tuple[Cache, ...] = tuple(
            kept.get(target) or Cache(target, self._changed) for target in lookups.targets
        )
        """One for each target, in the order of `lookups.targets`."""
        self._added = tuple(cache for cache in self.caches if cache.target not in kept)
        self._unknown = set(self._added)  # what discovery says of them is not in `_kinds` yet
        self._by_kind: dict[tuple[str, str], tuple[Cache, ...]] = {}
        for cache in self.caches:
            kind = cache.target[:2]
            self._by_kind[kind] = (*self._by_kind.get(kind, ()), cache)
        self._connection: Connection | None = None
        self._threads: list[threading.Thread] = []
        self._executor: ThreadPoolExecutor | None = None
        self.asked: Counter[str] = Counter()
        """Access checks by result: allowed, refused, error."""
        if before is not None:
            self._connection, self._executor, self.asked = before._connection, before._executor, before.asked
            self._threads = [thread for thread in before._threads if thread.is_alive()]
        self._kinds = self._known()

    @property
    def started(self) -> bool:
        """Whether this view, or one before it, was started."""
        return self._connection is not None

    def start(self, configuration: Configuration) -> None:
        """Start the threads of the caches that no view before has started.

        Call it in the process that does the lookups: threads do not survive a fork.
        """
        if self._connection is None:
            self._connection = Connection(configuration, len(self.caches) + _ASKING + _SPARE)
        if self._lookups.access and self._executor is None:
            self._executor = ThreadPoolExecutor(_ASKING, thread_name_prefix="access")
        for cache in self._added:
            # Daemons, so that a thread that waits for a server cannot keep the process from exiting.
            thread = threading.Thread(
                target=cache.run, args=(self._connection,), name=f"cache {cache.target}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def succeed(self, before: LiveView) -> None:
        """Take the place of the view that the constructor was given: the caches that only that one needs end.

        Reviews that still use it read what these caches held last.
        """
        for cache in self.caches:
            cache.changed = self._changed
        with self._lock:
            self._kinds = self._known()
        for cache in set(before.caches).difference(self.caches):
            cache.stop()

    def abandon(self) -> None:
        """End the caches that this view has added. The view before it stays in use."""
        for cache in self._added:
            cache.stop()

    def stop(self, seconds: float = 1.0) -> None:
        """End all watches, and wait for the threads, together at most `seconds`."""
        for cache in self.caches:
            cache.stop()
        if self._connection is not None:
            self._connection.close()
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def waits_for(self) -> str | None:
        """The targets that are not cached yet, with reasons, as a message for readiness; None if all are."""
        waiting = [cache for cache in self.caches if cache.state is State.WAITING or cache in self._unknown]
        if not waiting:
            return None
        targets = (f"{cache.target} ({cache.problem})" if cache.problem else str(cache.target) for cache in waiting)
        return f"waiting for the cluster's {', '.join(targets)}"

    @property
    def kinds(self) -> Kinds:
        """The built-in kinds, corrected by discovery for each kind that is looked up."""
        return self._kinds

    def namespace(self, name: str) -> Answer:
        """See ClusterView. Raises Unanswered if it is not cached: it may be so new that the watch lags behind."""
        answer = self.get(*NAMESPACES_KIND, name)
        if answer.value is None:
            raise Unanswered(name)
        return answer

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        cache = self._cache(api_version, kind, namespace or "", name)
        resource = cache.resource
        within = (namespace or "") if resource is None or resource.namespaced else ""
        return Answer(cache.snapshot.get(within, name), cache.age)

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        cache = self._cache(api_version, kind, namespace or "", "")
        return Answer(cache.snapshot.list(namespace), cache.age)

    def authorize(self, access: Access) -> AccessDecision:
        """Raises Unanswered: the check needs the network. See `for_review`."""
        raise Unanswered(access)

    def for_review(self, until: float) -> ReviewView:
        """The view for one review. `until`: the review's deadline, in the event loop's time."""
        return ReviewView(self, until)

    async def access(self, access: Access, seconds: float) -> AccessDecision:
        """Ask the API server, for at most `seconds`. Raises AccessUnknown if that fails."""
        try:
            decision = await self._access(access, seconds)
        except AccessUnknown:
            self.asked["error"] += 1
            raise
        self.asked["error" if decision.error else "allowed" if decision.allowed else "refused"] += 1
        return decision

    async def _access(self, access: Access, seconds: float) -> AccessDecision:
        if self._connection is None or self._executor is None:
            raise AccessUnknown(f"this server does not ask the authorizer: {access}")
        # The request ends a little after the review has gone on: of two equal times either could be over first.
        longest = seconds + _LONGER
        answer = asyncio.get_running_loop().run_in_executor(self._executor, ask, self._connection, access, longest)
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            why = f"no answer within {seconds:.1f} s"
        except (APIError, Unreachable) as error:
            why = str(error)
        raise AccessUnknown(f"the API server could not be asked about access ({why}): {access}")

    def _cache(self, api_version: str, kind: str, namespace: str, name: str) -> Cache:
        requested = Target(api_version, kind, namespace, name)
        for cache in self._by_kind.get((api_version, kind), ()):
            target = cache.target
            # A cluster-scoped kind has no namespaces: those of the two targets mean nothing.
            if not target.covers(requested) and not (_cluster_scoped(cache) and target.name in ("", name)):
                continue
            if cache.state is State.WAITING:
                raise NotCached(f"{kind} of {api_version} has not been listed yet{_because(cache)}")
            if cache.state is State.NOT_SERVED:
                raise UnknownKind(api_version, kind)
            return cache
        if self._kinds.for_kind(api_version, kind) is None:
            raise UnknownKind(api_version, kind)
        raise NotCached(f"{requested} is not cached: no policy declares this lookup")

    def _changed(self, cache: Cache) -> None:
        with self._lock:
            self._kinds = self._known()
        if cache.state is not State.WAITING:
            self._unknown.discard(cache)
        self._notify(cache)

    def _known(self) -> Kinds:
        served = [each.resource for each in self.caches if each.resource and each.state is not State.NOT_SERVED]
        absent = {each.target[:2] for each in self.caches if each.state is State.NOT_SERVED}
        return Kinds.builtin().with_resources(served, without=absent)


class ReviewView:
    """The ClusterView of one review. It asks each question once and keeps the answer for later evaluations."""

    def __init__(self, live: LiveView, until: float) -> None:
        self._live = live
        self._until = until
        self._access: dict[Access, AccessDecision | AccessUnknown] = {}
        self._absent: set[str] = set()

    async def find_out(self, question: Question) -> None:
        """Answer the question that stopped an evaluation (`Unanswered.question`).

        Never raises, and returns by the review's deadline.
        """
        if isinstance(question, str):
            await self._await_namespace(question)
            return
        if not isinstance(question, Access):
            raise TypeError(f"no question to the cluster: {type(question).__name__}")
        left = self._until - asyncio.get_running_loop().time()
        answer: AccessDecision | AccessUnknown
        if len(self._access) >= MAX_QUESTIONS:
            answer = AccessUnknown(f"more than {MAX_QUESTIONS} access checks in one review: {question}")
        elif left <= 0:
            answer = AccessUnknown(f"the review's deadline has passed: {question}")
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
            await asyncio.sleep(_POLL)
            try:
                if self._live.get(*NAMESPACES_KIND, name).value is not None:
                    return
            except LookupError:  # the next evaluation gets the same error and reports it
                return
        self._absent.add(name)

    @property
    def kinds(self) -> Kinds:
        """See ClusterView."""
        return self._live.kinds

    def namespace(self, name: str) -> Answer:
        """See ClusterView. Raises Unanswered if it is not cached, until `find_out` has waited for it in vain."""
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
        """See ClusterView. Raises Unanswered until `find_out` has the answer."""
        answer = self._access.get(access)
        if answer is None:
            raise Unanswered(access)
        if isinstance(answer, AccessUnknown):
            raise AccessUnknown(str(answer))  # a new exception: one raised twice would grow its traceback
        return answer


def _cluster_scoped(cache: Cache) -> bool:
    return cache.resource is not None and not cache.resource.namespaced


def _because(cache: Cache) -> str:
    return f" ({cache.problem})" if cache.problem else ""


def describe(cache: Cache) -> dict[str, Any]:
    """The fields of the log line for a cache that changed state. They contain nothing from the objects."""
    fields: dict[str, Any] = {"objects_of": str(cache.target), "state": str(cache.state)}
    if cache.state is State.SYNCED:
        fields |= {"objects": cache.snapshot.count, "restarts": cache.counts.restarts}
    elif cache.problem:
        fields["message"] = cache.problem
    return fields
