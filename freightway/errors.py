"""The exception tree: one class for each thing a caller may do about it.

    FreightwayError
    ├── InvalidResource(message, file, line, path)    the user's YAML
    ├── ExpressionError(message, line, column)        the user's expression
    ├── NotFound(kind, name)                          something named does not exist
    ├── Refused                                       a command that the rules do not allow now
    ├── StepFailed                                    the step says no: final, never retried
    ├── StepErrored                                   the step broke: counted, may be tried again
    └── AdapterError(message, host, status)           the outside world

Messages say what, where and what to do; lower case, no full stop, never a secret.
"""

from __future__ import annotations

from dataclasses import dataclass


class FreightwayError(Exception):
    """Base of every error that Freightway raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in what a person wrote.

    Attributes:
        message: what is wrong and what to do about it.
        file: the file's name as the person gave it, ``-`` for standard input, empty if unknown.
        line: 1-based line in the file, 0 if unknown.
        path: YAML path such as ``spec.subscriptions[0].image.repoURL``, empty for the document.
        resource: ``Kind/name`` of the document, empty if unknown.
    """

    message: str
    file: str = ""
    line: int = 0
    path: str = ""
    resource: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        parts = [part for part in (place, self.resource, self.path) if part]
        return ": ".join([*parts, self.message])


class InvalidResource(FreightwayError):
    """What a person wrote is not valid; carries every problem found, not only the first."""

    def __init__(self, problems: list[Problem] | str, *, path: str = "") -> None:
        if isinstance(problems, str):
            problems = [Problem(problems, path=path)]
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class ExpressionError(FreightwayError):
    """An expression does not compile or does not evaluate.

    Attributes:
        message: what is wrong, without position.
        line: 1-based line of the place in the expression.
        column: 1-based column of the place in the expression.
        stage: ``compile`` or ``run``.
        snippet: the line with a caret under the place, empty if unknown.
    """

    def __init__(
        self, message: str, line: int = 1, column: int = 1, *, stage: str = "run", snippet: str = ""
    ) -> None:
        self.message = message
        self.line = line
        self.column = column
        self.stage = stage
        self.snippet = snippet
        text = f"{message} ({line}:{column})"
        super().__init__(f"{text}\n{snippet}" if snippet else text)


class NotFound(FreightwayError):
    """Something that was named does not exist."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"{kind} {name!r} not found" + (f"; {hint}" if hint else ""))


class Refused(FreightwayError):
    """A command that the rules do not allow now; the message says why and what to do."""


class NotReady(Refused):
    """A command that came before what it needs had arrived; the same command succeeds or is refused in a moment."""


class StepFailed(FreightwayError):
    """The step says no: the outcome is Failed and is never retried."""


class StepErrored(FreightwayError):
    """The step broke: the outcome is Errored, counts to the threshold and may be tried again.

    Attributes:
        terminal: whether a further try is pointless, so that the threshold does not matter.
    """

    def __init__(self, message: str, *, terminal: bool = False) -> None:
        self.terminal = terminal
        super().__init__(message)


class AdapterError(FreightwayError):
    """The outside world answered wrongly or not at all.

    Attributes:
        host: host (and port) that was asked, without credentials.
        status: HTTP status, 0 if there was none.
        retryable: whether the same call may succeed later.
        retry_after: seconds that the host asked to wait, None if it did not.
    """

    def __init__(
        self,
        message: str,
        *,
        host: str = "",
        status: int = 0,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.host = host
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after
        super().__init__(message)
