"""Policies → what ships them: webhook configurations, RBAC, the lists of files for the cluster, values of the chart."""
