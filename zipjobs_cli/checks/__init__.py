"""Checks of a stack: its configuration, and jobs from end to end."""
