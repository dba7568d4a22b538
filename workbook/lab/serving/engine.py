"""Answers many requests at once, with the base model and what was tuned from it.

One background thread runs a step of each model's batch in turn; tuned models are loaded beside it.
Knows token ids and models; nothing of HTTP, chat messages or jobs. What happens in a step, `batch`
knows.
"""

import itertools
import logging
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from workbook.lab.model import device as devices
from workbook.lab.model.grammar import GrammarCompiler, GrammarMatcher
from workbook.lab.model.llama import Llama
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.serving import memory
from workbook.lab.serving.batch import Batch
from workbook.lab.serving.brief_thread import BriefThread
from workbook.lab.serving.embeddings import Embedder
from workbook.lab.serving.free_cores import FreeCores
from workbook.lab.serving.model_loader import ModelLoader
from workbook.lab.serving.prefix_cache import PrefixCache
from workbook.lab.serving.sampler import Sampler
from workbook.lab.serving.sequence import Sequence, deliver
from workbook.lab.serving.types import Completion, Request

_log = logging.getLogger("lab")

MODELS = 2  # tuned models kept in memory beside the base


class Engine:
    """The base model and its tuned variants, answering from one background thread."""

    def __init__(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        """
        folder: of the base model.
        dtype: of the weights; default: the device's fastest.
        """
        self.folder, self.device = Path(folder), devices.choose()
        self.dtype = dtype or devices.dtype(self.device)
        self._gflops = devices.gflops(self.dtype, self.device)
        self.tokenizer = Tokenizer(folder)
        self._loader = ModelLoader(self.folder, self.dtype, self.device)
        self._base = self._loader.base()
        self.context = self._base.config.context
        self.embedder = Embedder(self._base)
        self._grammars = GrammarCompiler(
            self.folder / "tokenizer.json", self._base.config.vocabulary, self.tokenizer.end
        )
        self._prefixes = PrefixCache()
        # By adapter folder (None: the base), the most recently used last.
        self._batches: dict[Path | None, Batch] = {}
        self._batches[None] = self._new_batch(self._base)
        self._loading: dict[Path, list[Sequence]] = {}  # who waits for a tuned model
        self._loading_thread = BriefThread("tuned-model")
        # Beside the engine's thread, too: some grammars take seconds.
        self._grammar_thread = ThreadPoolExecutor(1, thread_name_prefix="grammar")
        self._inbox: queue.SimpleQueue[_Arrival | _Loaded | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Future[Completion]:
        """Queue a request from any thread. `cancel()` on the result stops the work on it."""
        arrival = _Arrival(request, Future())
        if request.grammar is None:
            self._inbox.put(arrival)
            return arrival.future
        try:
            task = self._grammar_thread.submit(self._compile, arrival)
            task.add_done_callback(lambda t: arrival.future.cancel() if t.cancelled() else None)
        except RuntimeError:  # the engine is closed
            arrival.future.cancel()
        return arrival.future

    def close(self) -> None:
        """Stop the thread; unfinished requests are cancelled."""
        self._loading_thread.close()
        self.embedder.close()
        self._grammar_thread.shutdown(cancel_futures=True)
        self._inbox.put(None)
        self._thread.join()

    def info(self) -> dict[str, str | float]:
        """The device and number format chosen at start, and its matrix-multiply speed."""
        return {
            "device": self.device.type,
            "dtype": str(self.dtype).removeprefix("torch."),
            "gflops": round(self._gflops),
        }

    def _run(self) -> None:
        cores = FreeCores()
        while True:
            if not self._busy:
                self._drop_idle()
                memory.give_back()
            if not self._read_inbox():
                self._cancel_all()
                return
            for adapter, batch in list(self._batches.items()):
                if batch.busy:
                    cores.take()
                    self._step(adapter, batch)

    def _step(self, adapter: Path | None, batch: Batch) -> None:
        """A step of one model. What it stumbles over ends its answers, and not the engine."""
        try:
            with torch.inference_mode():
                batch.step()
        except Exception as error:
            _log.exception("a step of %s", adapter or self.folder.name)
            self._batches[adapter] = self._new_batch(batch.model)
            self._prefixes.drop(batch)
            batch.fail_all(error)

    @property
    def _busy(self) -> bool:
        return any(batch.busy for batch in self._batches.values())

    def _read_inbox(self) -> bool:
        """Take in all that has arrived, and wait for something if there is nothing to do; False
        when the engine is to stop."""
        while True:
            try:
                item = self._inbox.get(block=not self._busy)
            except queue.Empty:
                return True
            match item:
                case None:
                    return False
                case _Arrival():
                    self._place(item)
                case _Loaded():
                    self._take_in(item)

    def _cancel_all(self) -> None:
        for batch in self._batches.values():
            batch.cancel_all()
        for sequence in itertools.chain(*self._loading.values()):
            sequence.future.cancel()

    def _compile(self, arrival: "_Arrival") -> None:
        """Compile a request's grammar beside the engine's thread, if anybody still waits for it."""
        assert arrival.request.grammar is not None
        if arrival.future.cancelled():
            return
        try:
            matcher = self._grammars.matcher(arrival.request.grammar)
        except Exception as error:
            deliver(arrival.future, error)
        else:
            self._inbox.put(replace(arrival, matcher=matcher))

    def _place(self, arrival: "_Arrival") -> None:
        """Hand a new request to the batch of its model, or let it wait until that is loaded."""
        request, adapter = arrival.request, arrival.request.adapter
        try:
            sampler = Sampler(request, arrival.matcher)
            sequence = Sequence(request, arrival.future, sampler, self.tokenizer, self.context)
        except Exception as error:
            deliver(arrival.future, error)
            return
        if adapter is None or adapter in self._batches:
            batch = self._batches.pop(adapter)
            self._batches[adapter] = batch
            batch.waiting.append(sequence)
        elif adapter in self._loading:
            self._loading[adapter].append(sequence)
        else:
            self._loading[adapter] = [sequence]
            self._loading_thread.submit(self._load, adapter)

    def _load(self, folder: Path) -> None:
        """Load a tuned model beside the engine's thread: answers in progress go on meanwhile."""
        try:
            with torch.inference_mode(), memory.separate_pages():
                self._inbox.put(_Loaded(folder, self._loader.tuned(self._base, folder)))
        except Exception as error:
            self._inbox.put(_Loaded(folder, error))

    def _take_in(self, loaded: "_Loaded") -> None:
        """Give a tuned model a batch of those who wait for it."""
        sequences = self._loading.pop(loaded.folder)
        if isinstance(loaded.model, Exception):
            for sequence in sequences:
                deliver(sequence.future, loaded.model)
            return
        batch = self._batches[loaded.folder] = self._new_batch(loaded.model)
        batch.waiting += sequences
        self._drop_idle()

    def _new_batch(self, model: Llama) -> Batch:
        return Batch(model, self._prefixes, self._batches)

    def _drop_idle(self) -> None:
        """Of the tuned models that have nothing to do, keep those that were used last."""
        folders = [folder for folder in self._batches if folder is not None]
        for folder in folders[:-MODELS]:
            if not self._batches[folder].busy:
                self._prefixes.drop(self._batches.pop(folder))


@dataclass(frozen=True)
class _Arrival:
    """A request, where its answer goes, and what follows its grammar, if it has one."""

    request: Request
    future: Future[Completion]
    matcher: GrammarMatcher | None = None


@dataclass(frozen=True)
class _Loaded:
    """A tuned model, or why it could not be loaded."""

    folder: Path
    model: Llama | Exception
