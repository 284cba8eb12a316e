"""Policy trees that change while a server runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.server.running import Answer, Running, recorded

CREATE_POD = recorded("020")


def policy(text: str, name: str = "versioned") -> str:
    """A policy that denies every Pod with the message `text`, and its binding."""
    return f"""\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {name}
spec:
  matchConstraints:
    resourceRules:
      - {{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}}
  validations:
    - expression: "false"
      message: {text}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {name}
spec:
  policyName: {name}
  validationActions: [Deny]
"""


def reload(server: Running) -> Answer:
    return server.get("/-/reload", "POST")


def said(server: Running) -> str:
    """What the first policy that denies it answers to a Pod."""
    message: str = server.post("/validate", CREATE_POD).response["status"]["message"]
    return message.partition("\n")[0].rpartition(": ")[2]


def refused(server: Running) -> dict[str, Any] | None:
    found: dict[str, Any] | None = server.get("/policies").json["refused"]
    return found


def value(server: Running, name: str) -> float:
    """The value of a metric without labels."""
    (found,) = re.findall(rf"(?m)^{name} (.+)$", server.get("/metrics").body.decode())
    return float(found)


def write(folder: Path, **files: str) -> Path:
    """Write files into a folder, as an editor does; `_` in a name stands for a dot."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder
