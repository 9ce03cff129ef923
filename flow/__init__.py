"""ECG to cine cardiac MRI by flow matching: a beating heart, in phase with an ECG, with volumes.

from flow.pipeline import load
heart = load()(record, num_samples=8, seed=0)      # heart.cine is a CineRecord, heart.volumes has intervals
"""
