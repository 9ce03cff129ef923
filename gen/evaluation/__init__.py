"""Measurements of the floor: report reader and simulated cohort."""
