"""What OpenAI has and the lab has not: a clear answer instead of "check the URL for typos".

Each says what a client can do instead.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from workbook.lab.errors import ApiError

_NO_RESPONSES = (
    "The lab keeps no responses: `store` is taken and has no effect. Keep the answer that you were "
    "given, and send the items of the conversation again as 'input'."
)
_NOT_HERE = {
    "/moderations": "The lab has no moderation model, so it can't judge a text. Ask OpenAI's "
    "endpoint, which is free of charge, or leave moderation out while you try things here.",
    "/images/generations": "The lab's models write text only.",
    "/images/edits": "The lab's models write text only.",
    "/audio/speech": "The lab's models write text only.",
    "/audio/transcriptions": "The lab's models read text only.",
    "/audio/translations": "The lab's models read text only.",
    "/vector_stores": "The lab has none: keep the vectors of `/v1/embeddings` yourself.",
    "/assistants": "OpenAI has ended its assistants: use `/v1/responses`.",
    "/threads": "OpenAI has ended its assistants: use `/v1/responses`.",
    "/conversations": "The lab keeps no conversations: send their items to `/v1/responses`.",
    "/responses/compact": "The lab does not shorten conversations: send less.",
    "/responses/input_tokens": "The lab counts tokens when it answers: see `usage`.",
    "/realtime/client_secrets": "The lab does not speak.",
    "/videos": "The lab's models write text only.",
}


def routes() -> list[Route]:
    """The routes that only refuse."""
    routes = [
        Route("/responses/{id}", _no_response),
        Route("/responses/{id}", _no_response, methods=["DELETE"]),
        Route("/responses/{id}/input_items", _no_response),
        Route("/responses/{id}/cancel", _no_response, methods=["POST"]),
    ]
    return [Route(path, _not_here, methods=["GET", "POST"]) for path in _NOT_HERE] + routes


def _not_here(request: Request) -> Response:
    path = next(path for path in _NOT_HERE if request.url.path.endswith(path))
    raise ApiError(404, f"'{path}' is not here. {_NOT_HERE[path]}", "not_supported")


def _no_response(request: Request) -> Response:
    message = f"Response with id '{request.path_params['id'][:80]}' not found. {_NO_RESPONSES}"
    raise ApiError(404, message, "response_not_found", "id")
