"""Commands of the evaluation layer."""
