"""Entries in, one ZIP object out. Knows nothing of jobs or of Lambda."""
