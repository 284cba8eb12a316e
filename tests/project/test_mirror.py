"""Tests mirror the code: webhook/a/b.py is tested in tests/a/test_b.py."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
SMALL = 60
"""Lines. A module of so many may be tested with those that use it."""

ELSEWHERE = """
audit/listings: audit/test_auditing
audit/controllers: audit/test_folding
audit/planning: audit/test_auditing
audit/sources: audit/test_auditing
admission/confidential: server/reviews/test_answering
admission/findings: admission/test_engine
admission/replying: admission/test_review
cel/value/aggregates: cel/value/test_operators
policy/cel/compilation: policy/cel/test_validating
policy/cel/mergetypes: policy/cel/test_structuredmerge
apiserver/customresources/coercing: apiserver/customresources/test_judging
apiserver/customresources/correlation: apiserver/customresources/test_judging
apiserver/customresources/definitionrefusals: apiserver/customresources/test_definitions
apiserver/customresources/definitionspecs: apiserver/customresources/test_definitions
apiserver/customresources/embedded: apiserver/customresources/test_against_kubernetes
apiserver/customresources/estimating: apiserver/customresources/test_against_kubernetes
apiserver/customresources/listtypes: apiserver/customresources/test_against_kubernetes
apiserver/customresources/openapi: apiserver/customresources/test_against_kubernetes
apiserver/customresources/rules: apiserver/customresources/test_judging
apiserver/customresources/ruletypes: apiserver/customresources/test_against_kubernetes
apiserver/customresources/schemarefusals: apiserver/customresources/test_definitions
apiserver/customresources/structural: apiserver/customresources/test_definitions
apiserver/customresources/structurality: apiserver/customresources/test_definitions
apiserver/fielderrors: apiserver/test_goshown
apiserver/admitted: cli/test_way_in
apiserver/completion: offline/test_requests
apiserver/decodingerrors: apiserver/test_decoding
apiserver/encoding: apiserver/test_decoding
apiserver/leafdecoding: apiserver/test_decoding
apiserver/defaults/apps: apiserver/defaults/test_defaulting
apiserver/validation/resources: apiserver/validation/test_against_kubernetes
apiserver/gated: apiserver/test_strategies_against_kubernetes
apiserver/plugins/accounts: apiserver/plugins/test_admitting
apiserver/plugins/limits: apiserver/plugins/test_admitting
apiserver/plugins/lookups: apiserver/plugins/test_admitting
apiserver/plugins/scheduling: apiserver/plugins/test_admitting
cel/check/construction: cel/value/test_messages
cel/check/broken: cel/check/test_recovery
cel/check/building: cel/check/test_checking
cel/check/declarations: cel/check/test_checking
cel/check/grammar: cel/check/test_recovery
cel/check/nodes: cel/check/test_parsing
cel/check/prediction: cel/check/test_recovery
cel/code/branches: cel/code/test_codegen
cel/code/loops: cel/value/test_operators
cel/code/optionals: cel/library/test_optionals
cel/code/pythonoperators: cel/value/test_operators
cel/code/recording: cel/why/test_explainer
cel/code/runtime: cel/value/test_operators
cel/code/writer: cel/code/test_codegen
cel/cost/charging: cel/cost/test_costs
cel/library/operation: cel/check/test_against_kubernetes
cel/library/resolution: cel/library/test_declaring
cel/library/standard: cel/value/test_operators
cel/tree/ast: cel/tree/test_sourcespans
cel/tree/declared: cel/library/test_declaring
policy/cel/schemashapes: policy/cel/test_typechecking
cel/tree/macros: cel/tree/test_sourcespans
cel/tree/parsed: cel/check/test_parsing
cel/why/errorplaces: cel/why/test_witness
cel/why/explanation: cel/why/test_explainer
cli/auditsources: cli/test_audit
cli/renderedfiles: cli/test_manifests
cli/impactinputs: cli/test_impact
cli/report/policylist: cli/test_policies
cel/why/origins: cel/why/test_witness
cel/why/privacy: cli/test_secrets_hidden
cel/why/ranking: cel/why/test_witness
cel/why/asked: cel/why/test_shapes
cel/why/questions: cel/why/test_shapes
cli/clusterreports/dialects: cli/clusterreports/test_writing
rollout/baseline: cli/test_exceptions
cli/rollout/command: cli/test_rollout
rollout/evidence: cli/test_rollout
rollout/recorded: cli/test_rollout
rollout/patching: cli/test_rollout
rollout/reports: cli/test_exceptions
rollout/standing: cli/test_exceptions
cli/rollout/standingtext: cli/test_exceptions
rollout/steps: cli/test_rollout
rollout/ringsteps: cli/test_rollout_rings
rollout/scraped: cli/test_rollout_metrics
cli/rollout/stepstext: cli/test_rollout
cli/readoptions: cli/test_check
cli/options: cli/test_check
cli/report/celvalues: cli/test_explain
cli/report/cobertura: cli/test_coverage
cli/report/coveragehtml: cli/test_coverage
cli/report/coveragejson: cli/test_coverage
cli/report/coveragemarkdown: cli/test_coverage
cli/report/coveragetext: cli/test_coverage
cli/report/casestext: cli/test_test
cli/report/checked: cli/test_check
cli/report/audited: cli/test_audit
cli/report/changes: cli/test_check
cli/report/mutantsjson: cli/test_mutants
cli/report/mutantstext: cli/test_mutants
cli/report/explainjson: cli/test_explain
cli/report/explaintext: cli/test_explain
cli/report/explaintree: cli/test_explain
cli/report/tested: cli/test_test
cli/report/linted: cli/test_lint
cli/report/impacted: cli/test_impact
cli/report/impactmarkdown: cli/test_impact
cli/report/impacttext: cli/test_impact
cli/inputs: cli/test_check
cli/report/benchjson: cli/test_bench
cli/report/benchtext: cli/test_bench
cli/report/replayjson: cli/test_replay
offline/letpass: cli/test_check
offline/sifting: offline/test_manifests
offline/measured: cli/test_bench
offline/measuring: cli/test_bench
cli/report/replaytext: cli/test_replay
impact/corpus: impact/test_brute_force
impact/differences: impact/test_brute_force
impact/remembering: impact/test_deciding
impact/summary: cli/test_impact
impact/trees: cli/test_impact
cli/testmutants: cli/test_mutants
cli/serve: server/test_settings
cluster/connection: cluster/test_live
cluster/snapshot: cluster/test_live
cluster/view: cluster/test_manifestsview
admission/params: admission/test_engine
admission/skipping: admission/test_engine
access: offline/test_authorizations
convert/compiled: convert/test_whole
convert/foreigntests/chainsaw: convert/foreigntests/test_reading
convert/foreigntests/expected: convert/test_whole
convert/foreigntests/gator: convert/foreigntests/test_reading
convert/foreigntests/kyvernotest: convert/foreigntests/test_reading
convert/foreigntests/kyvernovalues: convert/test_whole
convert/foreigntests/expansions: convert/test_whole
convert/foreigntests/files: convert/test_hostile
convert/foreigntests/running: convert/foreigntests/test_reading
convert/gatekeeper/constraints: convert/gatekeeper/test_corpora
convert/gatekeeper/known: convert/test_whole
convert/gatekeeper/match: convert/gatekeeper/test_corpora
convert/gatekeeper/mutators: convert/gatekeeper/test_corpora
convert/gatekeeper/parameters: convert/gatekeeper/test_corpora
convert/gatekeeper/patching: convert/gatekeeper/test_corpora
convert/gatekeeper/templates: convert/gatekeeper/test_corpora
convert/jsonpatches: convert/kyverno/test_mutating
convert/kyverno/context: convert/test_whole
convert/kyverno/merging: convert/kyverno/test_mutating
convert/kyverno/images: convert/kyverno/test_documented
convert/kyverno/jmesfields: convert/kyverno/test_expressions
convert/kyverno/jmesfunctions: convert/kyverno/test_expressions
convert/kyverno/jmeslogic: convert/kyverno/test_expressions
convert/kyverno/jmesnumbers: convert/kyverno/test_jmesasked
convert/kyverno/jmesvalues: convert/kyverno/test_expressions
convert/kyverno/match: convert/test_whole
convert/kyverno/patterns: convert/kyverno/test_asked
convert/kyverno/podcontrols: convert/kyverno/test_podsecurity
convert/kyverno/podviews: convert/kyverno/test_podsecurity
convert/kyverno/patternscalars: convert/kyverno/test_asked
convert/kyverno/validation: convert/test_whole
convert/kyverno/operations: convert/kyverno/test_documented
convert/kyverno/values: convert/test_whole
convert/kyverno/variables: convert/kyverno/test_expressions
convert/model: convert/test_whole
convert/simplify/certain: convert/simplify/test_rewriting
convert/simplify/optionalchains: convert/simplify/test_rewriting
convert/simplify/comparing: convert/simplify/test_rewriting
convert/simplify/guards: convert/simplify/test_rewriting
convert/simplify/knowntypes: convert/simplify/test_rewriting
convert/simplify/loopnames: convert/simplify/test_termtexts
convert/simplify/smallerpolicies: convert/simplify/test_meaning
convert/simplify/terms: convert/simplify/test_termtexts
convert/standard: convert/test_whole
convert/writing: cli/test_convert
cli/report/converted: cli/test_convert
coverage/measuring: coverage/test_expressions
coverage/model: coverage/test_expressions
coverage/points: coverage/test_expressions
coverage/recording: coverage/test_expressions
documents/document: documents/test_reader
documents/syntax/jsontext: documents/syntax/test_valuespans
documents/syntax/yamltext: documents/syntax/test_valuespans
library/listing: server/page/test_serving
lint/subject: lint/test_rules
lint/table: lint/test_pages
lint/rules/bindings: lint/test_rules
lint/rules/constants: lint/test_rules
lint/rules/containers: lint/test_rules
lint/rules/exceptions: lint/test_rules
lint/rules/loading: lint/test_rules
lint/rules/matching: lint/test_rules
lint/rules/messages: lint/test_rules
lint/rules/nullobjects: lint/test_rules
lint/rules/params: lint/test_rules
lint/rules/pythoncode: lint/test_rules
lint/rules/startup: lint/test_rules
lint/rules/upkeep: lint/test_rules
lint/rules/versions: lint/test_rules
mutants/mutant: mutants/test_running
mutants/pythonpolicies: mutants/test_running
offline/background: cli/test_failing_policies
offline/policyexplained: offline/test_explaining
policy/cel/declared: policy/cel/test_typechecking
policy/cel/matchconditions: policy/test_conditions
policy/cel/mutationchecking: policy/cel/test_mutating
policy/evaluation: policy/cel/test_validating
policy/load/exempting: policy/test_exceptions
policy/load/expressionplaces: cli/test_broken_policies
policy/load/likelymistakes: policy/test_unmatchable
policy/load/made: policy/load/test_loading
policy/load/problems: policy/load/test_loading
policy/load/translate: policy/load/test_loading
policy/policyset: policy/load/test_loading
policy/python/declaring: policy/python/test_decorators
policy/python/importing: policy/python/test_decorators
policy/python/raised: cli/test_failing_policies
policy/python/running: policy/python/test_decorators
policy/python/violation: policy/python/test_api
policy/reviewing: admission/test_engine
policy/trace: offline/test_explaining
policy/unmatched: offline/test_explaining
recordings/records: recordings/test_writing
registration/atoms: registration/test_against_policies
registration/configurations: cli/test_manifests
registration/rules: registration/test_against_policies
registration/webhooks: registration/test_against_policies
cli/defaults: cli/test_settings
forge/exchange: forge/test_github
scaffold/writing: cli/test_new
server/plain/debugpages: server/plain/test_debugging
server/page/running: server/page/test_trying
server/page/standing: server/page/test_serving
server/port/exchange: server/port/test_protocol
server/telemetry/feeding: server/telemetry/traces/test_sending
server/life/gathering: server/plain/test_asgi
server/port/heads: server/port/test_protocol
server/port/incoming: server/port/test_protocol
server/port/listening: server/life/test_process
server/port/connections: server/port/test_protocol
server/life/lifecycle: server/life/test_process
server/plain/profiling: server/plain/test_debugging
server/state: server/plain/test_app
server/telemetry/traces/spans: server/reviews/test_sight
server/reviews/observers: server/reviews/test_sight
"""
"""Modules that have no test module of their own, each with the one that covers it."""


def modules() -> dict[str, Path]:
    """Every module with its place below its package: cel/cost/costs."""
    return {
        path.relative_to(ROOT / package).with_suffix("").as_posix(): path
        for package in ("webhook", "gatewright")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__init__.py"
    }


def own_test(module: str) -> Path:
    path = TESTS / module
    return path.with_name(f"test_{path.name}.py")


MODULES = modules()
COVERED = dict(line.split(": ") for line in ELSEWHERE.strip().splitlines())


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_test_module(module: str) -> None:
    small = len(MODULES[module].read_text().splitlines()) <= SMALL
    place = own_test(module).relative_to(ROOT)
    if not own_test(module).exists() and not small:
        assert module in COVERED, f"{place} is missing: write it, or name in ELSEWHERE which tests cover {module}"


@pytest.mark.parametrize("module", COVERED)
def test_the_list_of_those_that_have_none_is_true(module: str) -> None:
    assert module in MODULES, f"there is no module {module}: take its line out"
    assert not own_test(module).exists(), f"{module} has a test module: take its line out"
    assert (TESTS / f"{COVERED[module]}.py").exists(), f"tests/{COVERED[module]}.py, which covers {module}, is missing"


def imports(path: Path) -> set[str]:
    """Every module and name that a file imports, each in full."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_no_test_module_is_imported() -> None:
    """What tests share stands in plain modules, such as tests/policy/trees.py."""
    tests = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for folder in (TESTS, ROOT / "bench")
        for path in sorted(folder.rglob("*.py"))
    }
    modules = {name for name in tests if name.rpartition(".")[2].startswith("test_")}
    assert len(modules) > 100
    assert [(name, found) for name, path in tests.items() for found in imports(path) & modules] == []
