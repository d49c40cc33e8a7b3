"""Archives on the local disk: download them, and verify them against their receipts."""
