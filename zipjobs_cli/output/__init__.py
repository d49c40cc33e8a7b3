"""What commands print: jobs, progress bars and error messages."""
