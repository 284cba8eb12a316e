"""A policy tree on disk to a PolicySet, or to every error in it."""
