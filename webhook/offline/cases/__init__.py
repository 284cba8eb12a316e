"""The cases of PolicyTests: read, selected, set up, run, explained."""
