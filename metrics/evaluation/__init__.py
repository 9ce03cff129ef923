"""Measurements of the judges and measuring tools themselves, and studies of generated sets."""
