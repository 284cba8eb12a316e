"""What the API server makes of an object on its way in: the value of a manifest → the object that admission sees.

Each step is a module: decoding into the Go types of built-in kinds, defaults, conversion, what the strategy of the kind
sets and drops, encoding. The steps are pure, and know nothing of policies. `admitted` is the face of the room;
`advising` says in plain words what is right where an object cannot be decoded.
"""
