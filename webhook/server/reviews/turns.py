"""Which review is evaluated next, and which are refused, when more arrive than can be answered at once.

Reviews are evaluated one after the other, so a queue forms in the sockets of the connections: the event loop reads them
in rounds, and the review that is read last has waited for all others of the round. While a round is short, each review
is evaluated as soon as it is read, and nothing of this module costs it more than a comparison. When a round gets long,
reviews are read first and wait here. Then it is known how many wait, since when, and for whom: those that would wait
too long are refused at once, and clients take turns.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from ipaddress import IPv6Address, ip_address
from itertools import accumulate
from math import inf
from time import perf_counter
from typing import Final, Literal

import orjson
from msgspec import Struct, field
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.server.port import tls
from webhook.server.port.exchange import Answer, Client, Later
from webhook.server.telemetry.counting import counter
from webhook.server.telemetry.logs import Log, cut

ROUND: Final = 0.005
"""Seconds of a round of the event loop in which reviews are evaluated as soon as they are read."""

FEW: Final = 4
"""Reviews that may wait in an overload, if ROUND is not enough for more: waiting takes as long as four reviews."""

PERSISTS: Final = 0.1
"""Seconds after which refusals are an overload, and no longer the end of a burst; and without one, it is over."""

REFUSALS: Final = 4000
"""Refusals a second that are sent at once. More of them wait for their turn: a refusal takes some 25 µs to read and to
send, and a client that sends the next request as soon as it is refused would take all the time."""

Reason = Literal["queue", "share", "late"]

REASONS: Final[tuple[Reason, ...]] = ("queue", "share", "late")
"""Why a review was refused: too many wait; too many of this client do; it could not be answered in its time."""

Evaluate = Callable[[float], Answer | Awaitable[Answer]]
"""Evaluates a review, of which the time of arrival is given, in seconds of perf_counter()."""

_SLICE = 0.001  # seconds of evaluating after which the sockets are read again
_STALE = 0.012  # seconds that a request was in its socket, which the kernel tells in steps of up to 10 ms
_BEAT = 0.02  # seconds
_WEIGHT = 0.1  # of the newest review in what a typical one takes
_MEMORY = 0.1  # seconds after which half of the time that a client has used is forgotten
_MAX_CLIENTS = 1024  # that are remembered
_BURST = 500  # refusals at once, before REFUSALS counts
_RELEASE_EVERY = 0.01  # seconds
_SAY_AFTER = 1.0  # seconds from a refusal to a line of the log about it
_SAY_EVERY = 10.0  # seconds between these lines
_BUCKETS = (ROUND, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class _Turn(Struct, eq=False):
    """A review that waits."""

    arrived: float
    until: float  # by when it has to be answered
    evaluate: Evaluate
    later: Later


class _Share(Struct, eq=False):
    """A client that takes turns: the seconds of the server's time that it has used recently, and its waiting
    reviews."""

    name: str
    used: float = 0.0
    at: float = 0.0  # when `used` was right
    waiting: deque[_Turn] = field(default_factory=deque)

    def use(self, now: float, seconds: float = 0.0) -> float:
        """Add to what was used. Returns the sum."""
        self.used = self.used * 0.5 ** ((now - self.at) / _MEMORY) + seconds
        self.at = now
        return self.used


class Turns:
    """The reviews of a process that wait to be evaluated.

    most: seconds that reviews may wait for others; if more arrive for longer, they are refused.
    """

    def __init__(self, most: float, log: Log) -> None:
        self._most = most
        self._log = log
        self.until = inf
        """Reviews that are read before this time, of perf_counter(), are evaluated at once. Others ask `free`."""
        self.at_once = 0
        """How many were."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._shares: dict[str, _Share] = {}
        self._waiting: dict[_Share, None] = {}  # clients with reviews that wait, longest without a turn first
        self._count = 0
        self._scheduled = False
        self._beating = self._steady = False  # steady: since the last beat at least
        self._beat_at = 0.0
        self._held_until = -inf
        self._came = 0  # reviews, at the last beat
        self._left_off = 0.0
        self._typical = 0.0  # seconds that evaluating a review takes
        self._overloaded = False
        self._full_since = self._full_at = -inf  # of the refusals since the last PERSISTS seconds without one
        self._parked: deque[tuple[Later, Reason]] = deque()  # refused, but not answered yet
        self._credit = float(_BURST)
        self._credit_at = 0.0
        self._said: dict[str, int] = {}  # refusals since the last line, by client
        self._saying: asyncio.TimerHandle | None = None
        self.refused: dict[Reason, int] = dict.fromkeys(REASONS, 0)
        self.ages = [0] * (len(_BUCKETS) + 1)
        self.age = 0.0  # sum, seconds

    def start(self) -> None:
        """Begin, in the running loop. Before, all reviews are evaluated at once."""
        self._loop = asyncio.get_running_loop()
        self.until = 0.0

    @property
    def waiting(self) -> int:
        return self._count

    @property
    def overloaded(self) -> bool:
        return self._overloaded and perf_counter() - self._full_at <= PERSISTS

    def free(self, now: float, client: Client) -> bool:
        """Whether a review that was just read may be evaluated at once."""
        if self._loop is None:
            return True
        if self._count:
            return False
        if not self._beating:
            self._beating, self._steady, self._beat_at = True, False, now
            self._loop.call_later(_BEAT, self._beat)
        elif now < self._held_until or now - self._beat_at > _BEAT + _STALE:
            return False
        # The loop's clock is set once a round. What an earlier round has kept waiting, the kernel knows.
        round_began = self._loop.time()
        if now - round_began > ROUND or client.waited() > _STALE:
            return False
        if self._steady:
            self.until = round_began + ROUND
        return True

    def take(self, client: Client, seconds: float, now: float, evaluate: Evaluate) -> Answer | Later:
        """Let a review wait, or refuse it. `seconds`: from its arrival, in which it has to be answered."""
        share = self._share(client)
        arrived = now - client.waited()
        until = arrived + seconds
        ahead = self._count * self._typical
        if now + ahead + self._typical > until:
            return self._answer("late", share, now)
        if self._overloaded and now - self._full_at > PERSISTS:
            self._overloaded = False
        full = self._count >= self._room() if self._overloaded else ahead > min(self._most, seconds / 4)
        if full:
            self._is_full(now)
            greedy = self._greediest(now)
            if greedy is None or self._claim(greedy, now) <= self._claim(share, now) + self._typical:
                return self._answer("share" if len(self._waiting) > 1 else "queue", share, now)
            self._refuse(self._taken(greedy, newest=True), "share", greedy)
        later = Later()
        share.waiting.append(_Turn(arrived, until, evaluate, later))
        self._waiting.setdefault(share)
        self._count += 1
        self.until = 0.0
        if self._overloaded:
            self._cut(now)
        self._schedule()
        return later

    def _beat(self) -> None:
        """Notice that the loop was held, while reviews come: requests are not always read in their order, so that the
        first one does not always say it."""
        now = perf_counter()
        if now - self._beat_at > _BEAT + _STALE:
            self._held_until = now + _BEAT  # what was sent meanwhile is read in the next round
        self._beat_at = now
        came = self.at_once + sum(self.ages)
        self._beating = self._steady = came != self._came
        self._came = came
        if self._beating and self._loop is not None:
            self._loop.call_later(_BEAT, self._beat)

    # The clients.

    def _share(self, client: Client) -> _Share:
        share: _Share | None = client.share
        if share is not None and self._shares.get(share.name) is share:
            return share
        name = shown(client)
        share = client.share = self._shares.get(name)
        if share is None:
            if len(self._shares) >= _MAX_CLIENTS:
                self._shares = {each.name: each for each in self._waiting}
            share = client.share = self._shares[name] = _Share(name)
        return share

    def _claim(self, share: _Share, now: float) -> float:
        """Seconds that a client has used recently, and its waiting reviews."""
        return share.use(now) + len(share.waiting) * self._typical

    def _greediest(self, now: float) -> _Share | None:
        return max(self._waiting, key=partial(self._claim, now=now), default=None)

    def _taken(self, share: _Share, *, newest: bool = False) -> _Turn:
        """Take a review of the client out of the queue."""
        turn = share.waiting.pop() if newest else share.waiting.popleft()
        self._count -= 1
        del self._waiting[share]
        if share.waiting:
            self._waiting[share] = None
        return turn

    # Evaluating.

    def _schedule(self) -> None:
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        """Evaluate for a while; then the loop reads the sockets. It gets no more time for that than evaluating."""
        self._scheduled = False
        now = perf_counter()
        until = now + min(max(_SLICE, now - self._left_off), ROUND)
        while self._count and now < until:
            now = self._evaluate(now)
        self._left_off = now
        if self._count:
            self._schedule()

    def _evaluate(self, now: float) -> float:
        """Evaluate the next review. Returns the time after it."""
        if len(self._waiting) == 1:
            share = next(iter(self._waiting))
        else:
            share = min(self._waiting, key=lambda share: share.use(now))
        turn = self._taken(share)
        if turn.later.gone:
            return now
        if now + self._typical > turn.until:
            self._refuse(turn, "late", share)
            return perf_counter()
        age = now - turn.arrived
        self.age += age
        self.ages[_bucket(age)] += 1
        turn.later.give(partial(turn.evaluate, turn.arrived))
        ended = perf_counter()
        took = ended - now
        share.use(ended, took)
        # One review that takes long says little about the next ones.
        self._typical += _WEIGHT * (min(took, 4 * self._typical + 0.0001) - self._typical)
        return ended

    # Refusing.

    def _room(self) -> int:
        """How many reviews may wait in an overload."""
        return max(FEW, int(ROUND / self._typical)) if self._typical else FEW

    def _is_full(self, now: float) -> None:
        if now - self._full_at > PERSISTS:
            self._full_since = now
        self._full_at = now
        if not self._overloaded and now - self._full_since >= PERSISTS:
            self._overloaded = True
            self._cut(now)

    def _cut(self, now: float) -> None:
        """In an overload, refuse all waiting reviews but a few."""
        room = self._room()
        while self._count > room and (greedy := self._greediest(now)) is not None:
            self._refuse(self._taken(greedy, newest=True), "queue", greedy)

    def _refuse(self, turn: _Turn, reason: Reason, share: _Share) -> None:
        """Refuse a review that has waited."""
        self._count_refusal(reason, share)
        if not turn.later.gone:
            turn.later.give(partial(self._refusal, reason))

    def _answer(self, reason: Reason, share: _Share, now: float) -> Answer | Later:
        """Refuse a review that has just come."""
        self._count_refusal(reason, share)
        self._earn(now)
        if self._credit >= 1:
            self._credit -= 1
            return self._refusal(reason)
        later = Later()
        if not self._parked and self._loop is not None:
            self._loop.call_later(_RELEASE_EVERY, self._release)
        self._parked.append((later, reason))
        return later

    def _earn(self, now: float) -> None:
        self._credit = min(_BURST, self._credit + REFUSALS * (now - self._credit_at))
        self._credit_at = now

    def _release(self) -> None:
        self._earn(perf_counter())
        while self._parked and self._credit >= 1:
            later, reason = self._parked.popleft()
            if not later.gone:
                self._credit -= 1
                later.give(partial(self._refusal, reason))
        if self._parked and self._loop is not None:
            self._loop.call_later(_RELEASE_EVERY, self._release)

    def _refusal(self, reason: Reason) -> Answer:
        # Not all are to come back at the same time; the API server reads whole seconds.
        return refusal(reason, 1 + sum(self.refused.values()) % 2)

    def _count_refusal(self, reason: Reason, share: _Share) -> None:
        self.refused[reason] += 1
        if len(self._said) < _MAX_CLIENTS or share.name in self._said:
            self._said[share.name] = self._said.get(share.name, 0) + 1
        if self._saying is None and self._loop is not None:
            self._saying = self._loop.call_later(_SAY_AFTER, self._say)

    def _say(self) -> None:
        """Log what was refused since the last line."""
        self._saying = None
        if not self._said or self._loop is None:
            return
        client = max(self._said, key=lambda name: self._said[name])
        fields = {
            "message": "more reviews arrive than can be answered; the API server tries again, within its timeout",
            "refused": sum(self._said.values()),
            "clients": len(self._said),
            "client": client,
            "of_client": self._said[client],
            "waiting": self._count,
            "typical_ms": int(self._typical * 1_000_000) / 1000,
        }
        self._log.write("warning", "overload", fields)
        self._said = {}
        self._saying = self._loop.call_later(_SAY_EVERY, self._say)


