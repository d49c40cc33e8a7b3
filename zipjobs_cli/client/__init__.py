"""Find a stack and talk to it: its API, its buckets and its queues."""
