"""ECG parameters and fiducials, measured; criteria of findings."""
