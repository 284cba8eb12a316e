"""Policies of Gatekeeper with objects, and the verdict of each policy on each object: Gatekeeper's, and that of the
converted policy.

A file of `corpus/` is a stream of documents: templates, constraints, mutators, and the objects on which each of them is
tried, in which Namespaces are the cluster's too. An AdmissionReview is known by the uid of its request. The file
`answers/` of the same name has what Gatekeeper's command answered:

    HasOwner/all:                    # a constraint: the violations of the objects that it refuses, and their messages
      ConfigMap/shop/a: [1, missing owner]
    Assign/pull:                     # a mutator: the objects that it changes, as they are then
      Pod/shop/a-pod: {…}
    HasOwner/wrong: refused          # Gatekeeper does not take it
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct, field

from webhook.admission.decision import MUTATING
from webhook.admission.engine import decide
from webhook.apiserver import admitted
from webhook.convert import converting, sources, writing
from webhook.convert.model import JSONObject, Outcome
from webhook.documents import reader
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest
from webhook.offline.cases.runs import completed
from webhook.offline.cases.setup import Setups
from webhook.policy.load.loading import load
from webhook.versions import NEWEST

HERE: Final = Path(__file__).parent
FILES: Final = sorted((HERE / "corpus").glob("*.yaml"))
REFUSED: Final = "refused"
FAILED: Final = "failed"
"""What a mutator says of an object that it cannot change."""

Answers = dict[str, Any]
"""The name of a policy -> the name of an object -> what the policy says of it; or REFUSED."""


class Corpus(Struct):
    """A file of the corpus. objects: as the API server has them, with their defaults, by name."""

    name: str
    templates: list[JSONObject] = field(default_factory=list)
    constraints: list[JSONObject] = field(default_factory=list)
    mutators: list[JSONObject] = field(default_factory=list)
    objects: dict[str, JSONObject] = field(default_factory=dict)

    @property
    def namespaces(self) -> list[JSONObject]:
        return [each for each in self.objects.values() if (each["apiVersion"], each["kind"]) == ("v1", "Namespace")]

    @property
    def asked(self) -> list[JSONObject]:
        """The policies about which Gatekeeper can be asked: not constraints whose template is not in the file."""
        kinds = {each["spec"]["crd"]["spec"]["names"]["kind"] for each in self.templates}
        return [*(each for each in self.constraints if each["kind"] in kinds), *self.mutators]

    @property
    def answers(self) -> Path:
        return HERE / "answers" / f"{self.name}.yaml"

    def tried(self, policy: JSONObject) -> dict[str, JSONObject]:
        """The objects on which a policy is tried: for mutators all but Namespaces, which gator does not make; for a
        constraint those about which the webhook is asked. gator itself asks about all operations."""
        if policy["apiVersion"].startswith("mutations."):
            return {name: each for name, each in self.objects.items() if each not in self.namespaces}
        kind, specs = policy["kind"], (each["spec"] for each in self.templates)
        of_kind = [spec["targets"][0] for spec in specs if spec["crd"]["spec"]["names"]["kind"] == kind]
        operations = (of_kind[0].get("operations") if of_kind else None) or ["CREATE", "UPDATE"]
        return {
            name: each
            for name, each in self.objects.items()
            if "*" in operations or (each["request"]["operation"] if "request" in each else "CREATE") in operations
        }

    def recorded(self) -> Answers:
        found: Answers = yaml.safe_load(self.answers.read_text())
        return found


def read(file: Path) -> Corpus:
    """A file of the corpus."""
    found = Corpus(file.stem)
    good, wrong = reader.objects(reader.parsed(file.read_bytes(), str(file)).documents)
    assert not wrong, wrong
    for document in good:
        value = document.value
        group = value["apiVersion"].partition("/")[0]
        if group == "templates.gatekeeper.sh":
            found.templates.append(value)
        elif group == "constraints.gatekeeper.sh":
            found.constraints.append(value)
        elif group == "mutations.gatekeeper.sh":
            found.mutators.append(value)
        else:
            name = called(value)
            assert name not in found.objects, f"{file}: {name} is there twice"
            found.objects[name] = _admitted(value)
    return found


def _admitted(value: JSONObject) -> JSONObject:
    """An object as webhooks get it, with the API server's defaults."""
    if value["kind"] != "AdmissionReview":
        return admitted.read(value, NEWEST).object
    request = value["request"]
    own = {each: admitted.read(request[each], NEWEST).object for each in ("object", "oldObject") if request.get(each)}
    return value | {"request": request | own}


