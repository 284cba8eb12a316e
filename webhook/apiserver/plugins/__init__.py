"""The API server's own admission plugins: what those that are on by default change before any policy is asked.

`admitting` is the face. A module holds plugins of one subject; each is a function over a decoded and defaulted object,
which it changes in place, and a Run, which answers what it looks up and collects what it has to say.
"""
