"""Coursework: sources of assignments, a sandbox for submissions, grading, feedback, platforms."""
