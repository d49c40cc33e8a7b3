"""What a person types against a deployed or a local stack."""
