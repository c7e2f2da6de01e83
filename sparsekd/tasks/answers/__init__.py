"""Answers in files: what a model or anything else predicts, one row per text."""
