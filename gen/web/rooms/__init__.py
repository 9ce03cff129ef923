"""The rooms of the page: each makes a command line of what was filled in, and shows what the command wrote."""
