"""The one way in which a grader is refused: a sentence, with OpenAI's code and parameter.

Knows nothing of what is refused, or of who hears it.
"""

from workbook.errors import WorkbookError


class GraderError(WorkbookError):
    """A grader that can't be run, or an answer that it can't be run on."""

    def __init__(self, message: str, code: str, param: str) -> None:
        super().__init__(message)
        self.message, self.code, self.param = message, code, param
