"""What a shared lab has for nobody but whoever runs it: there, all would see the same names.

Deployments of Azure and buckets of Google have names of their users' choice, which are the whole
lab's. Knows nothing of either.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from workbook.lab import owner
from workbook.lab.api import error_responses
from workbook.lab.errors import ApiError


class Unshared:
    """An application that students are told is not there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if owner.current():
            message = "This lab is shared: use OpenAI's paths, or start a lab of your own for this."
            app = error_responses.response(ApiError(404, message, "not_supported"))
        await app(scope, receive, send)
