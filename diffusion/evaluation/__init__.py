"""Measurements of generated ECGs and twins on held-out people."""
