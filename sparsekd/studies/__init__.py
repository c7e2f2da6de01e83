"""Studies: which runs a question needs, and what their results say."""
