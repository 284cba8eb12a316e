"""`gatewright`, as policy authors import it: what docs/policy-api.md shows runs, and type checkers find misuse."""

from __future__ import annotations

import copy
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

import gatewright
from tests.timing import HANGING

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/policy-api.md").read_text()
EXAMPLES = dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
PACKAGES = str(Path(msgspec.__file__).parents[1])


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GATEWRIGHT_", "MYPY"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANGING,
        check=False,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples of the page, each in its file."""
    root = tmp_path_factory.mktemp("page")
    for name, text in EXAMPLES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def type_errors(root: Path, *files: str) -> list[str]:
    """What `mypy --strict` says of these files, each on its own: all policy files have one name."""
    configuration = root / "mypy.ini"
    configuration.write_text(f"[mypy]\nstrict = True\ncache_dir = {ROOT / '.mypy_cache'}\nplugins = pydantic.mypy\n")
    lines: list[str] = []
    for number, file in enumerate(files):
        copy = root / f"checked_{number}.py"
        copy.write_text((root / file).read_text())
    result = run(
        "-m", "mypy", "--config-file", str(configuration), *(f"checked_{n}.py" for n in range(len(files))), cwd=root
    )
    assert result.returncode in (0, 1), result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines() if ": error: " in line]
    return [re.sub(r"^checked_\d+\.py:", "", line) for line in lines]


IMPORTED = f"""
import sys
sys.path += [{str(ROOT)!r}, {PACKAGES!r}]
import gatewright
print(*sorted({{"msgspec", "pydantic", "inspect", "dataclasses", "ast"}} & sys.modules.keys()))
user = gatewright.Request(operation="CREATE", resource=gatewright.GroupVersionResource("", "v1", "pods"),
    kind=gatewright.GroupVersionKind("", "v1", "Pod")).user
