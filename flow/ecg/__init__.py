"""What is read from an ECG before it becomes a cine: beats, leads, rate."""
