"""The command line ``zipjobs``, for a deployed or a local stack."""
