"""Checks of a stack: what is configured, and whether a job works from end to end."""
