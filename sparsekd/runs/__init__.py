"""Runs: recipe, outcome and events; where they are stored, submitted, found and read as frames."""