def refusal(reason: Reason, seconds: int) -> Answer:
    """The answer to a review that is refused. The API server sends it again after so many seconds."""
    return Answer(_STATUS[reason], _TEXTS[reason], headers=((b"retry-after", b"%d" % seconds),))


def shown(client: Client) -> str:
    """A client, for the log, and for clients to take turns: the names of its certificate, and its address.

    Of an IPv6 address the network, as a client with one address of it has all.
    """
    address = client.address
    if ":" in address:
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return cut(address)
        if isinstance(found, IPv6Address):
            address = str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    names = tls.names_of(client.certificate) if client.certificate else ()
    return f"{', '.join(map(cut, names[:3]))} at {address}" if names else address


def _bucket(age: float) -> int:
    return next((index for index, bound in enumerate(_BUCKETS) if age <= bound), len(_BUCKETS))


_STATUS: Final[dict[Reason, int]] = {"queue": 503, "share": 429, "late": 503}
_MESSAGES: Final[dict[Reason, str]] = {
    "queue": "gatewright: more reviews arrive than can be answered in time",
    "share": "gatewright: more reviews of this client arrive than its share of what can be answered",
    "late": "gatewright: the review could not be answered within its timeout, and was not evaluated",
}


def _text(reason: Reason) -> bytes:
    """A Status of Kubernetes: of such an answer the API server shows the message to its user."""
    message = _MESSAGES[reason]
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": _STATUS[reason]}
    return orjson.dumps({**status, "error": message})


