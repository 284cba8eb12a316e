"""A hostile policy of each kind, in Python. Each is bound to ConfigMaps with the label `kind: KIND`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

SHIPPED = Path(__file__).parents[2] / "policies"

CUT_OFF = {
    "loop": "while True:\n    pass",
    "pattern": 'import re\nre.fullmatch(r"(a+)+b", "a" * 60)',
    "pattern-in-the-server": 'PATTERN.fullmatch("' + "a" * 60 + '")',
    "sleep": "import time\ntime.sleep(1000)",
    "call-into-c": "sum(range(10**12))",
    "power": "10**10**8",
    "catching": "while True:\n    try:\n        1 / 0\n    except BaseException:\n        pass",
    "finally": "while True:\n    try:\n        1 / 0\n    finally:\n        continue",
    "generator": "yield from iter(str, None) if False else ()\nwhile True:\n    sum(range(10))",
    "equality": "def deep():\n    found = []\n    for _ in range(60):\n        found = [found, found]\n"
    "    return found\ndeep() == deep()",
    "exit": 'for each in getattr(object, "__subcl" + "asses__")():\n    if each.__name__ == "_wrap_close":\n'
    '        getattr(each.__init__, "__glo" + "bals__")["_exit"](0)',
}
"""What ends at the deadline, or ends its process: the bodies of functions, by kind."""

REFUSED = {
    "memory": ("list(range(10**10))", "MemoryError"),
    "thread": ("import logging\nlogging.threading.Thread(target=print).start()", "Forbidden: a policy may have no"),
    "process": ('import logging\nlogging.os.system("true")', "Forbidden: a policy may have no"),
    "file": ('import logging\nlogging.FileHandler("/tmp/a-policy-was-here")', "Forbidden: a policy may not read"),
    "network": (
        'import logging\nlogging.sys.modules["socket"].socket().connect(("127.0.0.1", 1))',
        "Forbidden: a policy may have no",
    ),
    "interrupt": ('raise KeyboardInterrupt("x")', "KeyboardInterrupt: x"),
    "ending-generator": ('raise GeneratorExit("x")', "GeneratorExit: x"),
    "recursion": ("def deep():\n    return deep()\ndeep()", "RecursionError"),
    "endless": ('while True:\n    yield "no"', "no"),
}
"""What is an error at once, with a part of its message."""


def write(root: Path, *, shipped: bool = True, kinds: dict[str, str] | None = None) -> Path:
    """A policy tree with the four shipped policies and the hostile ones."""
    if shipped:
        shutil.copytree(SHIPPED, root)
    else:
        root.mkdir()
    bodies = CUT_OFF | {kind: body for kind, (body, _) in REFUSED.items()} if kinds is None else kinds
    for kind, body in bodies.items():
        name = kind.replace("-", "_")
        (root / f"{name}.py").write_text(
            "from gatewright import validate\n"
            + ('import re\n\nPATTERN = re.compile(r"(a+)+b")\n' if kind == "pattern-in-the-server" else "")
            + dedent(f'''

                @validate(resources=["v1/configmaps"], operations=["CREATE"], name="hostile-{kind}")
                def hostile_{name}(request):
                    """Hostile."""
                ''')
            + indent(body, "    ")
            + "\n"
        )
        (root / f"{name}.yaml").write_text(
            json.dumps(
                {
                    "apiVersion": "admissionregistration.k8s.io/v1",
                    "kind": "ValidatingAdmissionPolicyBinding",
                    "metadata": {"name": f"hostile-{kind}"},
                    "spec": {
                        "policyName": f"hostile-{kind}",
                        "validationActions": ["Deny"],
                        "matchResources": {"objectSelector": {"matchLabels": {"kind": kind}}},
                    },
                }
            )
        )
    return root


def review(kind: str, **data: str) -> bytes:
    """The review of a ConfigMap that one hostile policy matches."""
    about: dict[str, Any] = {"group": "", "version": "v1"}
    metadata = {"name": "x", "namespace": "default", "labels": {"kind": kind}}
    request = {
        "uid": kind,
        "kind": {**about, "kind": "ConfigMap"},
        "resource": {**about, "resource": "configmaps"},
        "name": "x",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": "jane"},
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data},
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
