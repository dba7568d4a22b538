"""What OpenAI has and the lab has not: a clear answer instead of "check the URL for typos".

Each says what a client can do instead.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from workbook.lab.errors import ApiError

_NO_RESPONSES = (
    "The lab keeps no responses: `store` is taken and has no effect. Keep the answer that you were "
    "given, and send the items of the conversation again as 'input'."
)
_TEXT_ONLY = "The lab's models read and write text only."
_ASSISTANTS = "OpenAI has ended its assistants: use `/v1/responses`."
# Of a path and all below it.
_NOT_HERE = {
    "/moderations": "The lab has no moderation model, so it can't judge a text. Ask OpenAI's "
    "endpoint, which is free of charge, or leave moderation out while you try things here.",
    "/images": _TEXT_ONLY,
    "/audio": _TEXT_ONLY,
    "/videos": _TEXT_ONLY,
    "/realtime": "The lab does not speak.",
    "/vector_stores": "The lab has none: keep the vectors of `/v1/embeddings` yourself.",
    "/assistants": _ASSISTANTS,
    "/threads": _ASSISTANTS,
    "/chatkit": "The lab has none of its workflows: use `/v1/responses`.",
    "/conversations": "The lab keeps no conversations: send their items to `/v1/responses`.",
    "/containers": "The lab runs no code for you: describe a function and run it yourself.",
    "/skills": "The lab has none: write what a model is to know into `instructions`.",
    "/organization": "The lab has no organisation, and counts nothing for one.",
    "/fine_tuning/checkpoints": "The lab shares its models with nobody.",
    "/responses/compact": "The lab does not shorten conversations: send less.",
    "/responses/input_tokens": "The lab counts tokens when it answers: see `usage`.",
}
_NO_COMPLETIONS = (
    "The lab keeps no completions: `store` is taken and has no effect. Keep the answer that you "
    "were given."
)
_METHODS = ["GET", "POST", "DELETE"]


def routes() -> list[Route]:
    """The routes that only refuse."""
    routes = [
        Route(each, _refusal(path, reason), methods=_METHODS)
        for path, reason in _NOT_HERE.items()
        for each in (path, f"{path}/{{below:path}}")
    ]
    kept = _refusal("/chat/completions", _NO_COMPLETIONS)
    routes.append(Route("/chat/completions", kept))
    routes.append(Route("/chat/completions/{below:path}", kept, methods=_METHODS))
    routes += [
        Route("/responses/{id}", _no_response),
        Route("/responses/{id}", _no_response, methods=["DELETE"]),
        Route("/responses/{id}/input_items", _no_response),
        Route("/responses/{id}/cancel", _no_response, methods=["POST"]),
    ]
    return routes


def _refusal(path: str, reason: str) -> Callable[[Request], Response]:
    def refuse(request: Request) -> Response:
        where = f"/{request.path_params['below'][:80]}" if request.path_params.get("below") else ""
        raise ApiError(404, f"'{path}{where}' is not here. {reason}", "not_supported")

    return refuse


def _no_response(request: Request) -> Response:
    message = f"Response with id '{request.path_params['id'][:80]}' not found. {_NO_RESPONSES}"
    raise ApiError(404, message, "response_not_found", "id")
