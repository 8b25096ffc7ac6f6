"""What is said to a person who made a mistake, as opposed to a bug of ours.

Anything raised here reaches the person as text, never as a traceback. A record that is wrong is no error of a
person at the command line: it becomes a dead letter (`app.wire.codec.BadRecord`).
"""


class UserError(Exception):
    """One mistake a person can put right.

    Attributes:
        reference: stable kebab-case name, such as `unknown-setting`; tests and documents rely on it.
        place: where it is: a file, a key path (`welcome.toml: nudges[1].after`), a topic, partition and offset.
        problem: what is wrong there, in one sentence without a full stop. Never a secret.
        hint: what would most likely put it right; may be empty.
        exit_code: what the process ends with: 2 for wrong use, 1 where a command looked for problems and found one.
    """

    exit_code: int = 2

    def __init__(self, reference: str, place: str, problem: str, hint: str = "") -> None:
        super().__init__(reference, place, problem, hint)
        self.reference = reference
        self.place = place
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.place}: {self.problem} ({self.reference})"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class TopicError(UserError):
    """A mistake that many topics may have alike: those with the same reference, problem and hint are told as one."""


class UserErrors(Exception):  # noqa: N818  several errors, named as what they are
    """Several mistakes, reported together so that a person meets them once and not one by one.

    Attributes:
        errors: at least one, in the order to show them.
    """

    def __init__(self, errors: list[UserError]) -> None:
        super().__init__(errors)
        self.errors = errors

    @property
    def exit_code(self) -> int:
        """The largest of the errors' own."""
        return max(error.exit_code for error in self.errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)
