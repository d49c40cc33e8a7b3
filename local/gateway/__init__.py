"""What API Gateway does before and after a function runs: who calls, the event, the answer, CORS.

``http_api`` puts it together. It never asks what a request is about.
"""
