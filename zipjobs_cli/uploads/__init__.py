"""Sample PDFs, and uploads of local files to S3."""
