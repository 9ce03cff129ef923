"""Sections of the benchmark report."""
