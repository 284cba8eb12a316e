"""Compiles a MutatingAdmissionPolicy, and runs it on requests.

The order, the error handling and the texts are those of k8s.io/apiserver, plugin/policy/mutating. matchConditions and
variables are compiled and evaluated like those of a ValidatingAdmissionPolicy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from marshal import dumps
from time import perf_counter
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from webhook.apiserver.problems import FieldProblem
from webhook.apiserver.retyping import NO_CUSTOM_KINDS, CustomKinds, Retyped, retyped
from webhook.cel import PLAIN, CompileError, EvaluationError, Form, Issue, Program, types
from webhook.cel.check.construction import JSON_PATCH_TYPE, OBJECT_TYPE
from webhook.cel.cost.compiling import Compiling
from webhook.cel.cost.metering import LATE
from webhook.cel.value.extent import extent
from webhook.cel.value.messages import Message
from webhook.paths import Path
from webhook.policy.cel import authorization, compilation, constructed, jsonpatches, structuredmerge
from webhook.policy.cel.compilation import Compiled
from webhook.policy.cel.declared import base_environment
from webhook.policy.cel.validating import CHEAP, CELValidator
from webhook.policy.evaluation import UNCHANGED, MutationFault, MutationResult
from webhook.policy.json_values import differs
from webhook.policy.request import GroupVersionKind, JSONObject
from webhook.policy.reviewing import Mutated, Review
from webhook.policy.trace import recorder as recorder_of
from webhook.policy.written import model
from webhook.schema import Schema, Schemas
from webhook.versions import NEWEST, Version

PatchType = Literal["ApplyConfiguration", "JSONPatch"]


class Mutation(Struct, frozen=True):
    """One mutation. Its expression returns an object to merge, or the operations of a JSON patch."""

    patch_type: PatchType
    program: Program
    place: Path


class CELMutator(Struct, frozen=True):
    """The compiled expressions of a policy. shared: its matchConditions and variables. schemas: of kinds to merge.

    custom: the kinds of which objects get defaults after each mutation. target: the Kubernetes version that objects
    are of.
    """

    shared: CELValidator
    mutations: tuple[Mutation, ...]
    reinvoked: bool
    sources: tuple[tuple[Path, Program], ...]
    schemas: Schemas
    custom: CustomKinds = NO_CUSTOM_KINDS
    target: Version = NEWEST

    def programs(self) -> Iterator[tuple[Path, Program]]:
        """See Mutator."""
        return iter(self.sources)

    def prepare(self) -> None:
        """Generate the code of all expressions."""
        for _, program in self.sources:
            program.prepare()

    @property
    def variables(self) -> Mapping[str, Program]:
        """`variables.NAME` -> program."""
        return self.shared.variables

    def configurations(self) -> Iterator[tuple[Path, Program]]:
        """The expressions of ApplyConfigurations, each with its place in the policy object."""
        merging = {id(each.program) for each in self.mutations if each.patch_type == "ApplyConfiguration"}
        return ((path, program) for path, program in self.sources if id(program) in merging)

    def with_schemas(self, schemas: Schemas) -> CELMutator:
        """The same mutator with other schemas."""
        return replace(self, schemas=schemas)

    def with_custom_kinds(self, custom: CustomKinds) -> CELMutator:
        """See Mutator."""
        return replace(self, custom=custom)

    def mutate(self, review: Review, params: Any) -> MutationResult:
        """See Mutator."""
        recording = review.recording
        if recording is None or recording == "failures":
            result = self._mutated(review, params, PLAIN)
            if recording is None or not result.faults:
                return result
        recorder = recorder_of(recording, self.sources)
        return replace(self._mutated(review, params, recorder), trace=recorder.trace())

    def metered(self, review: Review, params: Any, form: Form) -> MutationResult:
        """Evaluate in this form of the code: each mutation on an activation of its own, after those of conditions."""
        return self._mutated(review, params, form)

    def _mutated(self, review: Review, params: Any, form: Form) -> MutationResult:
        request = review.request
        if request.object is None:
            return UNCHANGED
        if self.shared.conditions:
            unmatched = self.shared.conditions.unmatched(review, params, form)
            if isinstance(unmatched, str):
                return MutationResult(faults=[MutationFault(unmatched)], ran=False)
            if unmatched is not None:
                return MutationResult(ran=False, unmet=unmatched.name)
        current = request.object
        faults: list[MutationFault] = []
        for mutation in self.mutations:
            try:
                current = self._changed(mutation, review, current, params, form)
            except _Refused as refused:
                faults.append(MutationFault(str(refused), refused.internal, mutation.place))
        if current is request.object or not differs(request.object, current):
            return MutationResult(faults=faults) if faults else UNCHANGED
        return MutationResult(current, faults)

    def _changed(self, mutation: Mutation, review: Review, current: JSONObject, params: Any, form: Form) -> JSONObject:
        request = review.request
        # Each mutation has its own activation, as variables are evaluated again on the mutated object.
        activation = form.activation(
            {"object": current, "oldObject": request.old_object, "params": params},
            self.shared.lazy(review),
            self.shared.variables,
            review.deadline,
        )
        known = self.shared.param_values.of(params) if form is PLAIN else None
        if known:
            activation.update(known)
        try:
            value = form.evaluate(mutation.program, activation)
        except EvaluationError as error:
            raise _Refused(f"expression '{mutation.program.source}' resulted in error: {error}") from None
        if known is not None and activation.cost < CHEAP:
            self.shared.param_values.keep(known, activation)
        made = extent(value, MAX_MADE)
        if made > MAX_MADE:
            raise _Refused(_TOO_LARGE.format(mutation.program.source))
        _charge(review, current, made, mutation.program.source)
        if mutation.patch_type == "ApplyConfiguration":
            return _merged(value, current, request.kind, self.schemas.of(*request.kind), partial(self._retyped, review))
        typed = constructed.Typed(activation.get("request"), activation.get("namespaceObject"))
        return _patched(value, current, typed, partial(self._retyped, review))

    def _retyped(self, review: Review, before: JSONObject, after: JSONObject) -> Retyped:
        typed = before is review.typed
        kind = str(after.get("apiVersion")), str(after.get("kind"))  # texts, if an API server sent the object
        if (typed or kind not in self.custom) and not differs(before, after):
            return Retyped(before, (), typed)  # as most mutations leave an object that they have seen before
        made = retyped(before, after, self.custom, self.target, typed=typed)
        if made.typed:
            review.typed = made.object
        return made


MAX_MADE: Final = 1_000_000
"""The most elements of what one mutation makes (webhook.cel.value.extent). A request of 3 MiB has fewer."""

MAX_MUTATED: Final = 2_000_000
"""The most elements that all mutations of a request may make and visit: the first four visit the object for nothing, as
measuring it takes as long as evaluating a small policy."""

_UNMEASURED: Final = 4


def _charge(review: Review, current: JSONObject, made: int, source: str) -> None:
    """Count what applying a mutation will make and visit, before it is done. Raises _Refused."""
    deadline = review.deadline
    if deadline is not None and deadline.late(perf_counter()):
        raise _Refused(f"expression '{source}' resulted in error: {LATE}")
    mutated = review.mutated
    if mutated is None:
        mutated = review.mutated = Mutated()
    mutated.count += 1
    mutated.elements += made
    if mutated.count > _UNMEASURED:
        if not mutated.size:
            mutated.size = mutated.bound = _at_most(current)
            mutated.bounded = current
        mutated.elements += mutated.size
        mutated.size += made  # at most: a mutation may also replace, or take away
        if mutated.elements > MAX_MUTATED and mutated.bounded is not None:
            over = mutated.bound - extent(mutated.bounded, MAX_MUTATED)
            mutated.elements -= over * (mutated.count - _UNMEASURED)
            mutated.size -= over
            mutated.bounded = None
    if mutated.elements > MAX_MUTATED:
        raise _Refused(_TOO_MUCH.format(source))


def _at_most(value: JSONObject) -> int:
    """A bound on the elements: one for each byte, and 80 for the 9 bytes of a double. It is found in no time."""
    try:
        return len(dumps(value, 2)) * 9
    except ValueError:  # too deep for marshal
        return MAX_MUTATED


_TOO_MUCH: Final = (
    "expression '{}' resulted in error: operation cancelled: the mutations of this request make and visit more than "
    "2,000,000 elements"
)
_TOO_LARGE: Final = (
    "expression '{}' resulted in error: operation cancelled: the value has more than 1,000,000 elements, more than an "
    "object may have"
)


class _Refused(Exception):
    """A mutation fails. `internal`: see MutationFault."""

    def __init__(self, message: str, *, internal: bool = False) -> None:
        super().__init__(message)
        self.internal = internal


def _merged(
    wanted: Message,
    current: JSONObject,
    kind: GroupVersionKind,
    schema: Schema | None,
    retype: Callable[[JSONObject, JSONObject], Retyped],
) -> JSONObject:
    wrong = constructed.mismatch(wanted)
    if wrong:
        raise _Refused(f"type mismatch: {wrong}")
    if schema is None:
        raise _Refused(
            f"error applying patch: no schema of {kind.kind} ({kind.api_version}) is known here, without which nothing "
            "can be merged; put its CustomResourceDefinition into the policy tree, or use a JSONPatch"
        )
    try:
        configuration = {**constructed.configuration(wanted), "apiVersion": kind.api_version, "kind": kind.kind}
        merged: JSONObject = structuredmerge.apply(schema, current, configuration)
        if not constructed.is_json(configuration):
            merged = constructed.written(merged)
    except constructed.UnfitValue:
        raise _Refused("invalid return type: *dynamic.ObjectVal") from None
    except (structuredmerge.MergeError, constructed.UnfitNumber) as error:
        raise _Refused(f"error applying patch: {error}") from None
    # The API server decodes merged objects of built-in kinds; it validates custom ones later.
    into = f"{kind.group}/{kind.version}, Kind={kind.kind}"
    for integer in structuredmerge.fractions(schema, configuration) if Schemas.builtin().of(*kind) else ():
        raise _Refused(f"unable to convert unstructured object to {into}: cannot convert float64 to {integer}")
    changed = retype(current, merged)
    for each in changed.problems:
        if not each.strict:
            raise _Refused(f"unable to convert unstructured object to {into}: {each.message}")
    return changed.object


def _patched(
    messages: list[Message],
    current: JSONObject,
    typed: constructed.Typed,
    retype: Callable[[JSONObject, JSONObject], Retyped],
) -> JSONObject:
    try:
        operations = [_operation(message, typed) for message in messages]
    except constructed.UnfitValue as error:
        raise _Refused(str(error)) from None
    if not operations:
        return current
    try:
        patched = jsonpatches.apply(current, operations)
    except jsonpatches.FailedTest:
        return current
    except jsonpatches.PatchError as error:
        raise _Refused(f"JSON Patch: {error}") from None
    wrong = _not_an_object_of_its_kind(patched, current)
    if wrong:
        raise _Refused(f"Internal error occurred: {wrong}", internal=True)
    changed = retype(current, patched)
    if changed.problems:
        raise _Refused(f"Internal error occurred: {_decoding_error(changed.problems)}", internal=True)
    return changed.object


def _operation(message: Message, typed: constructed.Typed) -> jsonpatches.Operation:
    fields = message.fields
    value = constructed.patch_value(fields["value"], typed) if "value" in fields else jsonpatches.NO_VALUE
    return jsonpatches.Operation(fields.get("op", ""), fields.get("path", ""), fields.get("from", ""), value)


def _not_an_object_of_its_kind(patched: Any, before: JSONObject) -> str:
    """Why the result of a JSON patch is no object of the kind that it was; "" if it is."""
    if not isinstance(patched, dict):
        return "the patch leaves no object"
    for field in ("apiVersion", "kind"):
        if patched.get(field) != before.get(field):
            return f"the patch changes the object's {field}"
    return ""


def _decoding_error(problems: Sequence[FieldProblem]) -> str:
    """The API server's text: the first value that cannot be decoded, else all fields that are unknown."""
    if not problems[0].strict:
        return problems[0].message
    return f"strict decoding error: {', '.join(each.message for each in problems)}"


