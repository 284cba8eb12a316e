"""Python policies, from their file to the verdict."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import gatewright
from gatewright import PolicyDefinitionError, Violation, mutate, validate
from tests.policy.trees import (
    binding,
    loaded_files,
    messages,
    mutating_binding,
    pod,
    request,
    tree,
    unit_test_request,
    verdict,
)
from webhook.admission.decision import Decision
from webhook.policy.load.loading import PolicyTreeError
from webhook.policy.python.importing import declarations
from webhook.policy.request import Request

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "hunter2"}}


def decided(root: Path, body: str, asked: Request | None = None, *, options: str = "", **files: str) -> Decision:
    """The verdict of the policy `p` with this body on pods (on everything if `asked` is something else)."""
    indented = "\n".join(f"    {line}" for line in dedent(body).strip().splitlines())
    code = f"@validate(resources=['*/*'], operations=['*']{options})\ndef p(request):\n{indented}\n"
    return verdict(tree(root, code, **files), asked)


def mutated(root: Path, body: str, asked: Request | None = None, *, options: str = "") -> Decision:
    indented = "\n".join(f"    {line}" for line in dedent(body).strip().splitlines())
    code = f"@mutate(resources=['*/*']{options})\ndef p(request):\n{indented}\n"
    return verdict(tree(root, code, mutating_binding("p")), asked)


def wrong(root: Path, code: str) -> list[tuple[str, int | None, str]]:
    with pytest.raises(PolicyTreeError) as caught:
        tree(root, code)
    return [(Path(problem.file).name, problem.line, problem.message) for problem in caught.value.problems]


class TestWhatAFunctionGives:
    def test_violations_read_as_cels_denials_do(self, tmp_path: Path) -> None:
        decision = decided(
            tmp_path,
            """
            for index, container in enumerate(request.object["spec"]["containers"]):
                yield Violation(f"{container['name']}: no", path=f"spec.containers[{index}].image", reason="Forbidden")
            yield Violation("also", path=("metadata", "labels", "a.b/c"))
            """,
        )
        assert decision.message == "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: main: no"
        assert (decision.reason, decision.code) == ("Forbidden", 403)
        assert [finding.path for finding in decision.findings] == [
            ("spec", "containers", 0, "image"),
            ("metadata", "labels", "a.b/c"),
        ]
        assert decision.findings[1].code == 422

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("return None", []),
            ("return []", []),
            ("return 'no'", ["no"]),
            ("return Violation('no')", ["no"]),
            ("return ['a', Violation('b')]", ["a", "b"]),
            ("yield 'a'\nyield Violation('b')", ["a", "b"]),
            ("return (text for text in 'ab')", ["a", "b"]),
            ("yield 'two\\n  lines '", ["two lines"]),
        ],
    )
    def test_none_one_or_several_as_text_or_violations(self, tmp_path: Path, body: str, expected: list[str]) -> None:
        assert messages(decided(tmp_path, body)) == expected

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("return True", "TypeError: it returned bool; expected Violations, text or None"),
            ("return {'a': 1}", "TypeError: it returned dict; expected Violations, text or None"),
            ("yield 5", "TypeError: it returned int; expected a Violation or text"),
            ("yield ''", "ValueError: Violation: message must not be blank"),
            ("yield Violation('a', path='spec..x')", "ValueError: not a path, at offset 4: 'spec..x'; expected a form"),
            ("yield Violation('a', path=['spec'])", "TypeError: Violation: path must be text such as"),
            ("yield Violation('a', reason='No')", "ValueError: Violation: reason must be one of"),
            ("yield Violation(5)", "TypeError: Violation: message must be text, not int"),
            ("while True: yield 'a'", "ValueError: it returned more than 1000 violations"),
        ],
    )
    def test_anything_else_is_an_evaluation_error(self, tmp_path: Path, body: str, expected: str) -> None:
        decision = decided(tmp_path, body)
        assert not decision.allowed
        assert decision.findings[-1].error
        assert decision.findings[-1].message.startswith(f"function 'p' resulted in error: {expected}")

    def test_a_long_message_is_cut(self, tmp_path: Path) -> None:
        assert len(messages(decided(tmp_path, "return 'x' * 100_000"))[0]) == 5120


class TestExceptions:
    def test_deny_under_fail_and_name_the_line(self, tmp_path: Path) -> None:
        decision = decided(tmp_path, "request.object['nope']")
        assert decision.message == (
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "
            f"function 'p' resulted in error: KeyError: 'nope' ({tmp_path}/policy.py:4, in p)"
        )
        assert decision.findings[0].error

    def test_pass_under_ignore(self, tmp_path: Path) -> None:
        assert decided(tmp_path, "1 / 0", options=", failure_policy='Ignore'").allowed

    def test_leave_what_was_found_before(self, tmp_path: Path) -> None:
        decision = decided(tmp_path, "yield 'no'\n1 / 0")
        assert messages(decision) == [
            "no",
            f"function 'p' resulted in error: ZeroDivisionError: division by zero ({tmp_path}/policy.py:5, in p)",
        ]
        assert messages(decided(tmp_path, "yield 'no'\n1 / 0", options=", failure_policy='Ignore'")) == ["no"]

    @pytest.mark.parametrize("raised", ["SystemExit(3)", "RecursionError()", "MemoryError()", "StopIteration()"])
    def test_of_any_kind_do_not_take_the_server_along(self, tmp_path: Path, raised: str) -> None:
        assert decided(tmp_path, f"raise {raised}").findings[0].error

    def test_endless_recursion_is_one(self, tmp_path: Path) -> None:
        code = "def deeper(): deeper()\n\n@validate(resources=['*'])\ndef p(request): deeper()\n"
        assert "RecursionError" in verdict(tree(tmp_path, code)).message

    def test_on_a_secret_tell_nothing_but_their_type(self, tmp_path: Path) -> None:
        asked = request(SECRET, resource="v1/secrets", kind="Secret")
        decision = decided(tmp_path, "int(request.object['data']['password'])", asked)
        assert messages(decision) == [f"function 'p' resulted in error: ValueError ({tmp_path}/policy.py:4, in p)"]
        assert "hunter2" not in repr(decision)

    def test_with_line_breaks_become_one_line(self, tmp_path: Path) -> None:
        assert messages(decided(tmp_path, "raise ValueError('a\\n  b')")) == [
            f"function 'p' resulted in error: ValueError: a b ({tmp_path}/policy.py:4, in p)"
        ]


class TestTheRequest:
    def test_is_pleasant_to_use(self, tmp_path: Path) -> None:
        decision = decided(
            tmp_path,
            """
            yield (f"{request.operation} {request.resource.resource}/{request.subresource} {request.namespace}/"
                   f"{request.name} by {request.user.username} {request.old_object is None} {request.kind.kind}")
            """,
            request(pod("web"), resource="v1/pods/status"),
        )
        assert messages(decision) == ["CREATE pods/status default/web by jane True Pod"]

    def test_looks_things_up_in_the_cluster(self, tmp_path: Path) -> None:
        found = decided(
            tmp_path,
            "return request.cluster.get('v1', 'ConfigMap', 'c', request.namespace).value['data']['x']",
            options=", reads=['v1/ConfigMap']",
            c_yaml="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: default}\ndata: {x: found}\n",
        )
        assert messages(found) == ["found"]

    @pytest.mark.parametrize(
        ("call", "kind"),
        [
            ("get('v1', 'Secret', 's', 'default')", "v1/Secret"),
            ("list('apps/v1', 'Deployment')", "apps/v1/Deployment"),
            ("namespace('default')", "v1/Namespace"),
            ("authorize(None)", "authorization.k8s.io/v1/SubjectAccessReview"),
        ],
    )
    def test_a_lookup_that_is_not_declared_is_an_error_that_says_what_to_add(
        self, tmp_path: Path, call: str, kind: str
    ) -> None:
        decision = decided(tmp_path, f"request.cluster.{call}", options=", reads=['v1/ConfigMap']")
        (message,) = messages(decision)
        assert message.startswith("function 'p' resulted in error: UndeclaredLookup: ")
        assert f"add reads=['{kind}'] to the decorator" in message

    def test_what_one_policy_declares_another_does_not_see(self, tmp_path: Path) -> None:
        code = (
            "@validate(resources=['v1/pods'], reads=['v1/Secret'])\ndef p(request):\n"
            "    yield str(request.cluster.list('v1', 'Secret').value)\n"
            "@validate(resources=['v1/pods'])\ndef q(request):\n"
            "    yield str(request.cluster.list('v1', 'Secret').value)\n"
            "@validate(resources=['v1/pods'], reads=['v1/Secret'])\ndef r(request):\n"
            "    yield str(request.cluster.list('v1', 'Secret').value)\n"
        )
        bindings = (binding("p"), binding("q", name="c"), binding("r", name="d"))
        first, second, third = messages(verdict(tree(tmp_path, code, *bindings)))
        assert first == third == "[]"
        assert "UndeclaredLookup" in second

    def test_a_mutation_looks_up_what_it_declares_too(self, tmp_path: Path) -> None:
        body = "request.object['metadata']['labels'] = {'n': str(len(request.cluster.list('v1', 'Secret').value))}"
        (tmp_path / "not").mkdir()
        (tmp_path / "declared").mkdir()
        assert "UndeclaredLookup" in messages(mutated(tmp_path / "not", body))[0]
        decision = mutated(tmp_path / "declared", body, options=", reads=['v1/Secret']")
        assert decision.mutation is not None
        assert decision.mutation.object is not None
        assert decision.mutation.object["metadata"]["labels"] == {"n": "0"}

    def test_what_a_policy_that_reads_secrets_raises_is_not_told(self, tmp_path: Path) -> None:
        decision = decided(tmp_path, "int('hunter2')", options=", reads=['v1/Secret']")
        assert messages(decision) == [f"function 'p' resulted in error: ValueError ({tmp_path}/policy.py:4, in p)"]

    @pytest.mark.parametrize("reads", ["'v1/ConfigMap'", "['configmaps']", "['v1/configmaps']", "[1]", "['ConfigMap']"])
    def test_what_is_read_are_kinds(self, tmp_path: Path, reads: str) -> None:
        code = f"@validate(resources=['v1/pods'], reads={reads})\ndef p(request): ...\n"
        ((_, _, message),) = wrong(tmp_path, code)
        assert "reads" in message
        assert "v1/ConfigMap" in message


class TestBinding:
    def test_actions_are_the_bindings(self, tmp_path: Path) -> None:
        code = "@validate(resources=['v1/pods'])\ndef p(request): return 'no'\n"
        decision = verdict(tree(tmp_path, code, binding("p", "Warn", "Audit")))
        assert decision.allowed
        assert decision.warnings == ("Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no",)
        assert '"message":"no"' in decision.audit_annotations["validation_failure"]

    def test_without_one_it_never_runs(self, tmp_path: Path) -> None:
        code = "@validate(resources=['v1/pods'])\ndef p(request): return 'no'\n"
        loose = code + "@validate(resources=['v1/pods'])\ndef q(request): return 'never'\n"
        policies = tree(tmp_path, loose)
        assert messages(verdict(policies)) == ["no"]
        assert "'q' has no binding" in policies.notes[0].message


class TestResources:
    @pytest.mark.parametrize(
        ("resource", "asked", "matches"),
        [
            ("v1/pods", "v1/pods", True),
            ("v1/pods", "v1/pods/exec", False),
            ("v1/pods", "apps/v1/pods", False),
            ("v1/pods/exec", "v1/pods/exec", True),
            ("v1/pods/*", "v1/pods", True),
            ("v1/*", "v1/services", True),
            ("v1/*", "apps/v1/deployments", False),
            ("apps/v1/deployments", "apps/v1/deployments", True),
            ("apps/v1/deployments", "apps/v1beta1/deployments", False),
            ("apps/*/deployments", "apps/v1beta1/deployments", True),
            ("apps/v1/deployments/scale", "apps/v1/deployments/scale", True),
            ("apps/v1/deployments/scale", "apps/v1/deployments", False),
            ("*/*/*", "apps/v1/deployments", True),
            ("*", "apps/v1/deployments", True),
            ("*", "apps/v1/deployments/scale", False),
            ("*/scale", "apps/v1/deployments/scale", True),
            ("*/scale", "apps/v1/deployments", False),
            ("*/*", "apps/v1/deployments/scale", True),
            ("*/*/*/status", "example.com/v1/things/status", True),
        ],
    )
    def test_read_as_the_design_says(self, tmp_path: Path, resource: str, asked: str, matches: bool) -> None:
        code = f"@validate(resources=[{resource!r}])\ndef p(request): return 'no'\n"
        assert verdict(tree(tmp_path, code), request(resource=asked)).allowed is not matches

    def test_operations_are_create_and_update_unless_told_otherwise(self, tmp_path: Path) -> None:
        code = "@validate(resources=['v1/pods'])\ndef p(request): return 'no'\n"
        policies = tree(tmp_path, code)
        assert [
            verdict(policies, request(pod(), operation)).allowed for operation in ("CREATE", "UPDATE", "CONNECT")
        ] == [
            False,
            False,
            True,
        ]
        assert verdict(policies, request(None, "DELETE", old_object=pod())).allowed

    def test_a_scope_can_be_given(self, tmp_path: Path) -> None:
        code = "@validate(resources=['*'], scope='Cluster')\ndef p(request): return 'no'\n"
        policies = tree(tmp_path, code)
        assert verdict(policies, request()).allowed
        assert not verdict(policies, request(resource="v1/nodes", namespace="")).allowed


class TestDeclaration:
    def test_name_description_file_and_line(self, tmp_path: Path) -> None:
        code = '''
            @validate(resources=["v1/pods"])
            def no_latest_tag(request):
                """Images name a version.

                Or else.
                """
        '''
        [policy] = tree(tmp_path, code, binding("no-latest-tag")).policies
        assert (policy.name, policy.language, policy.kind) == ("no-latest-tag", "python", "ValidatingAdmissionPolicy")
        assert policy.description == "Images name a version.\n\nOr else."
        assert (Path(policy.file).name, policy.line) == ("policy.py", 3)

    def test_annotations_are_kept_as_those_of_cel(self, tmp_path: Path) -> None:
        given = "{'kubernetes.io/description': 'All are named.', 'gatewright.dev/Title': 'Names'}"
        code = f"@validate(resources=['v1/pods'], annotations={given})\ndef p(request):\n    'Not this.'\n"
        (policy,) = tree(tmp_path, code).policies
        assert policy.description == "All are named."
        assert policy.annotations == (
            ("gatewright.dev/Title", "Names"),
            ("kubernetes.io/description", "All are named."),
        )

    def test_a_name_can_be_given(self, tmp_path: Path) -> None:
        code = "@validate(resources=['v1/pods'], name='p')\ndef f(request): ...\n"
        assert [policy.name for policy in tree(tmp_path, code).policies] == ["p"]

    def test_the_function_stays_a_function(self) -> None:
        @validate(resources=["v1/pods"])
        def no(asked: gatewright.Request) -> list[str]:
            return [asked.name]

        assert no(unit_test_request()) == ["web"]

    @pytest.mark.parametrize(
        ("decorator", "expected"),
        [
            ("@validate", "@validate: validate() takes 0 positional arguments"),
            ("@validate()", "@validate: validate() missing 1 required keyword-only argument: 'resources'"),
            ("@validate(resource=['v1/pods'])", "@validate: validate() got an unexpected keyword argument 'resource'"),
            ("@validate(resources='v1/pods')", "@validate: resources must be a list such as ['v1/pods'"),
            ("@validate(resources=[])", "@validate: resources must be a list such as ['v1/pods'"),
            ("@validate(resources=['pods'])", "@validate: 'pods' names no resource; did you mean v1/pods?"),
            ("@validate(resources=['apps/deployments'])", "'apps/deployments' names no resource"),
            ("@validate(resources=['v1/pods/exec/x'])", "'v1/pods/exec/x' names no resource"),
            ("@validate(resources=['v1/Pods'])", "'v1/Pods' names no resource"),
            ("@validate(resources=['v1/pods/'])", "'v1/pods/' names no resource"),
            ("@validate(resources=[5])", "5 names no resource"),
            (
                "@validate(resources=['*'], operations='CREATE')",
                "@validate: operations must be a list of CREATE, UPDATE",
            ),
            ("@validate(resources=['*'], operations=['PATCH'])", "or ['*']; not 'PATCH'"),
            ("@validate(resources=['*'], failure_policy='fail')", "failure_policy must be 'Fail' or 'Ignore'"),
            ("@validate(resources=['*'], scope='All')", "scope must be '*', 'Cluster' or 'Namespaced'"),
            ("@validate(resources=['*'], name='No_Good')", "the policy's name 'No_Good' must be lower-case letters"),
            ("@validate(resources=['*'], param_kind='ConfigMap')", "param_kind must be a form such as v1/ConfigMap"),
            ("@validate(resources=['*'], param_kind='v1/configmap')", "param_kind must be a form such as v1/ConfigMap"),
            ("@validate(resources=['*'], annotations='x')", "@validate: annotations must be a dict such as"),
            ("@validate(resources=['*'], annotations={'a b': ''})", "annotations has the key 'a b'; expected a form"),
            ("@mutate(resources=['*'], annotations={'a/b': 5})", "annotations['a/b'] must be text, not int"),
            ("@mutate(resources=['*'], annotations={'a': 'é' * 131072})", "262,145 bytes; at most 262,144"),
            ("@mutate(resources=['*'], operations=['DELETE'])", "@mutate: DELETE has no object to mutate"),
            ("@mutate(resources=['*'], reinvocation_policy='Always')", "@mutate: reinvocation_policy must be 'Never'"),
        ],
    )
    def test_misuse_is_an_error_with_its_line(self, tmp_path: Path, decorator: str, expected: str) -> None:
        [(file, line, message)] = wrong(tmp_path, f"\n{decorator}\ndef p(request): ...\n")
        assert (file, line) == ("policy.py", 3)
        assert expected in message

    def test_each_misuse_in_a_file_is_reported(self, tmp_path: Path) -> None:
        code = """
