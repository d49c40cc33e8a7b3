"""Lists of objects in S3, which ``entriesFrom`` names."""
