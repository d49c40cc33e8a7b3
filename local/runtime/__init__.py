"""Runs Lambda functions, and invokes them from queues and schedules.

``functions`` keeps execution environments warm, each a process under AWS's own runtime client
(``execution``). ``event_source`` emulates event source mappings, and ``schedules`` EventBridge's.
"""