def called(value: JSONObject) -> str:
    """The name of an object or policy among those of its file."""
    if value["kind"] == "AdmissionReview":
        return f"review/{value['request']['uid']}"
    metadata = value["metadata"]
    return "/".join(filter(None, (value["kind"], metadata.get("namespace"), metadata.get("name"))))


def ours(corpus: Corpus) -> tuple[Answers, list[Outcome]]:
    """What the converted policies say, and the outcomes of the conversion."""
    documents = [*corpus.templates, *corpus.constraints, *corpus.mutators]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sources.yaml").write_text("---\n".join(map(dumped, documents)))
        outcomes = converting.convert(sources.read([str(folder / "sources.yaml")]).documents, NEWEST).outcomes
        policies = [each for each in outcomes if each.kind != "ConstraintTemplate"]
        tree = folder / "tree"
        tree.mkdir()
        writing.stage(policies, tree)
        found: Answers = {called(each.document.value): REFUSED for each in policies}
        made = {each.policies[0]["metadata"]["name"]: each for each in policies if each.policies}
        for each in made:
            tried = corpus.tried(made[each].document.value)
            (tree / f"{each}.tests.yaml").write_text(dumped(_test(each, tried, corpus)))
        if made:
            loaded = load(str(tree), NEWEST)
            planned, problems = policytest.plan([str(tree)], loaded)
            assert not problems, problems
            setups = Setups(loaded)
            for one in planned:
                answer = _answer(one, setups)
                own = called(made[one.policy].document.value)
                if found[own] == REFUSED:
                    found[own] = {}
                if answer is not None:
                    found[own][one.case.name] = answer
    return found, outcomes


def _test(policy: str, tried: dict[str, JSONObject], corpus: Corpus) -> JSONObject:
    """A PolicyTest of a policy with objects. What its cases expect is not asked."""
    return writing.policy_test(policy, [_case(name, value, corpus) for name, value in tried.items()])


def _case(name: str, value: JSONObject, corpus: Corpus) -> JSONObject:
    case: JSONObject = {"name": name, "expect": "allow", "cluster": corpus.namespaces}
    if value["kind"] != "AdmissionReview":
        return case | {"object": value}
    request = value["request"]
    given = {each: request[each] for each in ("operation", "object", "oldObject") if request.get(each)}
    user = {each: one for each, one in request.get("userInfo", {}).items() if each in ("username", "groups", "uid")}
    return case | given | ({"user": user} if user else {})


def _answer(planned: policytest.PlannedCase, setups: Setups) -> Any:
    """What a policy says of an object; None if it lets it pass as it is."""
    setup = setups.of(planned)
    decision = decide(
        planned.request,
        setup.policies,
        setup.view,
        recording="failures",
        completed=lambda each: completed(each, NEWEST),
    )
    if decision.mutation is not None and decision.mutation.changed:
        return decision.mutation.object
    if decision.findings and decision.findings[0].kind == MUTATING:
        return FAILED
    seen = {(each.index, each.message): each.message for each in decision.findings}
    return violated(list(seen.values())) if seen else None


def violated(messages: Iterable[str]) -> list[Any]:
    """The number of violations and their messages, as Gatekeeper's command prints them."""
    texts = sorted(messages)
    return [len(texts), " ".join(texts)]
