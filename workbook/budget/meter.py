"""Money put aside for a call before it leaves, and settled when its answer is there.

What a counted client tells of goes through here. Knows requests, answers and how they fail; a call
that no sum is known for is refused where a limit must hold, and passes uncounted where none must.
"""

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbook import strict_json
from workbook.budget import answers, calls, counted_client
from workbook.budget.answers import is_count
from workbook.budget.charges import Charges
from workbook.budget.counted_client import Request, Response
from workbook.budget.ledger import BATCH, HOSTING, REQUEST, TRAINING, Entry, Ledger, LedgerError
from workbook.budget.usage import NotCountableError
from workbook.errors import WorkbookError
from workbook.prices import registry
from workbook.prices.model import NoPriceError

if TYPE_CHECKING:
    from workbook.backends import Backend

_ENTRY = "workbook_budget_entry"  # where a request carries the number of its line in the ledger
# Refused before any work was done. Of any other failure the host may have worked, and bill it.
_NOT_SERVED = {400, 401, 403, 404, 405, 413, 415, 422, 429, 503}
_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
_ENDED = ("succeeded", "completed", "incomplete", "failed", "cancelled", "expired")
_UNPRICED = ("priority", "fast", "scale")  # classes of service


class Meter:
    """What a counted client of one backend calls.

    limit: USD that may be spent and put aside in all; None: nothing is refused
    """

    def __init__(
        self, backend: "Backend", charges: Charges, ledger: Ledger, limit: float | None
    ) -> None:
        self._backend = backend
        self._charges = charges
        self._ledger = ledger
        self._limit = limit
        self._base = str(backend.client.base_url)
        self._served_dearer = False  # an answer came in a class of service that nobody asked for

    # Before a call

    def before(self, request: Request) -> None:
        """Put aside what a request may cost, or raise. Called before each attempt."""
        path = calls.path_below(self._base, str(request.url))
        if calls.is_free(request.method, path):
            return
        if not self._backend.is_confirmed:
            raise WorkbookError(
                "Nothing was sent: this call costs money. Run budget.confirm(what, usd) first."
            )
        try:
            entry = self._entry(path, request)
        except WorkbookError as error:
            if self._limit is not None:
                hint = "."
                if isinstance(error, (registry.UnknownModelError, NoPriceError)):
                    hint = "; give Budget(like=…) a model whose prices stand for this one's."
                raise NotCountableError(
                    f"Nothing was sent: {error} A budget can only hold what it can count{hint}"
                ) from None
            return
        if entry is not None:
            request.extensions[_ENTRY] = self._ledger.hold(self._limit, entry)

    def _entry(self, path: str | None, request: Request) -> Entry | None:
        """The line of a request: what it holds, and of a job what it is expected to cost."""
        resumed = calls.RESUMED.fullmatch(path or "")
        if resumed and self._ledger.of_job(resumed[1]):
            return None  # its whole bill is put aside
        if path not in calls.SETTINGS or request.method != "POST":
            where = request.url.path.rpartition("/v1")[2] if path is None else path
            raise NotCountableError(f"calls to {where} can't be counted.")
        try:
            body = _body(request)
            if self._limit is not None:
                self._check(path, body)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            if path == calls.JOBS:
                return self._job_entry(now, body)
            if path == calls.BATCHES:
                return Entry(now, BATCH, *self._batch_at_most(body))
            name = str(body.get("model", ""))
            return Entry(now, REQUEST, name, self._charges.request_at_most(path, body))
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            raise NotCountableError(
                "the request or its file is not what the API expects."
            ) from None

    def _check(self, path: str, body: Mapping[str, Any]) -> None:
        """Raises NotCountableError for what makes a call dearer in a way that is not known."""
        calls.check(path, body)
        if self._served_dearer and body.get("service_tier") not in ("default", "flex"):
            raise NotCountableError(
                "your project answers in a dearer class of service. Set service_tier='default'."
            )
        name = str(body.get("model", ""))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for entry in self._ledger.entries() if self._backend.name == "azure" else []:
            if entry.what == HOSTING and entry.at <= now < str(entry.until):
                self._charges.deployments[entry.model] = str(entry.base)
        if self._charges.is_hosted_by_the_hour(name) and path in calls.REQUESTS:
            raise NotCountableError(
                f"{name} is hosted by the hour. Run budget.reserve_hosting(deployment, base, hours)"
                " for its deployment, and call that."
            )

    def _job_entry(self, now: str, body: Mapping[str, Any]) -> Entry:
        bill = self._charges.job(body, self._rows)
        if self._limit is not None and bill.estimate.gaps:
            raise NotCountableError(f"{', '.join(bill.estimate.gaps)} can't be counted.")
        return Entry(
            now,
            TRAINING,
            str(body["model"]),
            bill.usd_most,
            expected=bill.estimate.usd,
            tokens_estimated=bill.tokens,
            low=bill.estimate.usd_low,
            high=bill.estimate.usd_high,
            tokens_low=bill.tokens_low,
            tokens_high=bill.tokens_high,
        )

    def _batch_at_most(self, body: Mapping[str, Any]) -> tuple[str, float]:
        """The model of a batch, and the most that its rows can cost together, at full price."""
        usd, names = 0.0, set()
        for row in self._rows(str(body["input_file_id"])):
            path, request = _of_row(row)
            if self._limit is not None:
                self._check(path, request)
            usd += self._charges.request_at_most(path, request)
            names.add(str(request.get("model", "")))
        return ", ".join(sorted(names)), usd

    def _rows(self, file_id: str) -> list[dict[str, Any]]:
        content = self._backend.client.files.content(file_id).content.decode("utf-8-sig")
        return [strict_json.loads(line) for line in content.split("\n") if line.strip()]

    # After it

    def lost(self, request: Request, error: Exception) -> None:
        """No answer came. What was never sent costs nothing; otherwise the hold stays."""
        number = request.extensions.get(_ENTRY)
        if number is not None and type(error).__name__ in _NEVER_SENT:
            self._settle(number, 0.0)

    def after(self, request: Request, response: Response) -> None:
        """Settle from the answer's body, at once or when a stream has been read to its end."""
        number = request.extensions.get(_ENTRY)
        if response.status_code >= 400:
            if number is not None and response.status_code in _NOT_SERVED:
                self._refused(number, request, response.status_code)
        elif response.is_stream_consumed or response.is_closed:
            self._read(number, request, response.content)
        elif number is not None:
            counted_client.listen(response, lambda data: self._read(number, request, data))

    def _refused(self, number: int, request: Request, status: int) -> None:
        """The host refused a request before it worked on it."""
        usd = 0.0
        path = calls.path_below(self._base, str(request.url))
        if status == 400 and self._backend.name == "azure" and path in calls.REQUESTS:
            # Azure bills the prompt of what its filter refuses:
            # https://learn.microsoft.com/azure/ai-foundry/openai/how-to/manage-costs
            usd = self._charges.request_at_most(path, _body(request), answered=False)
        self._settle(number, usd)

    def _read(self, number: int | None, request: Request, data: bytes) -> None:
        """An answer is there: what it says was used is spent. Nothing here may lose the answer."""
        path = calls.path_below(self._base, str(request.url))
        try:
            if number is None:
                if calls.id_of(path) or path in (calls.JOBS, calls.BATCHES):
                    for record in answers.objects(data):
                        self._ended(record)
            elif path in (calls.JOBS, calls.BATCHES):
                self._name(number, data)
            elif path is not None:
                self._settle_request(number, path, _body(request), data)
        except (WorkbookError, ValueError, KeyError, TypeError, AttributeError) as error:
            warnings.warn(f"Not settled, so the most stays put aside: {error}", stacklevel=2)

    def _settle_request(self, number: int, path: str, body: dict[str, Any], data: bytes) -> None:
        if self._limit is not None and answers.tier_of(data) in _UNPRICED:
            self._served_dearer = True
            return
        used = answers.usage_of(data)
        if self._charges.counts_otherwise(body.get("model")) or (
            used is None and self._limit is None
        ):
            text = answers.text_of(data)
            if text:
                self._settle(number, self._charges.counted_here(body, text))
        elif used is not None:
            self._settle(number, self._charges.request(path, body, used))
        elif path == calls.RESPONSES:  # in the background: its end will pass by
            self._name(number, data)

    def _name(self, number: int, data: bytes) -> None:
        """Note the id of what goes on after its call."""
        id_ = answers.json_object(data).get("id")
        if isinstance(id_, str):
            self._ledger.name_job(number, id_)

    def _ended(self, record: dict[str, Any]) -> None:
        """A job, a batch or a response passed by: once it has ended, it says what it used."""
        status = record.get("status")
        line = self._ledger.of_job(str(record.get("id"))) if status in _ENDED else None
        if line is None:
            return
        number, entry = line
        if entry.what == BATCH:
            usd = self._batch_usd(record)
            if usd is not None:
                self._settle(number, usd)
        elif entry.what == REQUEST:
            used = answers.read_usage(record.get("usage"))
            if used is not None:
                body = {"model": entry.model}
                self._settle(number, self._charges.request(calls.RESPONSES, body, used))
        elif is_count(record.get("trained_tokens")) and (
            record["trained_tokens"] or status != "succeeded"
        ):
            trained = record["trained_tokens"]
            self._settle(number, self._charges.finished_job(entry, trained), trained)
        elif status == "failed" and record.get("trained_tokens") is None:
            self._settle(number, 0.0)  # it never trained; a cancelled one may have

    def _batch_usd(self, batch: dict[str, Any]) -> float | None:
        """USD of a batch that has ended, from the usage of each of its answers; None: not known."""
        if batch.get("status") == "failed":  # its file was refused as a whole
            return 0.0
        requests = {}
        for row in self._rows(str(batch.get("input_file_id"))):
            requests[row["custom_id"]] = _of_row(row)
        usd = 0.0
        for row in self._rows(str(batch["output_file_id"])) if batch.get("output_file_id") else []:
            answer = row.get("response") or {}
            if answer.get("status_code") != 200:
                continue
            used = answers.read_usage((answer.get("body") or {}).get("usage"))
            if used is None:
                return None
            usd += self._charges.request(*requests[row["custom_id"]], used, batch=True)
        return usd

    def _settle(self, number: int, usd: float, tokens_billed: int | None = None) -> None:
        try:
            self._ledger.settle(number, usd, tokens_billed)
        except LedgerError as error:  # the answer is paid for: it must reach the student
            warnings.warn(f"Not settled, so the most stays put aside: {error}", stacklevel=2)


def _body(request: Request) -> dict[str, Any]:
    """A request's JSON. Raises ValueError for what two readers could read in two ways."""
    repeated: list[str] = []
    body = strict_json.decoder(repeated).decode(request.content.decode("utf-8"))
    if repeated or not isinstance(body, dict):
        raise ValueError("not one object of keys that stand once")
    return body


def _of_row(row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The path and the body of a row of a batch. Raises NotCountableError."""
    path = str(row["url"]).removeprefix("/v1")
    if path not in calls.REQUESTS:
        raise NotCountableError(f"a row of the batch calls {row['url']}: that can't be counted.")
    return path, row["body"]
