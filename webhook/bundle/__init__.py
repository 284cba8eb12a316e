"""Policy trees as OCI artifacts: packing, pushing to a registry, pulling from one, verifying, keeping on disk.

It knows nothing of policies but the files of a tree.
"""
