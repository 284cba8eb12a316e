"""Predicts which alternative of CEL's grammar the tokens stand for, as ANTLR's parsers do.

The prediction first ignores who called the current rule, and considers the callers only if alternatives conflict. An
error is reported where the last alternative is ruled out. https://www.antlr.org/papers/allstar-techreport.pdf
"""

from __future__ import annotations

from typing import Final, Protocol

from webhook.cel.check.grammar import RULE_STOP, network
from webhook.cel.check.lexing import END


class Kinds(Protocol):
    """The kinds of the tokens, by index. After the last one, they are all END."""

    def __getitem__(self, place: int, /) -> str: ...


Stack = tuple[int, ...]
_Key = tuple[int, int, frozenset[int]]  # state, alternative, precedences that must hold


class _Configurations:
    """Places where the parser may be: for each state, alternative and condition the stacks of return states.

    full: stacks are whole; else an empty stack stands for any.
    """

    __slots__ = ("after", "conflict", "full", "one", "places")

    def __init__(self, full: bool) -> None:
        self.full = full
        self.after: dict[str, _Configurations | None] = {}
        self.one = -1
        self.conflict = False
        self.places: dict[_Key, tuple[dict[Stack, None], list[int | bool]]] = {}

    def add(self, key: _Key, stack: Stack, outer: int, suppressed: bool) -> None:
        stacks, facts = self.places.setdefault(key, ({}, [0, False]))
        facts[0] = max(facts[0], outer)
        facts[1] = facts[1] or suppressed
        if stack in stacks:
            return
        if not self.full:
            for cut in range(len(stack)):
                if stack[:cut] in stacks:
                    return
            for other in [each for each in stacks if each[: len(stack)] == stack]:
                del stacks[other]
        stacks[stack] = None

    def alternatives(self) -> set[int]:
        return {key[1] for key in self.places}

    def unique(self) -> int:
        """The alternative of all places, or 0."""
        found = self.alternatives()
        return found.pop() if len(found) == 1 else 0

    def conflicting(self) -> list[set[int]]:
        """The alternatives of each state and set of stacks."""
        found: dict[tuple[int, frozenset[Stack]], set[int]] = {}
        for (state, alternative, _), (stacks, _) in self.places.items():
            found.setdefault((state, frozenset(stacks)), set()).add(alternative)
        return list(found.values())


class NoViableAlternative(Exception):
    """No alternative fits. args[0]: the index of the token at which the last one was ruled out."""


class PredictionTooLong(Exception):
    """Predictions took more than MAX_STEPS steps."""


MAX_STEPS: Final = 100_000
"""Steps of all predictions in one source, of about 2 µs."""


