"""Lessons: plain text files of steps, each with a view, a question, and what is then seen.

`lesson` has the parts of a lesson, `reading` reads and keeps the files, `views` the views that a
step may show, `facts` the numbers that its text may name, and `answers` what a visitor answered.
"""
