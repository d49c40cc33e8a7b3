"""Events that AWS passes to Lambda functions."""
