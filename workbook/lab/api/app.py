"""The lab as one HTTP application: which path leads where.

What a path does, its module in `api` knows; what the paths share, `service`.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from anyio import to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from workbook.lab import __version__
from workbook.lab.api import absent, error_responses
from workbook.lab.api.access import AccessControl
from workbook.lab.api.azure.data_plane import AzureGeneration, AzureJobs, AzureModels
from workbook.lab.api.azure.deployments import DeploymentEndpoints
from workbook.lab.api.batches import BatchEndpoints
from workbook.lab.api.embeddings import EmbeddingEndpoint
from workbook.lab.api.evals import EvalEndpoints
from workbook.lab.api.files import FileEndpoints
from workbook.lab.api.fine_tuning import JobEndpoints
from workbook.lab.api.generate import GenerationEndpoint
from workbook.lab.api.graders import GraderEndpoints
from workbook.lab.api.lab import LabEndpoints
from workbook.lab.api.models import ModelEndpoints
from workbook.lab.api.unshared import Unshared
from workbook.lab.api.upload_parts import UploadEndpoints
from workbook.lab.api.vertex import app as vertex
from workbook.lab.reach import Reach
from workbook.lab.service import ENDPOINTS, Lab
from workbook.lab.students import Students

HERE = Reach()  # on this machine only
THREADS = 240  # for the requests of several students; else 40


def create(
    lab: Lab, key: str, pid: int, reach: Reach = HERE, students: Students | None = None
) -> ASGIApp:
    """The whole application: /health, OpenAI's paths under /v1, and Azure's and Google's shapes.

    key: what clients must send.
    pid: of the server's process, for /health.
    reach: by which names it may be called, and from which web pages.
    students: who have keys of their own.
    """

    def health(request: Request) -> Response:
        return JSONResponse(lab.health() | {"version": __version__, "pid": pid})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if students:  # one who lets many slow graders run must not stop the others
            to_thread.current_default_thread_limiter().total_tokens = THREADS
        lab.start()
        yield
        await run_in_threadpool(lab.close)

    openai = _routes(lab, JobEndpoints(lab), ModelEndpoints(lab), GenerationEndpoint)
    # Azure's client puts the deployment into the path, too; its older addresses have no v1.
    azure = _routes(lab, AzureJobs(lab), AzureModels(lab), AzureGeneration)
    azure += _generation(lab, AzureGeneration, "/deployments/{model:path}")
    google, deployments = Unshared(vertex.create(lab)), DeploymentEndpoints(lab).routes()
    for route in deployments:
        route.app = Unshared(route.app)
    routes = [
        Route("/health", health),
        *deployments,
        Mount("/v1beta1/projects", app=google),
        Mount("/v1/projects", app=google),
        Mount("/storage/v1", app=Unshared(vertex.storage(lab))),
        Mount("/v1", routes=openai),
        Mount("/openai/v1", routes=azure),
        Mount("/openai", routes=azure),
    ]
    handlers = error_responses.HANDLERS
    app: ASGIApp = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app = AccessControl(app, key, reach, students, lab.quotas)
    if reach.origins:
        # Before the key is asked for: a browser asks whether it may call without sending one.
        app = CORSMiddleware(
            app,
            allow_origins=reach.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "openai-processing-ms", "retry-after"],
        )
    return app


def _routes(
    lab: Lab, jobs: JobEndpoints, models: ModelEndpoints, generation: type[GenerationEndpoint]
) -> list[Route]:
    files = FileEndpoints(lab)
    graders, batches, own = GraderEndpoints(lab), BatchEndpoints(lab), LabEndpoints(lab)
    uploads, evals = UploadEndpoints(lab), EvalEndpoints(lab)
    one_job, one_run = "/fine_tuning/jobs/{id}", "/evals/{id}/runs/{run}"
    return [
        Route("/files", files.create, methods=["POST"]),
        Route("/files", files.list),
        Route("/files/{id}", files.retrieve),
        Route("/files/{id}", files.delete, methods=["DELETE"]),
        Route("/files/{id}/content", files.content),
        Route("/uploads", uploads.create, methods=["POST"]),
        Route("/uploads/{id}/parts", uploads.add_part, methods=["POST"]),
        Route("/uploads/{id}/complete", uploads.complete, methods=["POST"]),
        Route("/uploads/{id}/cancel", uploads.cancel, methods=["POST"]),
        Route("/fine_tuning/jobs", jobs.create, methods=["POST"]),
        Route("/fine_tuning/jobs", jobs.list),
        Route(one_job, jobs.retrieve),
        Route(f"{one_job}/cancel", jobs.cancel, methods=["POST"]),
        Route(f"{one_job}/pause", jobs.pause, methods=["POST"]),
        Route(f"{one_job}/resume", jobs.resume, methods=["POST"]),
        Route(f"{one_job}/events", jobs.events),
        Route(f"{one_job}/checkpoints", jobs.checkpoints),
        *_generation(lab, generation),
        Route("/fine_tuning/alpha/graders/run", graders.run, methods=["POST"]),
        Route("/fine_tuning/alpha/graders/validate", graders.validate, methods=["POST"]),
        Route("/batches", batches.create, methods=["POST"]),
        Route("/batches", batches.list),
        Route("/batches/{id}", batches.retrieve),
        Route("/batches/{id}/cancel", batches.cancel, methods=["POST"]),
        Route("/evals", evals.create, methods=["POST"]),
        Route("/evals", evals.list),
        Route("/evals/{id}", evals.retrieve),
        Route("/evals/{id}", evals.update, methods=["POST"]),
        Route("/evals/{id}", evals.delete, methods=["DELETE"]),
        Route("/evals/{id}/runs", evals.create_run, methods=["POST"]),
        Route("/evals/{id}/runs", evals.list_runs),
        Route(one_run, evals.retrieve_run),
        Route(one_run, evals.cancel_run, methods=["POST"]),
        Route(one_run, evals.delete_run, methods=["DELETE"]),
        Route(f"{one_run}/output_items", evals.list_items),
        Route(f"{one_run}/output_items/{{item}}", evals.retrieve_item),
        Route("/models", models.list),
        Route("/models/", models.list),
        Route("/models/{id:path}", models.retrieve),
        Route("/models/{id:path}", models.delete, methods=["DELETE"]),
        *absent.routes(),
        Route("/lab/loss_mask", own.loss_mask, methods=["POST"]),
        Route("/lab/stop", own.stop, methods=["POST"]),
    ]


def _generation(lab: Lab, kind: type[GenerationEndpoint], prefix: str = "") -> list[Route]:
    endpoints: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
        (path.removeprefix("/v1"), kind(lab, path).create) for path in ENDPOINTS
    ]
    endpoints.append(("/embeddings", EmbeddingEndpoint(lab).create))
    return [Route(prefix + path, endpoint, methods=["POST"]) for path, endpoint in endpoints]