_TEXTS: Final[dict[Reason, bytes]] = {reason: _text(reason) for reason in REASONS}


class TurnMetrics(Collector):
    """The metrics of turns, read at each scrape. in_flight: how many reviews wait for others or for an answer."""

    def __init__(self, turns: Turns, in_flight: Callable[[], int]) -> None:
        self._turns = turns
        self._in_flight = in_flight

    def collect(self) -> Iterator[Metric]:
        turns = self._turns
        ages = HistogramMetricFamily(
            "gatewright_review_queue_age_seconds", "Time that reviews had waited when their evaluation began."
        )
        counts = [turns.ages[0] + turns.at_once, *turns.ages[1:]]
        bounds = [*map(str, _BUCKETS), "+Inf"]
        ages.add_metric((), list(zip(bounds, map(float, accumulate(counts)), strict=True)), turns.age)
        yield ages
        yield counter(
            "gatewright_reviews_refused",
            "Reviews that were refused without being evaluated.",
            ("reason",),
            (((reason,), count) for reason, count in turns.refused.items()),
        )
        yield GaugeMetricFamily("gatewright_reviews_waiting", "Reviews that wait for others.", turns.waiting)
        yield GaugeMetricFamily(
            "gatewright_reviews_in_flight",
            "Reviews that have begun to be answered, and wait for others, a policy or the API server.",
            self._in_flight(),
        )
        yield GaugeMetricFamily("gatewright_overloaded", "1 while more arrive than can be answered.", turns.overloaded)

    def describe(self) -> list[Metric]:
        return []
