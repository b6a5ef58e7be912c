"""What goes wrong through no fault of the program: a message of one line says what, and what was expected."""


class CTMError(Exception):
    """Base of the errors that a user can mend; the command line prints their message and no traceback."""


class ConfigError(CTMError, ValueError):
    """A configuration that cannot work; the message names the field, its value and what is allowed."""


class DataError(CTMError):
    """Data that are missing or broken; the message says what was expected and how to get it."""


class RunError(CTMError):
    """A run that cannot be opened, or cannot go on; the message says what is wrong."""


class CheckpointError(CTMError, ValueError):
    """Weights that cannot be read, or are not of this model; the message names what is wrong and what was expected."""
