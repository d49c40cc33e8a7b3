"""Files and sample PDFs that commands upload."""
