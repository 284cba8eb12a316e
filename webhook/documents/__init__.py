"""Files, folders and streams of YAML and JSON, read as kubectl reads them, with the place of every value."""
