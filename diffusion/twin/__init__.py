"""A person's ECG in another condition."""
