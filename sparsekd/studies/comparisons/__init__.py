"""Comparisons: methods and their variants side by side, with the same student, data and budget."""
