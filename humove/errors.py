"""The one exception that a user is meant to read."""

EXIT_BAD_ARGUMENTS = 2
EXIT_NO_SAMPLES = 3
EXIT_TOO_MANY_FAULTS = 4
EXIT_DEFECT = 5
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """A mistake that the user can mend; the command prints it as one line and ends with `exit_code`.

    The message says what is wrong, where, and how to mend it.
    """

    def __init__(self, message: str, exit_code: int = EXIT_BAD_ARGUMENTS) -> None:
        super().__init__(message)
        self.exit_code = exit_code
