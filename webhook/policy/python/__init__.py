"""Python policies: the API for their authors, and how they are imported, declared and run."""
