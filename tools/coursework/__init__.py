"""Assignments: their sources, the versions made from them, and the grading of submissions."""