print(isinstance(user, gatewright.User), gatewright.User is gatewright.User)
"""


def test_the_import_imports_nothing_that_takes_long_until_it_is_used(tmp_path: Path) -> None:
    result = run("-I", "-S", "-c", IMPORTED, cwd=tmp_path)  # without site: where coverage is measured, it imports much
    assert result.stdout.splitlines() == ["", "True True"], result.stderr


def test_all_names_are_there() -> None:
    assert {each: getattr(gatewright, each) for each in gatewright.__all__}
    with pytest.raises(AttributeError, match="has no attribute 'Users'"):
        gatewright.Users  # type: ignore[attr-defined]


def test_a_violation_is_a_value() -> None:
    one, other = gatewright.Violation("no", "spec.a"), gatewright.Violation("no", ("spec", "a"), "Invalid")
    assert one == other == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))
    assert one != gatewright.Violation("no", "spec.a", "Forbidden")
    assert one != ("no", ("spec", "a"), "Invalid")
    assert len({one, other}) == 1
    assert repr(one) == "Violation(message='no', path=('spec', 'a'), reason='Invalid')"
    with pytest.raises(AttributeError, match="cannot assign to field 'message'"):
        one.message = "yes"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot delete field 'path'"):
        del one.path


class TestThePage:
    def test_names_a_file_for_every_example(self) -> None:
        assert len(re.findall(r"```\w", PAGE)) == len(EXAMPLES)
        assert len(EXAMPLES) >= 12

    def test_has_policies_whose_tests_pass(self, written: Path) -> None:
        result = run("-m", "webhook.cli.main", "test", "--policies", "policies", cwd=written)
        assert result.returncode == 0, result.stdout + result.stderr
        cases = sum(text.count("\n- name: ") for text in EXAMPLES.values())
        assert f"{cases} passed" in result.stdout

    def test_has_a_test_for_every_policy(self) -> None:
        policies = {Path(name).parent for name in EXAMPLES if name.endswith("policy.py")}
        assert policies == {Path(name).parent for name in EXAMPLES if name.endswith("tests.yaml")}

    def test_has_a_unit_test_that_passes(self, written: Path) -> None:
        result = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=written)
        assert "1 passed" in result.stdout, result.stdout + result.stderr

    def test_passes_a_strict_type_check(self, written: Path) -> None:
        assert type_errors(written, *(name for name in EXAMPLES if name.endswith("policy.py"))) == []

    @pytest.mark.parametrize("name", gatewright.__all__)
    def test_tells_of_everything_that_is_exported(self, name: str) -> None:
        assert re.search(rf"\b{name}\b", PAGE)

    @pytest.mark.parametrize("name", [name for name in vars(gatewright.Request) if name[0] != "_"])
    def test_tells_of_every_attribute_of_a_request(self, name: str) -> None:
        assert f"`{name}`" in PAGE


class TestTypes:
    def test_misuse_is_a_type_error(self, tmp_path: Path) -> None:
        lines = dedent(
            """
            from collections.abc import Iterator
            from pydantic import BaseModel
            from gatewright import Access, Request, Violation, mutate, validate
            class Params(BaseModel):
                minimum: int
            @validate(resources=["v1/pods"])  # [type-var]
            def nothing() -> None: ...
            @validate(resources=["v1/pods"], param_kind="v1/ConfigMap")  # [type-var]
            def three(request: Request, params: Params, more: int) -> None: ...
            @validate(resources=["v1/pods"])  # [type-var]
            def other(request: str) -> None: ...
            @validate(resources=["v1/pods"])  # [type-var]
            def a_bool(request: Request) -> bool: return True
            @validate(resources=["v1/pods"])  # [type-var]
            def numbers(request: Request) -> Iterator[int]: yield 1
            @validate(resources=["v1/pods"])  # [type-var]
            def no_kind(request: Request, params: Params) -> None: ...
            @validate(resources=["v1/pods"])  # [type-var]
            async def waits(request: Request) -> None: ...
            @mutate(resources=["v1/pods"])  # [type-var]
            def returns(request: Request) -> dict[str, int]: return {}
            @mutate(resources=["v1/pods"])  # [type-var]
            def yields(request: Request) -> Iterator[Violation]: yield Violation("no")
            @validate(resources="v1/pods")  # [call-overload]
            def one_text(request: Request) -> None: ...
            @validate(resources=["v1/pods"], operations=["CREAT"])  # [list-item]
            def misspelt(request: Request) -> None: ...
            @validate(resources=["v1/pods"], operations="CREATE")  # [call-overload]
            def one_operation(request: Request) -> None: ...
            @validate(resources=["v1/pods"], failure_policy="fail")  # [call-overload]
            def lower(request: Request) -> None: ...
            @validate(resources=["v1/pods"], reads="v1/Service")  # [call-overload]
            def one_kind(request: Request) -> None: ...
            @validate(resource=["v1/pods"])  # [call-overload]
            def unknown_keyword(request: Request) -> None: ...
            @validate()  # [call-overload]
            def without_resources(request: Request) -> None: ...
            @validate(resources=["v1/pods"], reinvocation_policy="Never")  # [call-overload]
            def not_of_validate(request: Request) -> None: ...
            @mutate(resources=["v1/pods"], reinvocation_policy="Always")  # [call-overload]
            def no_such_value(request: Request) -> None: ...
            def body(request: Request) -> None:
                request.nmae  # [attr-defined]
                request.name = "x"  # [misc]
                request.object.spec  # [union-attr]
                request.operation == "CREAT"  # [comparison-overlap]
                request.cluster.get("v1", "Service")  # [call-arg]
                request.cluster.get("v1", "Service", "x").value["spec"]  # [index]
                request.cluster.list("v1", "Service").value.append({})  # [attr-defined]
                request.cluster.authorize("get", resource=5)  # [arg-type]
                request.cluster.authorize(verb="get")  # [call-arg]
                Violation(5)  # [arg-type]
                Violation("x", path=["spec"])  # [arg-type]
                Violation("x", reason="Nope")  # [arg-type]
                Access(verb="get")  # [call-arg]
            """
        ).lstrip()
        (tmp_path / "misuse.py").write_text(lines)
        found: dict[int, str] = {}
        for error in type_errors(tmp_path, "misuse.py"):
            line, code = re.fullmatch(r"(\d+): error: .*  \[(.*)\]", error).groups()  # type: ignore[union-attr]
            found.setdefault(int(line), code)
        expected = {
            number: match[1]
            for number, line in enumerate(lines.splitlines(), 1)
            if (match := re.search(r"# \[([a-z-]+)\]$", line))
        }
        assert found == expected

    def test_what_is_right_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "right.py").write_text(
            dedent(
                """
                from collections.abc import Iterable, Iterator, Sequence
                from typing import Any
                from pydantic import BaseModel
                from gatewright import Request, User, Violation, mutate, validate
                class Params(BaseModel):
                    minimum: int
                @validate(resources=["v1/pods"], operations=["CREATE", "DELETE"], reads=("v1/Service",))
                def yields(request: Request) -> Iterator[Violation | str]: yield "no"
                @validate(resources=("v1/pods",), operations=("*",))
                def text(request: Request) -> str: return "no"
                @validate(resources={"v1/pods"})
                def optional(request: Request) -> Violation | None: return None
                @validate(resources=["v1/pods"])
                def listed(request: Request) -> list[Violation]: return []
                @validate(resources=["v1/pods"])
                def some(request: Request) -> Iterable[str] | None: return None
                @validate(resources=["v1/pods"], param_kind="v1/ConfigMap")
                def model(request: Request, params: Params) -> Sequence[Violation]: return ()
                @validate(resources=["v1/pods"], param_kind="v1/ConfigMap")
                def optional_model(request: Request, params: Params | None) -> None: ...
                @validate(resources=["v1/pods"], param_kind="v1/ConfigMap")
                def as_json(request: Request, params: dict[str, Any]) -> None: ...
                @validate(resources=["v1/pods"], param_kind="v1/ConfigMap")
                def not_taken(request: Request) -> None: ...
                @mutate(resources=["v1/pods"], reinvocation_policy="IfNeeded")
                def edits(request: Request) -> None:
                    request.object["spec"]["x"] = request.object.get("y", 1)
                @mutate(resources=["v1/pods"], param_kind="v1/ConfigMap")
                def edits_by_params(request: Request, params: Params) -> None:
                    request.object.setdefault("metadata", {})["x"] = params.minimum
                def body(request: Request) -> bool:
                    service = request.cluster.get("v1", "Service", "x").value
                    if service is None or not request.cluster.namespace("x"):
                        return bool(model(request, Params(minimum=1)))
                    allowed = request.cluster.authorize("get", path="/metrics", user=User("ann"))
                    return bool(service["spec"]) and allowed.allowed and request.object is None
                """
            )
        )
        assert type_errors(tmp_path, "right.py") == []


def test_the_import_brings_nothing_heavy_along() -> None:
    code = "import sys; before = set(sys.modules); import gatewright; print(*set(sys.modules) - before, sep='\\n')"
    modules = run(
        "-I", "-S", "-c", f"import sys; sys.path += [{str(ROOT)!r}, {PACKAGES!r}]; {code}", cwd=ROOT
    ).stdout.split()
    assert "gatewright" in modules
    heavy = ("pydantic", "orjson", "yaml", "kubernetes", "google", "cel_expr_python", "fastapi", "re2", "webhook.cel")
    assert [name for name in modules if name.startswith(heavy)] == []
    assert len(modules) < 130
