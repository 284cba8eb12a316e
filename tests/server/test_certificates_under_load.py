"""Certificates change under load: no request fails, and new connections see the newest good one within 5 seconds.

GATEWRIGHT_TEST_REQUESTS asks for more requests than these (`make soak`); then several workers are tried too.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from tests.server.authorities import Authority, Mount, fingerprint
from tests.server.load import Clients
from tests.server.running import Running, wait_for
from tests.timing import patience

REQUESTS = int(os.environ.get("GATEWRIGHT_TEST_REQUESTS", "0"))
WORKERS = (1, 2) if REQUESTS else (1,)
WITHIN = 5.0  # seconds


@pytest.mark.parametrize("workers", WORKERS)
def test_no_request_fails_and_the_newest_good_certificate_is_seen(
    start: Callable[..., Running], policies: Path, tmp_path: Path, workers: int
) -> None:
    authority = Authority()
    first, second, third = authority.pair("ec"), authority.pair("ec"), authority.pair("rsa")
    mount = Mount(tmp_path / "tls", tls_crt=first[0], tls_key=first[1])
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    files = ("--tls-cert", str(mount.path("tls.crt")), "--tls-key", str(mount.path("tls.key")))
    server = start("--policies", str(policies), *files, "--workers", str(workers))
    changed: list[tuple[float, str]] = [(time.monotonic(), fingerprint(first[0]))]

    def write(certificate: bytes, key: bytes, good: bool) -> None:
        if good:
            changed.append((time.monotonic(), fingerprint(certificate)))
        mount.write(tls_crt=certificate, tls_key=key)

    def counted(name: str, value: int) -> None:
        """Wait until every worker has."""
        wanted = f'gatewright_tls_{name}_total{{file="certificate"}} {value * workers:.1f}'
        wait_for(lambda: wanted in server.get("/metrics").body.decode(), WITHIN)

    # By default the clients leave the machine some room for other tests.
    with Clients(
        server.port, ca, keep_alive=4, fresh=4, requests=max(1, REQUESTS), rate=0 if REQUESTS else 250
    ) as clients:
        time.sleep(0.5)
        write(*second, good=True)
        counted("reloads", 1)
        write(third[0], second[1], good=False)  # a certificate with another one's key
        counted("reload_failures", 1)
        assert 'gatewright_tls_last_reload_successful{file="certificate"} 0.0' in server.get("/metrics").body.decode()
        write(*third, good=True)  # another type of key
        counted("reloads", 2)
        write(first[0], first[1][:100], good=False)
        counted("reload_failures", 2)
        time.sleep(0.5)
        came = clients.end()
    metrics = server.get("/metrics").body.decode()

    latest = _latest(came["seen"], changed)
    print(
        f"\ncertificates under load, {workers} worker(s): {came['requests']} requests in {came['seconds']:.1f} s, "
        f"{came['failed']} failed; {len(came['seen'])} new connections, each new certificate seen by all after "
        f"{', '.join(f'{seconds:.2f}' for seconds in latest)} s; p99 {came['p99']:.1f} ms"
    )
    assert came["failures"] == []
    assert came["requests"] >= max(300, REQUESTS)
    assert {seen for _, seen in came["seen"]} == {certificate for _, certificate in changed}
    assert max(latest) < patience(WITHIN)
    (expiry,) = re.findall(r"(?m)^gatewright_tls_certificate_expiry_timestamp_seconds (.+)$", metrics)
    assert float(expiry) == x509.load_pem_x509_certificate(third[0]).not_valid_after_utc.timestamp()
    told = [line["level"] for line in server.events("certificates")]
    assert sorted(told) == ["error"] * 2 * workers + ["info"] * 2 * workers
    assert server.stop() == 0


def _latest(seen: list[tuple[float, str]], changed: list[tuple[float, str]]) -> list[float]:
    """Seconds from each change but the first until the last new connection that saw an older certificate."""
    found = []
    for index, (at, _) in enumerate(changed[1:], 1):
        older = {certificate for _, certificate in changed[:index]}
        found.append(max([began - at for began, certificate in seen if certificate in older], default=0.0))
    return [max(0.0, seconds) for seconds in found]
