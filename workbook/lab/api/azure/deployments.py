"""Azure's management path: deployments are created, listed and deleted.

One lab is one Azure resource, whatever subscription, group and account a path names. Knows what a
deployment must say; what answers under its name, `data_plane` knows.
"""

import contextlib
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workbook.lab.api.azure import names
from workbook.lab.api.bodies import read_json
from workbook.lab.errors import ApiError
from workbook.lab.ids import now
from workbook.lab.service import Lab
from workbook.lab.state.records import Deployment, UnknownIdError

_ACCOUNT = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers"
    "/Microsoft.CognitiveServices/accounts/{account}"
)
DEVELOPER = "developertier"
SKUS = ("Standard", "GlobalStandard", "DeveloperTier")
DEVELOPER_SECONDS = 24 * 3600  # then Azure deletes a developer's deployment
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")


class Deployments:
    """The deployments that there are."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._store = lab, lab.store

    def all(self) -> list[Deployment]:
        """Oldest first; those of developers whose day is over are deleted."""
        found, _ = self._store.page(Deployment, limit=1_000_000, newest_first=False)
        over = [
            each
            for each in found
            if each.sku.lower() == DEVELOPER and each.created_at + DEVELOPER_SECONDS <= now()
        ]
        for each in over:
            self.delete(each.id)
        return [each for each in found if each not in over]

    def get(self, name: str) -> Deployment:
        """Raises ApiError (404)."""
        for each in self.all():
            if each.id == name:
                return each
        message = f"The deployment '{name[:80]}' was not found."
        raise ApiError(404, message, "DeploymentNotFound", "deploymentName")

    def put(self, deployment: Deployment) -> bool:
        """Create, or replace one of the same name; True where it is new."""
        with self._store.transaction():
            is_new = not self.delete(deployment.id)
            self._store.add(deployment)
        return is_new

    def delete(self, name: str) -> bool:
        """False where there is none."""
        with contextlib.suppress(UnknownIdError):
            self._store.delete(Deployment, name)
            return True
        return False

    def model_of(self, name: str) -> str:
        """The model that answers to a name: a deployment's, or the base, which needs none here.

        Raises ApiError (404).
        """
        if name == self._lab.model:
            return name
        with contextlib.suppress(ApiError):
            return self.get(name).model
        raise ApiError(
            404,
            "The API deployment for this resource does not exist. If you created the deployment "
            "within the last 5 minutes, please wait a moment and try again. "
            f"(The lab has no deployment '{name[:80]}': a tuned model answers once it is deployed, "
            "by the deployment's name.)",
            "DeploymentNotFound",
        )


class DeploymentEndpoints:
    """…/accounts/{account}/deployments"""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._deployments = lab, Deployments(lab)

    def routes(self) -> list[Route]:
        """For the root of the server, where Azure's management API has them."""
        one = _ACCOUNT + "/deployments/{name}"
        return [
            Route(_ACCOUNT + "/deployments", self.list),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.retrieve),
            Route(one, self.delete, methods=["DELETE"]),
        ]

    async def put(self, request: Request) -> Response:
        _check_version(request)
        body = await read_json(request)
        return await run_in_threadpool(self._put, request, body)

    def _put(self, request: Request, body: Any) -> Response:
        deployment = self._parse(request.path_params["name"], body)
        is_new = self._deployments.put(deployment)
        return JSONResponse(self._shown(request, deployment), 201 if is_new else 200)

    def retrieve(self, request: Request) -> Response:
        _check_version(request)
        found = self._deployments.get(request.path_params["name"])
        return JSONResponse(self._shown(request, found))

    def list(self, request: Request) -> Response:
        _check_version(request)
        return JSONResponse(
            {"value": [self._shown(request, each) for each in self._deployments.all()]}
        )

    def delete(self, request: Request) -> Response:
        _check_version(request)
        was_there = self._deployments.delete(request.path_params["name"])
        return Response(status_code=200 if was_there else 204)

    def _parse(self, name: str, body: Any) -> Deployment:
        if not _NAME.fullmatch(name):
            message = (
                f"Invalid deployment name '{name[:80]}': 2 to 64 letters, digits and _ . -, the "
                "first a letter or digit."
            )
            raise ApiError(400, message, "InvalidResourceName", "deploymentName")
        sku, model = _part(body, "sku"), _part(body, "properties", "model")
        sku_name, capacity = sku.get("name"), sku.get("capacity", 1)
        if str(sku_name).lower() not in {each.lower() for each in SKUS}:
            message = f"'sku.name' is {sku_name!r}; a tuned model is deployed as {', '.join(SKUS)}."
            raise ApiError(400, message, "InvalidResourceProperties", "sku.name")
        if type(capacity) is not int or capacity < 1:
            message = f"'sku.capacity' is {capacity!r}; it is a whole number from 1."
            raise ApiError(400, message, "InvalidCapacity", "sku.capacity")
        asked = [model.get(key) for key in ("format", "name", "version")]
        target = names.inside(str(asked[1]), self._lab.store)
        try:
            self._lab.adapter(target)
        except ApiError:
            target = ""
        if asked[0] != "OpenAI" or not target:
            described = "Format: {}, Name: {}, Version: {}".format(*asked)[:200]
            message = f"The model '{described}' of account deployment is not supported."
            raise ApiError(400, message, "DeploymentModelNotSupported", "properties.model")
        return Deployment(name, target, str(sku_name), capacity, now())

    def _shown(self, request: Request, deployment: Deployment) -> dict[str, Any]:
        account = _ACCOUNT.format(**request.path_params)
        model = {"format": "OpenAI", "name": names.outside(deployment.model), "version": "1"}
        return {
            "id": f"{account}/deployments/{deployment.id}",
            "type": "Microsoft.CognitiveServices/accounts/deployments",
            "name": deployment.id,
            "sku": {"name": deployment.sku, "capacity": deployment.capacity},
            "properties": {"model": model, "provisioningState": self._state()},
        }

    def _state(self) -> str:
        """A deployment can answer as soon as the lab has loaded its model."""
        engine = self._lab.scheduler.engine
        if not engine.done():
            return "Creating"
        return "Failed" if engine.exception() else "Succeeded"


def _check_version(request: Request) -> None:
    if not request.query_params.get("api-version"):
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ApiError(400, message, "MissingApiVersionParameter", "api-version")


def _part(body: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    if not isinstance(body, dict):
        where = ".".join(keys)
        message = f"The request content is invalid: '{where}' must be an object."
        raise ApiError(400, message, "InvalidRequestContent", where)
    return body
