"""`gatewright lint`: rules that look at a policy tree and say what is probably wrong with it.

A rule is a module in `rules/` (or one of a few that belong together), with an entry in `table.py` and a page in
docs/lint. It gets a `Subject`, which holds all that is known of the tree, and yields an `Alarm` for each place. What
the API server itself refuses is no rule: loading reports it (webhook.policy.load). Here are also the comments that
silence an alarm, and the edits that mend what can be mended safely.
"""
