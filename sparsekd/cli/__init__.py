"""The command line: what the dashboard does, from the same functions."""
