"""The table of faultless files has those without a fault, from the version on that has all they use."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.library import libraries
from tests.policy import trees
from webhook.library import faults
from webhook.policy.load.faultless import digest
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree

TESTS = "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\ncases: []\n"


def rewritten(file: Path, old: str, new: str) -> str:
    """The digest of the file with another text."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return digest(file.read_bytes())


def test_it_names_the_version_from_which_a_file_is_faultless(tmp_path: Path) -> None:
    library = libraries.small(tmp_path)
    plain = digest((library / "pinned-images" / "policy.yaml").read_bytes())
    false = "expression: 'false'"
    optional = rewritten(library / "known-images" / "policy.yaml", false, "expression: object.?metadata.hasValue()")
    wrong = rewritten(library / "no-tokens" / "policy.yaml", false, "expression: objekt.metadata.name == ''")
    (library / "known-images" / "tests.yaml").write_text(TESTS)
    (library / "known-images" / "more.yaml").write_text(f"{TESTS}---\nkind: ConfigMap\n")
    found = json.loads(faults.table(library))
    (python,) = (digest(file.read_bytes()) for file in library.glob("*/*.py"))
    assert found == {plain: "1.26", optional: "1.28", digest(TESTS.encode()): "1.26", python: "1.26"}
    assert wrong not in found


def test_a_file_with_a_warning_is_not_faultless(tmp_path: Path) -> None:
    library = libraries.small(tmp_path)
    file = library / "pinned-images" / "policy.yaml"
    policy = yaml.safe_load(file.read_text())
    policy["spec"]["matchConstraints"]["resourceRules"] = [trees.PODS]
    policy["spec"]["validations"] = [{"expression": "object.spec.nodeNam == ''"}]
    file.write_text(yaml.safe_dump(policy))
    (warning,) = load_tree(read_tree(file)).warnings
    assert "nodeNam" in warning.message
    assert digest(file.read_bytes()) not in json.loads(faults.table(library))


def test_of_files_in_python_it_has_those_in_which_nothing_is_refused(tmp_path: Path) -> None:
    library = libraries.small(tmp_path)
    policy = (
        "from gatewright import validate\n\n@validate(resources=['v1/pods'])\ndef nothing(request):\n    return None\n"
    )
    for name, text in (("fine", policy), ("reads", f"import socket\n{policy}"), ("broken", f"{policy}(")):
        (library / name).mkdir()
        (library / name / "more.py").write_text(text)
    assert json.loads(faults.table(library)).get(digest(policy.encode())) == "1.26"
    assert (
        not {digest(f"import socket\n{policy}".encode()), digest(f"{policy}(".encode())}
        & json.loads(faults.table(library)).keys()
    )
