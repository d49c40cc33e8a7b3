"""IAM as AWS enforces it: what a request needs, what the policies say, and the answer to a denial.

It knows policies and requests, and nothing of jobs. ``policy`` and ``evaluation`` are pure; the
rest looks at what moto holds.
"""
