"""Users who send Pods to the API server without pause; a policy refuses every second Pod."""

from __future__ import annotations

import threading
import time

from tests.e2e.apiserver import Client
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import pod
from tests.server.running import wait_for
from tests.timing import HANGING

PODS = "/api/v1/namespaces/default/pods?dryRun=All"
SECONDS = 60.0  # to wait for answers, on a machine with much else to do


class Traffic:
    """`users` users, each on a connection of its own, with `pause` seconds between an answer and the next request."""

    def __init__(self, cluster: ControlPlane, users: int = 2, pause: float = 0.02) -> None:
        self.wrong: list[str] = []
        self._answered = [0] * users
        self._pause = pause
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number, cluster.client_of(cluster.tokens["admin"])), daemon=True)
            for number in range(users)
        ]

    @property
    def answered(self) -> int:
        return sum(self._answered)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(HANGING)

    def wait_for(self, answered: int) -> None:
        """Wait until so many requests have been answered."""
        wait_for(lambda: self.answered > answered, SECONDS)

    def _send(self, number: int, client: Client) -> None:
        refused = number % 2 == 0
        expected = 403 if refused else 201
        while not self._ended.wait(self._pause):
            reply = client.post(PODS, pod("traffic", host_path=refused))
            self._answered[number] += 1
            if reply.status != expected or (refused and "hostPath volumes open" not in reply.message):
                self.wrong.append(f"{time.time():.3f} {reply.status} {reply.message}")
        client.close()
