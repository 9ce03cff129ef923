"""What generated ECGs are good for: downstream training."""
