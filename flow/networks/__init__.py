"""Networks of ECG to cine MRI: ours, and the published ones as references."""
