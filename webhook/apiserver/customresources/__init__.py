"""Custom resources: what the API server makes of objects whose CustomResourceDefinition is at hand.

Structural schemas: pruning, defaults, OpenAPI validation, lists that are sets or maps, embedded resources, and the
rules of `x-kubernetes-validations`. Definitions that the API server would refuse.
"""
