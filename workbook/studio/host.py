"""The host that the Studio calls: its client, its models and files, its refusals as sentences.

Every call goes through the plain `openai` client, in a thread, so that no page waits for another's.
Knows no pages.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from workbook import backends, error_sentences
from workbook.doctor import profiles
from workbook.errors import WorkbookError

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import FileObject

T = TypeVar("T")
SECONDS = 30.0  # that a short call may take; answers of a model may take longer
_CONTENTS = 4  # files that are remembered
_MODELS = 1_000  # that are offered


class Host:
    """One backend for all pages of the Studio.

    connect: gives the backend, again where the lab has stopped in between
    """

    def __init__(self, connect: Callable[[], backends.Backend]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._contents: dict[str, bytes] = {}
        self.backend = connect()

    @property
    def client(self) -> "OpenAI":
        """For calls that a page waits for: few retries, and not for ever."""
        return self.backend.client.with_options(timeout=SECONDS, max_retries=1)

    @property
    def patient(self) -> "OpenAI":
        """For answers of a model, which may take their time."""
        return self.backend.client.with_options(max_retries=1)

    @property
    def profile(self) -> str | None:
        """Whose rules files are held to; None for a host of which none are known."""
        return self.backend.name if self.backend.name in profiles.all_profiles() else None

    @property
    def pricing_model(self) -> str | None:
        """The id of the backend's model, where the registry knows it."""
        model = self.backend.registered()
        return model.id if model else None

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function gives, carried out in a thread. Raises WorkbookError with a sentence.

        Where the lab has stopped and answers again at another address, the client follows it.
        """
        import openai

        try:
            return await asyncio.to_thread(function, *arguments)
        except openai.OpenAIError as error:
            raise WorkbookError(self.sentence(error)) from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise WorkbookError(f"{where}{error.strerror or error}.") from error

    def reconnect(self) -> None:
        """Connect anew, which starts the lab where it does not run. Raises WorkbookError."""
        with self._lock:
            self.backend = self._connect()

    def sentence(self, error: Exception) -> str:
        """What a failed call means on a page."""
        import openai

        title = self.backend.title[0].upper() + self.backend.title[1:]
        if isinstance(error, openai.APITimeoutError):
            return f"{title} did not answer in time. Try again."
        if isinstance(error, openai.APIConnectionError):
            if self.backend.is_lab:
                return "The lab is not running. Nothing is lost: a job goes on when it is back."
            return f"{title} can't be reached. Is this machine online?"
        if isinstance(error, openai.AuthenticationError):
            if self.backend.is_lab:
                return "Another lab has taken the place of the one that was here."
            name = backends.KEY_NAMES.get(self.backend.name)
            return f"{title} does not accept the key (401). Set {name} and start the Studio again."
        return error_sentences.sentence(error)

    def models(self) -> list[str]:
        """The backend's model first, then tuned ones, the newest first, then what else there is."""
        listed = list(islice(self.client.models.list(), _MODELS))
        tuned = [model for model in listed if is_tuned(model.id)]
        # Checkpoints behind the models of whole jobs.
        tuned.sort(key=lambda model: (":ckpt-" in model.id, -(model.created or 0)))
        others = sorted(model.id for model in listed if not is_tuned(model.id))
        return list(dict.fromkeys([self.backend.model, *(model.id for model in tuned), *others]))

    def training_files(self) -> "list[FileObject]":
        """The files that can be trained on, the newest first."""
        files = islice(self.client.files.list(purpose="fine-tune", limit=1_000), 1_000)
        return sorted(files, key=lambda file: file.created_at or 0, reverse=True)

    def content(self, file_id: str) -> bytes:
        """What an uploaded file holds; the last few are remembered, since none ever changes."""
        if file_id not in self._contents:
            data = self.patient.files.content(file_id).read()
            self._contents = dict([*self._contents.items(), (file_id, data)][-_CONTENTS:])
        return self._contents[file_id]


def two_of(models: Sequence[str], a: str = "", b: str = "") -> tuple[str, str]:
    """Two models: those that are named, and in the place of one that is not, the first other one.

    The same twice where there is only one.
    """
    a = a or next((model for model in models if model != b), models[0])
    return a, b or next((model for model in models if model != a), a)


def is_tuned(model: str) -> bool:
    """Whether a model's name is one that tuning has given."""
    return model.startswith("ft:") or ".ft-" in model or ":ft-" in model


def short(model: str, length: int = 44) -> str:
    """A model's name for a narrow place: the middle of a long one is left out."""
    if len(model) <= length:
        return model
    return f"{model[: length // 3]}…{model[-(length - length // 3 - 1) :]}"
