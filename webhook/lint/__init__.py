"""`gatewright lint`: rules that find probable mistakes in a policy tree.

A module in `rules/` has one rule, or a few that belong together; each has an entry in the module's RULES and a page in
docs/lint. `table.py` lists the modules. A rule gets a `Subject`, the tree with its documents, policies and outcomes,
and yields an `Alarm` for each place. Loading reports what the API server itself refuses (webhook.policy.load). The
package also has the comments that silence an alarm, and the edits that mend one safely.
"""
