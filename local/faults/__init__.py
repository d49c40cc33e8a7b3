"""Fault injection: makes the embedded AWS fail as AWS does, by a plan that can be replayed.

``plan`` reads and generates plans of ``rules``, ``random_choices`` decides by the plan's seed,
``injector`` holds the installed plan and records injected faults, and ``middleware`` applies faults
to requests. The code under test is never changed: faults happen on the wire, on the queue, or to a
function's process.
"""
