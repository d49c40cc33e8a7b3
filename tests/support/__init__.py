"""Helpers that several test folders use: values, servers, ZIP readers, and ways to wait."""