# --------------------------------------------------------------------------------------------------------- compiling

FIRST: Final[Version] = (1, 32)
"""The first Kubernetes version that has the kind. On an earlier one only the webhook runs such a policy, and its
expressions have what they have from this version on."""


def compile_policy(
    policy: model.MutatingAdmissionPolicy, version: Version = NEWEST, known: Compiled | None = None
) -> tuple[CELMutator, list[tuple[Path, Issue]]]:
    """Compile a policy. Returns the mutator, and the issues of expressions that do not compile, with their paths.

    version: the Kubernetes version that the policy is for. known: see webhook.policy.cel.compilation.compile_policy. Do
    not use the mutator if there are issues: it lacks the expressions that did not compile.
    """
    spec = policy.spec
    gate = {name: getattr(spec, name) for name in ("param_kind", "match_conditions", "variables", "failure_policy")}
    compiling = Compiling()
    gated = model.ValidatingAdmissionPolicy(spec=model.ValidatingAdmissionPolicySpec(**gate))
    language = max(version, FIRST)
    shared, issues = compilation.compile_policy(gated, language, compiling, known)
    declared = {}
    for variable in spec.variables:
        name = f"variables.{variable.name}"
        program = shared.variables.get(name)
        declared[name] = program.type if program else types.DYN  # so that expressions which use it are not reported too
    base = base_environment(with_params=spec.param_kind is not None, version=language)
    environment = base.extend(declared).constructing()
    mutations: list[Mutation] = []
    sources = list(shared.programs())
    for index, mutation in enumerate(spec.mutations):
        for patch_type, field, patch in (
            ("ApplyConfiguration", "applyConfiguration", mutation.apply_configuration),
            ("JSONPatch", "jsonPatch", mutation.json_patch),
        ):
            if patch is None or patch_type != mutation.patch_type or not patch.expression.strip():
                continue  # reported already
            if compiling.exceeded:
                break
            path = ("spec", "mutations", index, field, "expression")
            expected = OBJECT_TYPE if patch_type == "ApplyConfiguration" else types.list_of(JSON_PATCH_TYPE)
            try:
                program = environment.compile(patch.expression, (expected,), compiling)
            except CompileError as error:
                issues += ((path, issue) for issue in error.issues)
                continue
            mutations.append(Mutation(mutation.patch_type, program, path))
            sources.append((path, program))
    reinvoked = spec.reinvocation_policy == "IfNeeded"
    authorizing = authorization.users((program for _, program in sources), shared.variables)
    conditions = replace(shared.conditions, authorizing=authorizing is not None)
    shared = replace(shared, authorizing=authorizing, conditions=conditions)
    return CELMutator(shared, tuple(mutations), reinvoked, tuple(sources), Schemas.builtin(), target=version), issues
