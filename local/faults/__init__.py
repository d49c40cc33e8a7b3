"""Fault injection: makes the embedded AWS fail as AWS does, by a plan that can be replayed.

``plan`` reads and invents plans of ``rules``, ``requests`` gives each request the names that rules
go by, ``draws`` decides by the plan's seed, ``runtime`` keeps what is installed and what happened,
and ``middleware`` does it to the requests. It never touches the program under test: everything
happens on the wire, on the queue, or to a function's process.
"""
