"""Reads files, folders and streams of YAML and JSON as kubectl reads them, with the position of every value."""
