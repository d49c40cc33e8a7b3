"""IAM: the permissions that a request requires, the policies that apply, and the decision.

This package knows policies and requests, and nothing about jobs. ``policy``, ``conditions`` and
``evaluation`` are pure; the other modules read moto's state.
"""
