"""A compiled ValidatingAdmissionPolicy, and its evaluation on requests.

The order, the error handling and the texts are those of k8s.io/apiserver, plugin/policy/validating and plugin/cel.
Two things are not evaluated unless half of a budget is spent, as they cannot change the verdict otherwise: the
messageExpression of a validation that is true, and the matchConditions after a false one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import force_setattr, replace

from webhook.cel import PLAIN, Activation, EvaluationError, Form, Program
from webhook.cel import Recording as Recorded
from webhook.cel.code.fusing import Judged, Plan
from webhook.cel.program import Outlining
from webhook.paths import Path
from webhook.policy.cel import authorization, sharing
from webhook.policy.cel.fused import Fused, of_params
from webhook.policy.cel.matchconditions import OUT_OF_BUDGET, Conditions, error_text
from webhook.policy.cel.paramvalues import ParamValues
from webhook.policy.evaluation import LET_PASS, PASSED, Evaluation, Failure, FailurePolicy
from webhook.policy.reviewing import Recording, Review
from webhook.policy.trace import LaterTrace, Trace
from webhook.policy.trace import recorder as recorder_of

if TYPE_CHECKING:
    from webhook.cel.why.shapes import Outlines, Shapes

MAX_MESSAGE = 5 * 1024
"""The most bytes of the result of a messageExpression; a longer one is ignored."""

COST = 10_000_000
"""The budget of a policy's validations and messages together, and that of its annotations, in cost units."""

_SURELY_WITHIN = COST * 9 // 20
"""If all phases together cost no more than this, each is within its budget. The margin is needed because the API server
evaluates variables once a phase, but this module once for all phases; validations and messages share a budget."""

CHEAP = 100_000
"""The most cost units of an evaluation if the values of variables that depend on params are kept."""


class Validation(Struct, frozen=True):
    """A compiled validation.

    message: the message if there is no messageExpression or it fails; never empty. place: the path of its expression in
    the policy. unexplained: the failure with `message`, built once.
    """

    program: Program
    message: str
    message_program: Program | None
    reason: str
    index: int
    place: Path
    unexplained: Failure = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        force_setattr(self, "unexplained", self.failed(self.message))

    def failed(self, message: str) -> Failure:
        """The failure of a request for which the validation is false."""
        return Failure(message, self.reason, index=self.index, expression=self.place)

    def in_error(self, message: str) -> Failure:
        """The failure of a request for which the validation has an evaluation error."""
        return Failure(message, error=True, index=self.index, expression=self.place)


class Annotation(Struct, frozen=True):
    """A compiled audit annotation. place: the path of its expression in the policy."""

    key: str
    program: Program
    place: Path


