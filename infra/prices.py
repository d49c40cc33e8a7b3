"""What AWS asks for, in dollars, in us-east-1, in November 2026: for the dashboard's estimate."""

PER_GB_SECOND = 0.0000133334
PER_INVOCATION = 0.20e-6
"""Lambda on arm64: "AWS Lambda pricing"."""

PER_GET = 0.0004e-3
PER_PUT = 0.005e-3
"""Requests to S3 Standard, copies of parts too: "Amazon S3 pricing"."""

PER_SQS_REQUEST = 0.40e-6
"""Standard queues: "Amazon SQS pricing"."""

PER_READ_UNIT = 0.125e-6
PER_WRITE_UNIT = 0.625e-6
"""Tables on demand: "Pricing for On-Demand Capacity" of DynamoDB."""

PER_API_REQUEST = 1.00e-6
"""HTTP APIs: "Amazon API Gateway pricing"."""

PER_EVENT = 1.00e-6
"""Events of one's own: "Amazon EventBridge pricing"."""
