"""Training of ECG to cine MRI: cohorts, pairs, latents, recipes."""
