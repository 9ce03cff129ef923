"""Measurements of generated cines on hearts with known volumes."""
