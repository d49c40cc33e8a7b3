"""HTTP requests to S3 through libcurl (docs/adr/0002)."""
