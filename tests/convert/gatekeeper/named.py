"""The cases in which converted policies differ from Gatekeeper, with the text in which the conversion names the
difference."""

from __future__ import annotations

from typing import Final

NAMED: Final[dict[str, dict[str, str]]] = {
    "match": {
        "Refused/kind-glob": "kinds with 'Deploy*', which Gatekeeper compares literally, so it matches nothing",
    },
    "cel": {
        "Uncompiled/uncompiled": "Syntax error",
        "NoBool/no-bool": "must evaluate to bool but got string",
        "NoValidations/no-validations": "a template without validations, so it is incomplete",
        "Namespaced/namespaced": "namespaceObject is null in Gatekeeper",
        "Authorized/authorized": "authorizer is not in Gatekeeper's CEL",
        "LongNames/longnames": "expected a CEL identifier",
    },
    "engines": {
        "RegoAlone/rego-alone": "its template is in Rego, and no CEL policy is known for this kind",
    },
    "params": {
        "Plain/plain-null": "",  # the API server takes a null out before Gatekeeper sees it
    },
    "assign": {
        "Assign/port-by-number": "an element selected by a number, which Gatekeeper never finds",
        "Assign/glob-kinds": "applyTo with *, which Gatekeeper compares literally, so it matches nothing",
        "Assign/glob-versions": "applyTo with *, which Gatekeeper compares literally, so it matches nothing",
        "Assign/test-wrong": "the condition 'Perhaps'",
        "Assign/text-for-mapping": "",  # the API server refuses what Gatekeeper makes of it
    },
    "modifyset": {
        "ModifySet/prune-top": "where the list is missing, its missing parents are not created",
        "ModifySet/prune-deep": "where the list is missing, its missing parents are not created",
        "ModifySet/swap": "the operation 'swap'",
        "ModifySet/no-values": "ModifySet without values, so it is incomplete",
        "ModifySet/empty-values": "ModifySet without values, so it is incomplete",
    },
}
"""The file of the corpus -> the policy -> a part of what the report says."""
