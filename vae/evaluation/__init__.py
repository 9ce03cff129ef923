"""Measurements of lead reconstruction and of the ECG codec."""
