"""Sub-commands of `physiogen` that score signals."""
