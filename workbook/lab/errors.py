"""The one way in which the lab refuses: OpenAI's status, sentence, code and parameter.

Knows nothing of what is refused, or of how the refusal travels.
"""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A refusal in OpenAI's shape: HTTP status and the four keys of the body."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.kind, self.headers = kind, headers

    def body(self) -> dict[str, Any]:
        """The JSON that is sent."""
        keys = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": keys}
