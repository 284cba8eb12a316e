"""An immutable, indexed set of bound policies.

The index maps the kind of a request (group, version, resource, subresource, operation) to its candidates: the policies
and bindings that may match, each with the conditions that remain to be checked. Candidates are computed once a kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from webhook.apiserver.retyping import CustomKinds
from webhook.documents.reader import Problem
from webhook.paths import Path
from webhook.policy.annotations import Annotations
from webhook.policy.cel.matchconditions import Conditions
from webhook.policy.deferred import Deferred
from webhook.policy.evaluation import FailurePolicy, Mutator, ParamKind, Validator
from webhook.policy.exceptions import Exemption, PolicyException
from webhook.policy.matching import ALWAYS, Match, RequestKey, Residual
from webhook.policy.request import GroupVersionResource, JSONObject, Request
from webhook.policy.selectors import Selector
from webhook.versions import NEWEST, Version

if TYPE_CHECKING:
    from webhook.cel import Program

# Reviews name the kinds of requests, so a client could fill the memory with them. The index keeps this many kinds, of
# this many characters each, and is cleared when it is full. A cluster has some hundred.
_KEPT_KINDS = 4096
_KEPT_LENGTH = 512

Action = Literal["Deny", "Warn", "Audit"]
Evaluator_co = TypeVar("Evaluator_co", bound="Validator | Mutator", covariant=True)


class ParamRef(Struct, frozen=True):
    """The params of a binding, by either `name` or `selector`. namespace: "" for that of the request."""

    name: str = ""
    selector: Selector | None = None
    namespace: str = ""
    deny_if_not_found: bool = True


NEEDS_CLUSTER: Final = "gatewright.dev/needs-cluster"
"""The annotation of a binding that selects by labels of Namespaces which only a cluster knows: with the value `true`, a
server without a cluster leaves the binding out, where it would deny all that it cannot match."""


class Binding(Struct, frozen=True, eq=False):
    """A ValidatingAdmissionPolicyBinding or a MutatingAdmissionPolicyBinding; the latter has no `actions`.

    `needs_cluster`: a server without a cluster leaves it out, as NEEDS_CLUSTER says.
    """

    kind: str
    name: str
    policy: str
    actions: tuple[Action, ...]
    param_ref: ParamRef | None
    match: Match | None
    file: str
    line: int
    conditions: Conditions | None = None  # of policies in Python
    needs_cluster: bool = False


class Policy(Struct, Generic[Evaluator_co], frozen=True):
    """A compiled policy. `kind`: ValidatingAdmissionPolicy or MutatingAdmissionPolicy, for Python policies too.

    `bindings`: sorted by name. A policy without bindings never runs. `exceptions`: sorted by name, with expired ones.
    `reads`: apiVersion and kind of what a policy in Python declares to look up. `annotations`: by key. `held`: the
    evaluator, or what makes it when it is first asked for. `reads_secrets`: its params are Secrets, or it looks Secrets
    up.
    """

    kind: str
    name: str
    language: Literal["cel", "python"]
    description: str
    file: str
    line: int
    failure_policy: FailurePolicy
    match: Match
    param_kind: ParamKind | None
    held: Evaluator_co | Deferred[Evaluator_co]
    bindings: tuple[Binding, ...] = ()
    exceptions: tuple[Exemption, ...] = ()
    reads: frozenset[tuple[str, str]] = frozenset()
    annotations: Annotations = ()
    reads_secrets: bool = False  # set below

    def __post_init__(self) -> None:
        of_params = self.param_kind is not None and self.param_kind.kind == "Secret"
        force_setattr(self, "reads_secrets", of_params or any(kind == "Secret" for _, kind in self.reads))

    @property
    def evaluator(self) -> Evaluator_co:
        """Its expressions or its function, compiled."""
        held = self.held
        return held.value if isinstance(held, Deferred) else held

    def evaluated_by(self, change: Callable[[Evaluator_co], Any]) -> Policy[Any]:
        """The policy with what `change` makes of its evaluator, which is not made for it if it was not made yet."""
        held = self.held
        return replace(self, held=held.then(change) if isinstance(held, Deferred) else change(held))


class Candidate(NamedTuple, Generic[Evaluator_co]):
    """A policy that may match requests of one kind, with its bindings that may. residual: the remaining conditions."""

    policy: Policy[Evaluator_co]
    residual: Residual
    bindings: tuple[tuple[Binding, Residual], ...]


class PolicySet:
    """The policies of a tree. Immutable: a changed tree is a new set.

    `objects`: the other objects of the tree, such as params, Namespaces and CustomResourceDefinitions. `revision`: a
    hash of the tree's content. `reads_secrets`: a policy looks up Secrets, as params or otherwise. `notes`: remarks
    that are not faults, such as a policy without a binding. `warnings`: probable faults, such as fields that the
    objects of a policy do not have. `target`: the Kubernetes version that the policies are loaded for.
    """

    __slots__ = (
        "_asked",
        "_kept",
        "_mutating",
        "_subsets",
        "_validating",
        "notes",
        "objects",
        "reads_secrets",
        "revision",
        "target",
        "warnings",
    )

    def __init__(
        self,
        validating: Iterable[Policy[Validator]] = (),
        mutating: Iterable[Policy[Mutator]] = (),
        *,
        objects: Iterable[JSONObject] = (),
        revision: str = "",
        notes: Iterable[Problem] = (),
        warnings: Iterable[Problem] = (),
        target: Version = NEWEST,
    ) -> None:
        self._validating = tuple(sorted(validating, key=lambda policy: policy.name))
        self._mutating = tuple(sorted(mutating, key=lambda policy: policy.name))
        self.reads_secrets = any(policy.reads_secrets for policy in self.policies)
        self.objects = tuple(objects)
        self.revision = revision
        self.notes = tuple(notes)
        self.warnings = tuple(warnings)
        self.target = target
        self._kept: dict[_Kind, _Candidates] = {}
        self._subsets: dict[FailurePolicy, PolicySet] = {}
        self._asked: dict[str, Policy[Validator]] = {}

    @property
    def validating(self) -> tuple[Policy[Validator], ...]:
        """The validating policies, by name."""
        return self._validating

    @property
    def mutating(self) -> tuple[Policy[Mutator], ...]:
        """The mutating policies, by name."""
        return self._mutating

    @property
    def policies(self) -> tuple[Policy[Validator | Mutator], ...]:
        """All policies, including those without a binding: the validating ones by name, then the mutating ones."""
        return (*self._validating, *self._mutating)

    @property
    def names(self) -> frozenset[str]:
        """The names of the policies. A name that a validating and a mutating policy share is one policy to people."""
        return frozenset(policy.name for policy in self.policies)

    @property
    def bound_names(self) -> frozenset[str]:
        """The names of the policies with a binding: without one, a policy never runs."""
        return frozenset(policy.name for policy in self.policies if policy.bindings)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All bindings, in the order of their policies."""
        return tuple(binding for policy in self.policies for binding in policy.bindings)

    @property
    def exceptions(self) -> tuple[PolicyException, ...]:
        """All exceptions, including expired ones, by name."""
        by_name = {exempt.exception.name: exempt.exception for policy in self.policies for exempt in policy.exceptions}
        return tuple(by_name[name] for name in sorted(by_name))

    def expressions(self) -> Iterator[tuple[Policy[Validator | Mutator], Path, Program]]:
        """Every compiled CEL expression, with its policy and its place in the policy object."""
        for policy in self.policies:
            for path, program in policy.evaluator.programs():
                yield policy, path, program

    def prepare(self) -> None:
        """Generate the code of all policies that have a binding, so that no review waits for it. It is made when it is
        first needed otherwise; the code of a policy without a binding never is."""
        self._share(policy for policy in self.validating if policy.bindings)  # the code depends on it
        for policy in self.policies:
            if policy.bindings:
                policy.evaluator.prepare()
            for binding in policy.bindings:
                if binding.conditions is not None:
                    binding.conditions.prepare()

    def validators_for(self, request: Request) -> tuple[Candidate[Validator], ...]:
        """The validating policies that may match the request, by name."""
        return self._candidates(request).validating

    def mutators_for(self, request: Request) -> tuple[Candidate[Mutator], ...]:
        """The mutating policies that may match the request, by name."""
        return self._candidates(request).mutating

    def only(self, failure_policy: FailurePolicy) -> PolicySet:
        """The set with only the policies of one failurePolicy. Everything else stays the same."""
        subset = self._subsets.get(failure_policy)
        if subset is None:
            subset = self.where(lambda policy: policy.failure_policy == failure_policy)
            self._subsets[failure_policy] = subset
        return subset

    def without(self, names: Collection[str]) -> PolicySet:
        """The set without the policies of these names."""
        return self.where(lambda policy: policy.name not in names)

    def where(self, keep: Callable[[Policy[Any]], bool]) -> PolicySet:
        """The set with only the policies for which `keep` returns true. Everything else stays the same."""
        return self._with(filter(keep, self._validating), filter(keep, self._mutating))

    def without_cluster(self) -> PolicySet:
        """The set for a server without a cluster: without the bindings that need one."""
        return self._with(map(_without_cluster, self._validating), map(_without_cluster, self._mutating))

    def with_custom_kinds(self, custom: CustomKinds) -> PolicySet:
        """The set whose mutations leave objects of these kinds with the defaults of their schemas."""
        mutating = [policy.evaluated_by(lambda mutator: mutator.with_custom_kinds(custom)) for policy in self._mutating]
        return self._with(self._validating, mutating)

    def _with(self, validating: Iterable[Policy[Validator]], mutating: Iterable[Policy[Mutator]]) -> PolicySet:
        """The set with these policies, which share with the others of this one, as they have one evaluator in both."""
        changed = PolicySet(
            validating,
            mutating,
            objects=self.objects,
            revision=self.revision,
            notes=self.notes,
            warnings=self.warnings,
            target=self.target,
        )
        changed._asked = self._asked
        return changed

    def _candidates(self, request: Request) -> _Candidates:
        kind: _Kind = (request.resource, request.subresource, request.operation)
        if request.request_resource is not request.resource and request.request_resource != request.resource:
            kind = (*kind, request.request_resource, request.request_subresource)  # converted
        kept = self._kept.get(kind)
        if kept is None:
            key, sent = RequestKey.of(request), RequestKey.sent(request)
            kept = _Candidates(_narrow(self._validating, key, sent), _narrow(self._mutating, key, sent))
            self._share(candidate.policy for candidate in kept.validating)
            if sum(map(len, (*key, *sent))) <= 2 * _KEPT_LENGTH:
                if len(self._kept) >= _KEPT_KINDS:
                    self._kept.clear()
                self._kept[kind] = kept
        return kept

    def _share(self, candidates: Iterable[Policy[Validator]]) -> None:
        """Tell the policies that were candidates so far which values they have in common on one request. A policy that
        is evaluated more than once on it, for several bindings or params, has them in common with itself. The others
        are not asked: they may not be compiled yet."""
        known = len(self._asked)
        self._asked |= {policy.name: policy for policy in candidates}  # in place: other sets have it too
        if len(self._asked) == known:
            return
        times: Counter[bytes] = Counter()
        for policy in self._asked.values():
            evaluations = sum(2 if each.param_ref and each.param_ref.selector else 1 for each in policy.bindings)
            for _, key in policy.evaluator.sharable:
                times[key] += evaluations
        repeated = frozenset(key for key, count in times.items() if count > 1)
        for policy in self._asked.values():
            policy.evaluator.share(repeated)


