"""Exit codes, and the exception whose message is meant for the user."""

EXIT_BAD_ARGUMENTS = 2
EXIT_NO_SAMPLES = 3
EXIT_TOO_MANY_FAULTS = 4
EXIT_DEFECT = 5
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """An error that the user can fix; the command prints it as one line and exits with `exit_code`.

    The message says what is wrong, where, and how to fix it.
    """

    def __init__(self, message: str, exit_code: int = EXIT_BAD_ARGUMENTS) -> None:
        super().__init__(message)
        self.exit_code = exit_code
