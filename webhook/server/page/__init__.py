"""The page of the plain port: policies, verdicts over time, findings, exceptions. Everything that it keeps is
bounded. Only servers that have the page import this."""
