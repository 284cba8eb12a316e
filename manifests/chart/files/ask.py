"""What `helm test` runs in a Pod: sends a review to the Service as the API server would, and wants an answer.

Usage: python ask.py HOST PORT CA_FILE CLIENTS. Exit 0: the certificate is of the authority and has the Service's name,
and the review was answered (CLIENTS is "any"), or refused, as this Pod has no client certificate ("known"). Else 1,
after some tries.
"""

import http.client
import json
import ssl
import sys
import time

TRIES = 15
UID = "helm-test"
REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": UID,
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "name": "helm-test",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": "helm-test"},
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "helm-test", "namespace": "default"}},
        "oldObject": None,
        "dryRun": True,
    },
}


def asked(host: str, port: int, authority: str, clients: str) -> str:
    """What the server said. Raises OSError, HTTPException or ValueError if that is not what it should say."""
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection(host, port, timeout=5, context=context)
    try:
        connection.connect()  # verifies the certificate and its name
        try:
            connection.request("POST", "/validate/fail", json.dumps(REVIEW), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        except (ssl.SSLError, ConnectionError):
            if clients == "known":
                return "a client without a certificate is refused, as it should be"
            raise
    finally:
        connection.close()
    if clients == "known":
        raise ValueError(f"a client without a certificate was answered: status {answer.status}")
    if answer.status != http.HTTPStatus.OK:
        raise ValueError(f"status {answer.status}: {body[:500]!r}")
    response = json.loads(body)["response"]
    if response["uid"] != UID:
        raise ValueError(f"the answer is to another review: {response!r}")
    return f"a review was answered: allowed is {response['allowed']}"


def main(host: str, port: str, authority: str, clients: str) -> int:
    for left in reversed(range(TRIES)):
        try:
            print(f"{host}:{port}: {asked(host, int(port), authority, clients)}")
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            print(f"{host}:{port}: {error}", file=sys.stderr)
            if left:
                time.sleep(1)
        else:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
