"""The page of the plain port: policies, verdicts over time, findings, exceptions. What is shown, and how it is kept
within bounds. Only servers that have the page import this."""
