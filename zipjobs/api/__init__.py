"""The HTTP API: routes, their OpenAPI description, and errors as problem details."""