class Predictor:
    """Predicts the alternatives of one source."""

    def __init__(self, kinds: Kinds) -> None:
        self._network = network()
        self._kind = kinds.__getitem__
        self._steps = 0
        self._starts: dict[tuple[int, int], _Configurations] = {}

    def alternative(self, decision: int, at: int, context: Stack, precedence: int) -> int:
        """The alternative of a decision, from 1, for the tokens from `at`.

        context: the states at which the callers continue, the innermost first. Raises NoViableAlternative.
        """
        recursive = self._network.states[decision].recursive
        begun = self._starts.get((decision, precedence))
        if begun is None:
            begun = self._start(decision, (), False)
            if recursive:
                begun = self._filtered(begun, precedence)
            self._starts[decision, precedence] = begun
        previous, place = begun, at
        while True:
            kind = self._kind(place)
            if kind in previous.after:
                reach = previous.after[kind]
            else:
                reach = previous.after[kind] = self._reach(previous, kind, decision if recursive else -1)
                if reach is not None:
                    reach.one = reach.unique()
                    reach.conflict = not reach.one and self._conflicts(reach)
            if reach is None:
                return self._finished(previous, precedence) or self._none(place)
            unique, conflict = reach.one, reach.conflict
            if unique:
                if self._holds(reach, {unique}, precedence):
                    return unique
                return self._none(place)
            if conflict:
                chosen = reach.alternatives()
                if any(key[2] for key in reach.places):
                    holding = {each for each in chosen if self._holds(reach, {each}, precedence)}
                    if len(holding) == 1:
                        return holding.pop()
                return self._fully(decision, at, context, precedence)
            previous = reach
            if kind != END:
                place += 1

    def _none(self, place: int) -> int:
        raise NoViableAlternative(place)

    def _fully(self, decision: int, at: int, context: Stack, precedence: int) -> int:
        """The alternative, with the actual callers."""
        previous, place = self._start(decision, context, True, precedence), at
        while True:
            reach = self._reach(previous, self._kind(place), -1)
            if reach is None:
                return self._finished(previous, precedence) or self._none(place)
            unique = reach.unique()
            if unique:
                return unique
            least = {min(each) for each in reach.conflicting()}
            if len(least) == 1:
                return least.pop()
            previous = reach
            if self._kind(place) != END:
                place += 1

    def _start(self, decision: int, context: Stack, full: bool, precedence: int = 0) -> _Configurations:
        made = _Configurations(full)
        for number, (_, target, _, _) in enumerate(self._network.states[decision].steps, 1):
            outermost = decision if self._network.states[decision].recursive and not full else -1
            self._close(made, (target, number, frozenset()), context, 0, False, True, outermost, False, precedence)
        return made

    def _filtered(self, made: _Configurations, precedence: int) -> _Configurations:
        """Without the places that the precedence of the first alternative's operators rules out."""
        kept = _Configurations(False)
        first: dict[int, frozenset[Stack]] = {}
        for (state, alternative, needed), (stacks, (outer, suppressed)) in made.places.items():
            if alternative == 1 and all(each >= precedence for each in needed):
                first[state] = frozenset(stacks)
                for stack in stacks:
                    kept.add((state, 1, frozenset()), stack, int(outer), bool(suppressed))
        for key, (stacks, (outer, suppressed)) in made.places.items():
            if key[1] == 1 or (not suppressed and first.get(key[0]) == frozenset(stacks)):
                continue
            for stack in stacks:
                kept.add(key, stack, int(outer), bool(suppressed))
        return kept

    def _holds(self, made: _Configurations, alternatives: set[int], precedence: int) -> bool:
        return any(key[1] in alternatives and all(each >= precedence for each in key[2]) for key in made.places)

    def _finished(self, made: _Configurations, precedence: int) -> int:
        """The least alternative that has come to the end of the decision's rule; 0 if none has."""
        found: set[int] = set()
        invalid: set[int] = set()
        for (state, alternative, needed), (stacks, (outer, _)) in made.places.items():
            ended = self._network.states[state].kind == RULE_STOP and () in stacks
            if outer or ended:
                (found if all(each >= precedence for each in needed) else invalid).add(alternative)
        return min(found or invalid, default=0)

    def _conflicts(self, made: _Configurations) -> bool:
        if all(self._network.states[key[0]].kind == RULE_STOP for key in made.places):
            return True
        by_state: dict[int, set[int]] = {}
        for state, alternative, _ in made.places:
            by_state.setdefault(state, set()).add(alternative)
        return any(len(each) > 1 for each in made.conflicting()) and all(len(each) > 1 for each in by_state.values())

    def _reach(self, closure: _Configurations, kind: str, outermost: int) -> _Configurations | None:
        """The places after a token; None if there are none."""
        states, full = self._network.states, closure.full
        moved = _Configurations(full)
        skipped: list[tuple[_Key, Stack, int, bool]] = []
        for (number, alternative, needed), (stacks, (outer, suppressed)) in closure.places.items():
            state = states[number]
            for stack in stacks:
                if state.kind == RULE_STOP:
                    if full or kind == END:
                        skipped.append(((number, alternative, needed), stack, int(outer), bool(suppressed)))
                    continue
                for kinds, target, _, _ in state.steps:
                    if kinds is not None and kind in kinds:
                        moved.add((target, alternative, needed), stack, int(outer), bool(suppressed))
        if not skipped and kind != END and moved.unique():
            return moved
        reach = _Configurations(full)
        for key, (stacks, (outer, suppressed)) in moved.places.items():
            for stack in stacks:
                self._close(reach, key, stack, int(outer), bool(suppressed), False, outermost, kind == END, 0)
        if kind == END:
            for key in [each for each in reach.places if states[each[0]].kind != RULE_STOP]:
                del reach.places[key]
        if skipped and (not full or not any(states[key[0]].kind == RULE_STOP for key in reach.places)):
            for key, stack, outer_, suppressed_ in skipped:
                reach.add(key, stack, outer_, suppressed_)
        return reach if reach.places else None

    def _close(
        self,
        made: _Configurations,
        key: _Key,
        stack: Stack,
        outer: int,
        suppressed: bool,
        collect: bool,
        outermost: int,
        end: bool,
        precedence: int,
    ) -> None:
        """Adds all places that are reached without a token.

        collect: conditions on precedence count, outside of called rules. outermost: the state of a decision on the
        operators of a rule. end: the token before was the end.
        """
        network_, full = self._network, made.full
        waiting = [(key, stack, outer, suppressed, collect)]
        busy: set[tuple[_Key, Stack, bool]] = set()
        while waiting:
            key, stack, outer, suppressed, collect = waiting.pop()
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise PredictionTooLong
            mark = (key, stack, suppressed)
            if mark in busy:
                continue
            busy.add(mark)
            number, alternative, needed = key
            state = network_.states[number]
            if state.kind == RULE_STOP:
                if stack:
                    waiting.append(((stack[0], alternative, needed), stack[1:], outer, suppressed, collect))
                    continue
                made.add(key, stack, outer, suppressed)
                if full:
                    continue
                own = network_.states[outermost].rule if outermost >= 0 else ""
                for follow, is_outermost in network_.callers[state.rule]:
                    hidden = suppressed or (is_outermost and own == state.rule)
                    waiting.append(((follow, alternative, needed), (), outer + 1, hidden, False))
                continue
            if not state.only_epsilon:
                made.add(key, stack, outer, suppressed)
            for kinds, target, rule, least in reversed(state.steps):
                if kinds is not None:
                    if end and END in kinds:
                        waiting.append(((target, alternative, needed), stack, outer, suppressed, collect))
                elif rule:
                    waiting.append(
                        ((target, alternative, needed), (network_.follow[number], *stack), outer, suppressed, False)
                    )
                elif least and collect:
                    if not full:
                        waiting.append(((target, alternative, needed | {least}), stack, outer, suppressed, collect))
                    elif least >= precedence:
                        waiting.append(((target, alternative, needed), stack, outer, suppressed, collect))
                else:
                    waiting.append(((target, alternative, needed), stack, outer, suppressed, collect))
