"""Audits stored objects: reads those of a cluster a page at a time, and evaluates policies as if they were created now.

Everything between a cluster and the verdicts on its objects belongs here: the kinds that are listed, pages, retries,
the requests for stored objects, and the workload with which a finding is reported. This package writes nothing to a
cluster, and watches nothing. The command shows and sends the findings (webhook.cli.audit).
"""
