"""Azure's third step: a tuned model is deployed, answers by the deployment's name, and is deleted.

Knows the management API that Microsoft's guide calls, and what an hour costs. The job before and
the answers after go through the plain client.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from workbook import confirm
from workbook.errors import WorkbookError
from workbook.hosts import rest
from workbook.prices import costs, registry

MANAGEMENT = "https://management.azure.com"
API_VERSION = "2024-10-21"
DEVELOPER = "DeveloperTier"  # no hosting fee; Azure deletes it after 24 hours
_SETTINGS = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_MANAGEMENT_TOKEN")
_NOBODY = f"Pass agreed=True, or deploy as {DEVELOPER!r}, which costs no hours."


@dataclass(frozen=True)
class Account:
    """One Azure resource, as its management API names it.

    token: of the management API: `az account get-access-token`; not the resource's key
    is_billed: whether an hour of a deployment costs anything
    """

    subscription: str
    group: str
    resource: str
    token: str = field(repr=False)
    management: str = MANAGEMENT
    is_billed: bool = True

    @classmethod
    def of_lab(cls, base_url: str, key: str) -> "Account":
        """The lab, which is one resource whatever it is called, and takes no money."""
        address = urlsplit(base_url)
        return cls("lab", "lab", "lab", key, f"{address.scheme}://{address.netloc}", False)

    @classmethod
    def of_environment(cls, endpoint: str) -> "Account":
        """The resource at an endpoint, with the rest from the environment.

        Raises WorkbookError with the names of what is not set.
        """
        missing = [name for name in _SETTINGS if not os.environ.get(name)]
        if missing:
            raise WorkbookError(
                f"Deploying at Azure needs {', '.join(missing)}. The token is what "
                "`az account get-access-token --query accessToken -o tsv` prints."
            )
        subscription, group, token = (os.environ[name] for name in _SETTINGS)
        resource = (urlsplit(endpoint).hostname or "").partition(".")[0]
        return cls(subscription, group, resource, token)

    def url(self, name: str = "") -> str:
        """The address of a deployment, or of all."""
        path = (
            f"/subscriptions/{quote(self.subscription)}/resourceGroups/{quote(self.group)}"
            f"/providers/Microsoft.CognitiveServices/accounts/{quote(self.resource)}/deployments"
        )
        end = f"/{quote(name, safe='')}" if name else ""
        return f"{self.management}{path}{end}?api-version={API_VERSION}"

    def put(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a deployment, or change it."""
        answer: dict[str, Any] = rest.send("PUT", self.url(name), self.token, body)
        return answer

    def get(self, name: str) -> dict[str, Any]:
        """A deployment, with its `provisioningState`."""
        answer: dict[str, Any] = rest.send("GET", self.url(name), self.token)
        return answer

    def list(self) -> list[dict[str, Any]]:
        """All deployments: what is billed by the hour, if it is not a developer's."""
        answer: list[dict[str, Any]] = rest.send("GET", self.url(), self.token)["value"]
        return answer

    def delete(self, name: str) -> None:
        """End a deployment, and its hours. One that is gone is no error."""
        rest.send("DELETE", self.url(name), self.token)


def body(model: str, sku: str = DEVELOPER, capacity: int = 1) -> dict[str, Any]:
    """What a deployment of a tuned model is asked for with."""
    return {
        "sku": {"name": sku, "capacity": capacity},
        "properties": {"model": {"format": "OpenAI", "name": model, "version": "1"}},
    }


def hourly(account: Account, model: str, sku: str) -> str:
    """What an hour costs, in words."""
    if not account.is_billed or sku.lower() == DEVELOPER.lower():
        return "no hosting fee"
    with suppress(registry.UnknownModelError):
        known = registry.get(model)
        if known.hosting:
            return f"{costs.usd(known.hosting_per_hour)} for each hour until it is deleted"
    return "for each hour until it is deleted, a price that this course does not know"


@contextmanager
def deployed(
    account: Account,
    name: str,
    model: str,
    sku: str = "Standard",
    agreed: bool = False,
    seconds: float = 1800,
) -> Iterator[str]:
    """The name under which the model answers; the deployment is deleted at the end, come what may.

    agreed: a yes to its hours was given; else it is asked for where they cost anything
    seconds: to wait until it answers
    Raises WorkbookError where nobody agrees, where the name is taken, and where Azure refuses.
    """
    price = hourly(account, model, sku)
    if not agreed and price != "no hosting fee":
        question = f"Deploy {model} as {name!r}: {price}."
        if not confirm.agrees(question, _NOBODY):
            raise WorkbookError(f"Not confirmed, so nothing was deployed: {question}")
    if any(each["name"] == name for each in account.list()):
        raise WorkbookError(
            f"There is a deployment {name!r} already; it is left as it is. Choose another name, or "
            f"delete it first: account.delete({name!r})"
        )
    account.put(name, body(model, sku))
    try:
        _wait(account, name, seconds)
        yield name
    finally:
        account.delete(name)


def _wait(account: Account, name: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (state := account.get(name)["properties"]["provisioningState"]) != "Succeeded":
        if state in ("Failed", "Canceled"):
            raise WorkbookError(f"The deployment {name!r} ended as {state}; it is deleted.")
        if time.monotonic() > until:
            raise WorkbookError(f"The deployment {name!r} is still {state}; it is deleted.")
        time.sleep(min(5.0, 0.2 + seconds / 600))