def _without_cluster(policy: Policy[Evaluator_co]) -> Policy[Evaluator_co]:
    return replace(policy, bindings=tuple(each for each in policy.bindings if not each.needs_cluster))


# The kind of a request: resource, subresource, operation; for a converted object also the resource and subresource
# that the client sent.
_Kind = tuple[GroupVersionResource, str, str] | tuple[GroupVersionResource, str, str, GroupVersionResource, str]


class _Candidates(NamedTuple):
    validating: tuple[Candidate[Validator], ...]
    mutating: tuple[Candidate[Mutator], ...]


# Resources (group, resource) that are exempt from all policies, with their subresources. A policy that denied the
# removal of policies could never be removed, and one on token reviews could lock out every user.
EXEMPT = frozenset(
    {
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    }
)


def is_exempt(resource: GroupVersionResource) -> bool:
    """Whether requests for a resource are exempt from all policies, regardless of their rules."""
    return (resource.group, resource.resource) in EXEMPT


def _narrow(
    policies: tuple[Policy[Evaluator_co], ...], key: RequestKey, sent: RequestKey
) -> tuple[Candidate[Evaluator_co], ...]:
    if (key.group, key.resource) in EXEMPT:
        return ()
    candidates = []
    for policy in policies:
        residual = policy.match.narrow(key, sent)
        if residual is None:
            continue
        bindings: list[tuple[Binding, Residual]] = []
        for binding in policy.bindings:
            bound = binding.match.narrow_binding(key, sent) if binding.match else ALWAYS
            if bound is not None:
                bindings.append((binding, bound))
        if bindings:
            candidates.append(Candidate(policy, residual, tuple(bindings)))
    return tuple(candidates)
