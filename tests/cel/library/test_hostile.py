"""The functions that read texts, on texts as long as a request may be: nothing holds the thread for long."""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.cel.evaluating import ENVIRONMENT
from tests.timing import ASSERTED
from webhook.cel import Activation, EvaluationError

LENGTH = 1024 * 1024
"""Bytes. The largest request that a kube-apiserver takes has three times as many; all here is linear."""

SECONDS = 1.0
"""Of the processor, several times what any takes."""

TEXTS = {
    "letters": "a" * LENGTH,
    "digits": "1" * LENGTH,
    "zeros": "0" * LENGTH,
    "dots": "." * LENGTH,
    "colons": ":" * LENGTH,
    "percents": "%" * LENGTH,
    "escapes": "/" + "%25" * (LENGTH // 3),
    "slashes": "/" * LENGTH,
    "blanks": "/" + " " * LENGTH,
    "host": "http://" + "a" * LENGTH,
    "escaped host": "http://" + "%ff" * (LENGTH // 3),
    "bracket": "http://[" + "0:" * (LENGTH // 2),
    "zone": "http://[::1%25" + "%20" * (LENGTH // 3) + "]",
    "user": "http://" + "@" * LENGTH + "a",
    "query": "/?" + "a=b&" * (LENGTH // 4),
    "fragment": "/#" + "é" * (LENGTH // 2),
    "addresses": "1.2.3.4." * (LENGTH // 8),
    "zoned": "::1%" + "a" * LENGTH,
    "network": "::1/" + "1" * LENGTH,
    "prerelease": "1.2.3-" + "a." * (LENGTH // 2) + "a",
    "numbers": "1.2.3-" + "1." * (LENGTH // 2) + "1",
    "bad prerelease": "1.2.3-" + "a." * (LENGTH // 2) + "é",
    "build": "1.2.3+" + "0." * (LENGTH // 2) + "0",
    "name": "a/" + "A-" * (LENGTH // 2),
    "subdomain": "a." * (LENGTH // 2) + "-",
    "base64": "A" * (LENGTH - 1) + "=",
    "moment": "2026-01-01T" + "12:00:00." * (LENGTH // 9),
    "quantity": "1." + "0" * LENGTH + "Ki",
    "quotes": '"\\\n' * (LENGTH // 3),
    "wide": "\U0001f600\u200b" * (LENGTH // 7),
}
EXPRESSIONS = (
    "isURL(x)",
    "url(x).getQuery()",
    "url(x) == url(x)",
    "isIP(x)",
    "ip(x)",
    "ip.isCanonical(x)",
    "isCIDR(x)",
    "cidr(x)",
    "isSemver(x)",
    "semver(x, true) == semver(x, true)",
    "isQuantity(x)",
    "quantity(x)",
    *(
        f"format.{name}().validate(x)"
        for name in (
            *("dns1123Label", "dns1123Subdomain", "dns1035Label", "qualifiedName", "dns1123SubdomainPrefix"),
            *("labelValue", "uri", "uuid", "byte", "date", "datetime"),
        )
    ),
)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_of_a_mebibyte_is_read_or_refused_in_time(text: str) -> None:
    slow = {}
    for expression in EXPRESSIONS:
        program = ENVIRONMENT.compile(expression)
        started = time.thread_time()
        with contextlib.suppress(EvaluationError):
            program.evaluate(Activation({"x": text}))
        took = time.thread_time() - started
        if took > SECONDS:
            slow[expression] = took
    assert slow == {} or not ASSERTED
