"""Mutants: changes of a policy, one at a time, and which of them no test notices (`gatewright test --mutate`).

A mutant is an edit of the policy's text. It is made from the checked tree of an expression (`expressions`), from the
rules of the policy object (`rules`), or from the syntax tree of a policy file in Python (`pythonsource`). `running`
runs the tests of the policy on each of them. Nothing is written: a mutant exists in memory only.
"""