class CELValidator(Struct, frozen=True):
    """The compiled expressions of a policy. variables: `variables.NAME` → program; each sees those declared before it.

    sharable: the variables whose values other policies may use, see webhook.policy.cel.sharing. shared: those of them
    that others of the same set do use.
    authorizing: the variables that use the authorizer; None if no expression uses it. fixed_cost: an upper bound on the
    cost of evaluating each expression once, without the cost that the activation counts. It takes the code of the
    expressions, so that `_within` finds it when it is first needed.
    """

    conditions: Conditions
    variables: Mapping[str, Program]
    validations: tuple[Validation, ...]
    annotations: tuple[Annotation, ...]
    failure_policy: FailurePolicy
    sources: tuple[tuple[Path, Program], ...]
    param_values: ParamValues
    authorizing: frozenset[str] | None = None
    fixed_cost: int = COST
    sharable: tuple[tuple[str, bytes], ...] = ()
    shared: tuple[tuple[str, bytes], ...] = ()
    fused: Fused = field(default_factory=Fused)
    shapes: list[Shapes] = field(default_factory=list)  # one, once something failed whose trace may be asked for

    def programs(self) -> Iterator[tuple[Path, Program]]:
        """See Validator."""
        return iter(self.sources)

    def prepare(self) -> None:
        """Generate the code of all expressions."""
        for _, program in self.sources:
            program.prepare()
        self.fused.prepare(self)

    def plan(self) -> Plan | None:
        """See Fusible. No function evaluates audit annotations, or asks the authorizer."""
        if self.annotations or self.authorizing is not None:
            return None
        return Plan(
            [each.program.tree for each in self.conditions.conditions],
            {name: program.tree for name, program in self.variables.items()},
            [
                Judged(each.program.tree, None if each.message_program is None else each.message_program.tree)
                for each in self.validations
            ],
            dict(self.shared),
            *of_params(self.variables),
        )

    def known(self, params: Any) -> dict[str, Any] | None:
        """See Fusible."""
        return self.param_values.of(params)

    def share(self, repeated: Collection[bytes]) -> None:
        """See Validator."""
        shared = tuple(each for each in self.sharable if each[1] in repeated)
        if shared != self.shared:
            force_setattr(self, "shared", shared)
            self.fused.forget()

    def evaluate(self, review: Review, params: Any) -> Evaluation:
        """See Validator."""
        if review.recording is not None:
            return self._recorded(review, params, review.recording)
        judged = self.fused.judged(self, review, params)
        return PASSED if judged is True else self._evaluation_of(judged, review, params)

    def phased(self, review: Review, params: Any, form: Form) -> Evaluation:
        """Evaluate in phases, as the API server does, without the matchConditions: validations, then the messages of
        all of them, then audit annotations, each on an activation of its own."""
        return self._evaluated(review, params, form, by_phases=True)

    def _recorded(self, review: Review, params: Any, recording: Recording) -> Evaluation:
        """The evaluation with its trace. If only failures are recorded, the plain form runs, and what failed is
        recorded when its trace is asked for."""
        if recording == "failures":
            result, foreseen = self._foreseen(review, params) if self.shapes else (None, None)
            if result is None:
                judged = self.fused.judged(self, review, params)
                result = PASSED if judged is True else self._evaluation_of(judged, review, params)
            failed = bool(result.failures or result.annotation_errors)
            if self.shapes and result.ran:
                self.shapes[0].took(failed=failed)
            return replace(result, trace=self._later(review, params, foreseen)) if failed else result
        recorder = recorder_of(recording, self.sources)
        return replace(self._evaluated(review, params, recorder), trace=recorder.trace())

    def _foreseen(self, review: Review, params: Any) -> tuple[Evaluation | None, tuple[Outlines, Outlining] | None]:
        """An evaluation that will probably fail, which records its outlines, and what it has recorded. None to evaluate
        it otherwise."""
        outlines = self.shapes[0].foreseen
        if outlines is None or self.authorizing is not None:
            return None, None
        from webhook.policy.cel.foreseen import Foreseen, GaveUp  # only commands record

        form = Foreseen(outlines)
        try:
            result = self._evaluated(review, params, form, shared=form.unasked(self.shared))
        except GaveUp:
            self.shapes[0].gave_up()
            return None, None
        return result, None if form.last is None else (outlines, form.last)

    def _later(self, review: Review, params: Any, foreseen: tuple[Outlines, Outlining] | None = None) -> LaterTrace:
        if not self.shapes:
            from webhook.cel.why.shapes import Shapes  # only commands record

            self.shapes.append(Shapes([program for _, program in self.sources], self.variables))

        def whole() -> Trace:
            recorder = recorder_of("failures", self.sources)
            self._evaluated(review, params, recorder)
            return recorder.trace()

        known: dict[bool, Recorded] = {}  # by whether the authorizer is there
        outlined: dict[bool, tuple[Outlines, Outlining]] = {}

        def given(*, authorizer: bool) -> tuple[Any, ...]:
            request = review.request
            bindings = {"object": request.object, "oldObject": request.old_object, "params": params}
            # What only the params have decided is at no place in the object: its value is enough.
            bindings.update(self.param_values.of(params) or {})
            return bindings, self.lazy(review, authorizer=authorizer), self.variables, review.deadline

        def activation(place: Path) -> Recorded:
            authorizer = _is_authorized(place)
            if authorizer not in known:
                known[authorizer] = Recorded(*given(authorizer=authorizer))
            return known[authorizer]

        def outlining(place: Path, outlines: Outlines) -> Outlining:
            authorizer = _is_authorized(place)
            if authorizer not in outlined or outlined[authorizer][0] is not outlines:
                made = Outlining(outlines.variables, *given(authorizer=authorizer))
                outlined[authorizer] = outlines, made
            return outlined[authorizer][1]

        return LaterTrace(self.sources, activation, whole, self.shapes[0], outlining, foreseen)

    def _evaluation_of(self, judged: Any, review: Review, params: Any) -> Evaluation:
        """The evaluation that says what the one function of the policy does, or does what that has left undone."""
        if judged is None:
            return self._evaluated(review, params, PLAIN)
        if type(judged) is int:
            return _unmet(self.conditions.conditions[judged].name)
        failures = []
        for index, value in judged:
            validation = self.validations[index]
            failures.append(validation.unexplained if value is None else validation.failed(_shown(validation, value)))
        return Evaluation(failures)

    # The order of an evaluation, for all forms of the code: matchConditions, validations, messages, auditAnnotations.

    def _evaluated(
        self,
        review: Review,
        params: Any,
        form: Form,
        *,
        by_phases: bool = False,
        shared: tuple[tuple[str, bytes], ...] | None = None,
    ) -> Evaluation:
        """Evaluate all phases on one activation, with the messages of failed validations only. If half of a budget is
        spent, evaluate again `by_phases`, as the API server does. shared: the variables whose values are taken from
        other evaluations; None for those of the plain form, and for none in other forms."""
        if self.conditions.conditions and not by_phases:
            unmatched = self.conditions.unmatched(review, params, form)
            if unmatched is not None:
                if isinstance(unmatched, str):
                    return self._error(unmatched) if self.failure_policy == "Fail" else LET_PASS
                return _unmet(unmatched.name)
        request = review.request
        if shared is None:
            shared = self.shared if form is PLAIN else ()
            plain = form is PLAIN
        else:
            plain = True
        bindings: dict[str, Any]
        charged = 0
        missing: list[tuple[str, bytes]] | None = None
        whole = review.whole.get(shared) if shared else None
        if whole is not None:
            bindings, charged = whole
        else:
            bindings = {"object": request.object, "oldObject": request.old_object}
            if shared:
                charged, missing = sharing.into(bindings, shared, review.shared)
        known = self.param_values.of(params) if plain and params is not None else None
        lazy = self.lazy(review) if self.authorizing is not None else _lazy(review)
        activation = form.activation(bindings, lazy, self.variables, review.deadline)
        activation["params"] = params
        if known:
            activation.update(known)
        if charged:
            activation.cost = charged
        evaluate = form.evaluate
        failures: list[Failure] = []
        denied: list[tuple[int, Validation]] = []  # indices in `failures` that need a message
        let_pass = False
        for validation in self.validations:
            try:
                if evaluate(validation.program, activation) is not True:
                    denied.append((len(failures), validation))
                    failures.append(validation.unexplained)
            except EvaluationError as error:
                if self.failure_policy == "Fail":
                    failures.append(validation.in_error(error_text(validation.program, error)))
                else:
                    let_pass = True
            if by_phases and activation.cost > COST:
                return self._error(OUT_OF_BUDGET)
        if by_phases:
            return self._by_phases(review, params, form, failures, denied, COST - activation.cost)
        bare = activation
        if self.authorizing is not None and (denied or self.annotations):  # these have no authorizer
            bare = self._without_authorizer(review, params, activation, form)
        for place, validation in denied:
            if validation.message_program is not None:
                failures[place] = validation.failed(_message(validation, bare, form))
        annotations, errors = self._annotated(bare, form) if self.annotations else ((), ())
        activation.cost = bare.cost
        if activation.cost + self.fixed_cost > _SURELY_WITHIN and not self._within(activation.cost):
            return self._evaluated(review, params, form.exactly(), by_phases=True)
        if known is not None and activation.cost < CHEAP:
            self.param_values.keep(known, activation)
        if missing:
            sharing.keep(review, shared, missing, activation, charged)
        if not failures and not annotations and not errors and not let_pass:
            return PASSED
        return Evaluation(failures, annotations, errors, let_pass=let_pass)

    def _within(self, cost: int) -> bool:
        """Whether an evaluation at this cost is within the budgets of all phases. Sets `fixed_cost`: code that has not
        been generated yet counts as the most that it may cost, unless this decides."""
        most = sum(program.fixed_cost for _, program in self.sources)
        if cost + most > _SURELY_WITHIN:
            for _, program in self.sources:
                program.prepare()
            most = sum(program.fixed_cost for _, program in self.sources)
        force_setattr(self, "fixed_cost", most)
        return cost + most <= _SURELY_WITHIN

    def _by_phases(
        self,
        review: Review,
        params: Any,
        form: Form,
        failures: list[Failure],
        denied: list[tuple[int, Validation]],
        left: int,
    ) -> Evaluation:
        """The phases after the validations as in the API server. Each phase evaluates the variables again. The messages
        of all validations are evaluated within the `left` budget; the annotations have a budget of their own."""
        activation = self._fresh(review, params, form)
        places = {validation.index: place for place, validation in denied}
        for validation in self.validations:
            message = _message(validation, activation, form)
            if validation.index in places:
                failures[places[validation.index]] = validation.failed(message)
            if activation.cost > left:  # an error of every validation that has none yet
                failures = self._out_of_messages(failures)
                break
        activation = self._fresh(review, params, form)
        annotations, errors = self._annotated(activation, form)
        if activation.cost > COST:
            return self._error(OUT_OF_BUDGET)
        return Evaluation(failures, annotations, errors)

    def _out_of_messages(self, failures: list[Failure]) -> list[Failure]:
        if self.failure_policy != "Fail":
            return []
        in_error = {failure.index: failure for failure in failures if failure.error}
        text = f"failed messageExpression: {OUT_OF_BUDGET}"
        return [in_error.get(each.index) or each.in_error(text) for each in self.validations]

    def _annotated(self, activation: Activation, form: Form) -> tuple[list[tuple[str, str]], list[Failure]]:
        annotations: list[tuple[str, str]] = []
        errors: list[Failure] = []
        for annotation in self.annotations:
            try:
                value = form.evaluate(annotation.program, activation)
            except EvaluationError as error:
                if self.failure_policy == "Fail":
                    text = error_text(annotation.program, error)
                    errors.append(Failure(text, error=True, expression=annotation.place))
            else:
                if isinstance(value, str) and value.strip():
                    annotations.append((annotation.key, value.strip()))
        return annotations, errors

    def lazy(self, review: Review, *, authorizer: bool = True) -> dict[str, Callable[[], Any]]:
        """Functions that compute the variables which few expressions use, by name. Messages and auditAnnotations have
        no authorizer."""
        lazy = _lazy(review)
        if authorizer and self.authorizing is not None:
            lazy |= authorization.bindings(review)
        return lazy

    def _fresh(self, review: Review, params: Any, form: Form, *, authorizer: bool = False) -> Activation:
        request = review.request
        return form.activation(
            {"object": request.object, "oldObject": request.old_object, "params": params},
            self.lazy(review, authorizer=authorizer),
            self.variables,
            review.deadline,
        )

    def _without_authorizer(self, review: Review, params: Any, activation: Activation, form: Form) -> Activation:
        """The same activation without the authorizer."""
        if form is PLAIN and self.authorizing is not None:
            lazy = self.lazy(review, authorizer=False)
            return authorization.without(activation, lazy, self.variables, self.authorizing, review.deadline)
        bare = self._fresh(review, params, form)
        bare.cost = activation.cost
        return bare

    def _error(self, message: str) -> Evaluation:
        """The result of a policy that could not be evaluated as a whole."""
        return Evaluation([Failure(message, error=True)]) if self.failure_policy == "Fail" else PASSED


def _lazy(review: Review) -> dict[str, Callable[[], Any]]:
    return {"request": review.cel, "namespaceObject": review.namespace.object}


def _is_authorized(place: Path) -> bool:
    """Whether the expression at a path in the policy has the authorizer."""
    return place[1] == "validations" and place[-1] == "expression"


@lru_cache(maxsize=1024)  # a request that does not match allocates nothing
def _unmet(condition: str) -> Evaluation:
    return Evaluation(ran=False, unmet=condition)


def _message(validation: Validation, activation: Activation, form: Form) -> str:
    program = validation.message_program
    if program is None:
        return validation.message
    try:
        value = form.evaluate(program, activation)
    except EvaluationError:
        return validation.message
    return _shown(validation, value)


def _shown(validation: Validation, value: Any) -> str:
    """The message of a validation by the value of its messageExpression."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or "\n" in text or (len(text) > MAX_MESSAGE // 4 and len(text.encode()) > MAX_MESSAGE):
        return validation.message
    return text
