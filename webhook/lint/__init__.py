"""`gatewright lint`: rules that look at a policy tree and say what is probably wrong with it.

A module in `rules/` has one rule, or a few that belong together; each has an entry in the module's RULES and a page in
docs/lint. `table.py` lists the modules. A rule gets a `Subject`, which holds all that is known of the tree, and yields
an `Alarm` for each place. What the API server itself refuses is no rule: loading reports it (webhook.policy.load). Here
are also the comments that silence an alarm, and the edits that mend what can be mended safely.
"""
