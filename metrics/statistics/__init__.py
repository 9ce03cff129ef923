"""Intervals, proportions, rankings and distances that all figures share."""
