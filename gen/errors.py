"""Errors that the input causes. Nothing is imported here, so that a mistyped option costs no library."""


class InputError(ValueError):
    """Bad input from a user: the message is one line that names the file, what is wrong and what is accepted."""


class LeadError(ValueError):
    """A lead name that is unknown, given twice, or not to be had from the leads there are."""
