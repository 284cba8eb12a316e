"""What already runs: the objects of a cluster, read a page at a time and judged as if they were created now.

Everything between a cluster and the verdicts on its objects belongs here: the kinds that are listed, pages, retries,
the requests that stand for stored objects, and the workload with which a finding is reported. Nothing is written to a
cluster, and nothing is watched. The command shows findings and sends them elsewhere (webhook.cli.audit).
"""
