"""What AWS hands to the functions."""