@validate(resources=["v1/Pod"])
def p(request): ...

@validate(
    resources=["v1/pods"], scopes="x")
def two(request): ...

@validate
def three(request): ...

@mutate(resources=["v1/pods"], reinvocation_policy="x")
def four(request): ...

@validate(resources=["v1/pods"])
def five(): ...

@validate(resources=["v1/pods"])
def right(request): ...

unknown
"""
        found = [(line, message.partition(";")[0][:40]) for _, line, message in wrong(tmp_path, code)]
        assert found == [
            (3, "@validate: 'v1/Pod' names no resource"),
            (6, "@validate: validate() got an unexpected "),
            (10, "@validate: validate() takes 0 positional"),
            (13, "@mutate: reinvocation_policy must be 'Ne"),
            (16, "@validate: five must take (request) or ("),
            (22, "cannot be imported: NameError: name 'unk"),
        ]

    def test_misuse_in_an_imported_file_ends_the_import(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "library_of_wrong_policies.py").write_text(
            "from gatewright import validate\n\n@validate(resources=['v1/Pod'])\ndef p(request): ...\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        code = "import library_of_wrong_policies\n"
        path = tmp_path / "policy.py"
        path.write_text(code)
        [problem] = declarations(str(path), code.encode(), {"library_of_wrong_policies"})[1]
        assert (problem.line, problem.message[:37]) == (1, "@validate: 'v1/Pod' names no resource")

    def test_misuse_in_a_unit_test_raises(self) -> None:
        with pytest.raises(PolicyDefinitionError, match="names no resource"):

            @validate(resources=["v1/Pod"])
            def p(asked: gatewright.Request) -> None: ...

    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            ("def p(): ...", "p must take (request) or (request, params), not ()"),
            ("def p(request, params, more): ...", "p must take (request) or (request, params)"),
            ("def p(request, *, params): ...", "p must take (request) or (request, params)"),
            ("async def p(request): ...", "a policy must be a plain function, not an async one"),
            ("class p: ...", "@validate decorates a function, not type"),
        ],
    )
    def test_what_is_no_policy_function(self, tmp_path: Path, function: str, expected: str) -> None:
        [(_, _, message)] = wrong(tmp_path, f"@validate(resources=['*'])\n{function}\n")
        assert expected in message

    def test_a_mutation_does_not_yield(self, tmp_path: Path) -> None:
        [(_, _, message)] = wrong(tmp_path, "@mutate(resources=['*'])\ndef p(request): yield 1\n")
        assert message == "@mutate: the function edits request.object in place; it does not yield"

    def test_two_policies_of_one_name_are_an_error_even_if_the_second_hides_the_first(self, tmp_path: Path) -> None:
        function = "@validate(resources=['*'])\ndef p(request): ...\n"
        [(file, line, message)] = wrong(tmp_path, function + function)
        assert (file, line) == ("policy.py", 4)
        assert message.startswith("ValidatingAdmissionPolicy 'p' is already defined in ")


class TestFiles:
    def test_of_one_name_do_not_collide(self, tmp_path: Path) -> None:
        for number, folder in enumerate(("one", "two")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "policy.py").write_text(
                "from gatewright import validate\n"
                f"WHO = {folder!r}\n"
                f"@validate(resources=['*'], name='p{number}')\ndef policy(request): return WHO\n"
            )
            (tmp_path / folder / "b.json").write_text(json.dumps(binding(f"p{number}", name=folder)))
        assert messages(verdict(loaded_files(tmp_path))) == ["one", "two"]

    def test_leave_sys_path_and_the_tree_as_they_are(self, tmp_path: Path) -> None:
        before = list(sys.path)
        tree(tmp_path, "@validate(resources=['*'])\ndef p(request): ...\n")
        assert sys.path == before
        assert {path.name for path in tmp_path.iterdir()} == {"policy.py", "ValidatingAdmissionPolicyBinding-b.json"}

    def test_may_define_dataclasses_and_models(self, tmp_path: Path) -> None:
        code = """
            @validate(resources=["*"])
            def p(request):
                return Point(1).x

            from dataclasses import dataclass

            @dataclass
            class Point:
                x: "int"
        """
        assert "it returned int" in verdict(tree(tmp_path, code)).message

    def test_that_lead_out_of_the_tree_are_refused(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside.py"
        outside.write_text("raise SystemExit('imported')")
        inside = tmp_path / "tree"
        inside.mkdir()
        (inside / "policy.py").symlink_to(outside)
        with pytest.raises(PolicyTreeError, match="cannot be read: it is a link out of the policy tree"):
            loaded_files(inside)

    def test_cannot_import_their_neighbours(self, tmp_path: Path) -> None:
        (tmp_path / "shared_rules.py").write_text("x = 1")
        [(file, line, message)] = wrong(tmp_path, "import shared_rules\n\ndef p(): ...\n")
        assert (file, line) == ("policy.py", 2)
        assert message.startswith("a policy may not import shared_rules: ")

    def test_that_exit_are_an_error(self, tmp_path: Path) -> None:
        assert wrong(tmp_path, "raise SystemExit(2)\n\ndef p(): ...\n")[0][1:] == (
            2,
            "cannot be imported: SystemExit: 2",
        )

    def test_that_are_no_text_are_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(PolicyTreeError, match=r"binary\.py"):
            loaded_files(tmp_path)

    def test_that_fail_leave_the_policies_that_are_in_use(self, tmp_path: Path) -> None:
        code = "WHO = 'me'\n\n@validate(resources=['*'])\ndef p(request): return WHO\n"
        policies = tree(tmp_path, code)
        with pytest.raises(PolicyTreeError):
            tree(tmp_path, "1 / 0")
        assert messages(verdict(policies)) == ["me"]


class TestMutate:
    def test_edits_a_copy_in_place(self, tmp_path: Path) -> None:
        asked = request(pod("web"))
        decision = mutated(tmp_path, "request.object['metadata']['labels']['team'] = 'a'", asked)
        assert decision.mutation is not None
        assert decision.mutation.object is not None
        assert decision.mutation.object["metadata"]["labels"] == {"team": "a"}
        assert (decision.mutation.changed, decision.mutation.policies) == (True, ("p",))
        assert asked.object == pod("web")

    @pytest.mark.parametrize(
        "body", ["pass", "request.object['metadata']['name'] = 'web'", "request.object.get('spec')"]
    )
    def test_no_change_is_no_mutation(self, tmp_path: Path, body: str) -> None:
        asked = request(pod("web"))
        mutation = mutated(tmp_path, body, asked).mutation
        assert mutation is not None
        assert not mutation.changed
        assert mutation.object is asked.object

    def test_true_in_place_of_1_is_a_change(self, tmp_path: Path) -> None:
        mutation = mutated(tmp_path, "request.object['spec']['x'] = True", request(pod("web", x=1))).mutation
        assert mutation is not None
        assert mutation.changed

    def test_an_exception_leaves_nothing_of_it(self, tmp_path: Path) -> None:
        asked = request(pod("web"))
        decision = mutated(tmp_path, "request.object['spec']['x'] = 1\n1 / 0", asked)
        assert not decision.allowed
        assert decision.message == (
            "policy 'p' with binding 'b' denied request: "
            f"function 'p' resulted in error: ZeroDivisionError: division by zero ({tmp_path}/policy.py:5, in p)"
        )
        assert (decision.code, decision.reason) == (403, "Invalid")
        assert asked.object == pod("web")

    def test_under_ignore_the_object_stays_as_it_was(self, tmp_path: Path) -> None:
        decision = mutated(tmp_path, "request.object['spec']['x'] = 1\n1 / 0", options=", failure_policy='Ignore'")
        assert decision.allowed
        assert decision.mutation is not None
        assert not decision.mutation.changed

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("return request.object", "TypeError: it returned dict; edit request.object in place, return nothing"),
            (
                "request.object = None",
                "ReadOnlyError: request.object cannot be set; a @mutate function edits request.object",
            ),
            ("request.object['x'] = {1, 2}", "NotJSON: x is of type set, which JSON does not have"),
            ("request.object['x'] = float('nan')", "NotJSON: x is nan, which JSON does not have"),
            ("request.object['x'] = [{5: 6}]", "NotJSON: x[0] has a key of type int; keys are text"),
            ("request.object['x'] = 2**64", "NotJSON: x does not fit into 64 bits"),
            ("request.object['x'] = request.object", "NotJSON: nested more than 500 levels deep"),
        ],
    )
    def test_what_comes_of_it_must_be_json(self, tmp_path: Path, body: str, expected: str) -> None:
        decision = mutated(tmp_path, body)
        assert not decision.allowed
        assert f"function 'p' resulted in error: {expected}" in decision.message

    def test_what_the_function_keeps_is_not_what_is_used(self, tmp_path: Path) -> None:
        code = """
            KEPT = []

            @mutate(resources=["*"])
            def p(request):
                for earlier in KEPT:
                    earlier.clear()
                request.object["spec"]["x"] = {}
                KEPT.append(request.object["spec"])
        """
        policies = tree(tmp_path, code, mutating_binding("p"))
        first, second = verdict(policies).mutation, verdict(policies).mutation
        assert first is not None
        assert second is not None
        assert first.object == second.object == pod("web", x={})

    def test_nothing_is_mutated_where_there_is_no_object(self, tmp_path: Path) -> None:
        asked = request(None, "DELETE", old_object=pod())
        assert mutated(tmp_path, "1 / 0", asked, options=", operations=['*']").allowed

    def test_decorated_functions_stay_functions(self) -> None:
        @mutate(resources=["v1/pods"])
        def label(asked: gatewright.Request) -> None:
            asked.object["x"] = 1

        asked = unit_test_request()
        label(asked)
        assert asked.object["x"] == 1


def test_a_violation_can_be_compared_and_shown() -> None:
    assert Violation("a", path="spec.x") == Violation("a", path=("spec", "x"))
    assert repr(Violation("a")) == "Violation(message='a', path=None, reason='Invalid')"
