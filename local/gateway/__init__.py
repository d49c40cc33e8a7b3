"""Emulates API Gateway: authorization, events, responses and CORS of an HTTP API.

``http_api`` combines them. This package never interprets a request's content.
"""
