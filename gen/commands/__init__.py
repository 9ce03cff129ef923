"""Commands of the `physiogen` command line, one file each; heavy libraries are imported inside the functions."""
