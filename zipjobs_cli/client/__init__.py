"""Clients of a stack: its API, its buckets and queues, and where to find it."""
