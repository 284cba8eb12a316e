"""Defaults of the built-in kinds, as the API server sets them when it decodes an object.

`defaulting` is the face: it walks a decoded value along tables that say what is done at which field. The tables, in
`kubernetes/`, are generated from Kubernetes' own defaulting code; they also hold the plain defaults. What depends on
other fields is a function in the module of its API group, named in that module's FUNCTIONS.
"""
