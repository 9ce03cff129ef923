"""Copies, membership inference and re-identification."""
