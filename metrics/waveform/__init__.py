"""Comparisons of waveforms: paired errors, alignment, ensembles, physics."""
