"""Archives on this disk: downloads, receipts and verification."""
