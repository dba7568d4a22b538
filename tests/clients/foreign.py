"""What other packages do with OpenAI's API, by their defaults: `python foreign.py URL KEY`.

Each has a plain question, a function of ours to call, and an object to fill. Knows nothing of the
lab but its address, its key and its first model.
"""

import asyncio
import os
import sys
from importlib.metadata import version
from typing import Any, Literal

import openai
from pydantic import BaseModel, ConfigDict

ASK = "What is the capital of France?"  # even a small model comes to an end
RATE = "Rate: good."


class Rating(BaseModel):
    """What the objects shall be."""

    model_config = ConfigDict(extra="forbid")
    stars: Literal[1, 2, 3, 4, 5]


def rate(stars: Literal[1, 2, 3, 4, 5]) -> str:
    """Keep a rating."""
    return f"kept {stars}"


async def agents(client: openai.AsyncOpenAI, model: str) -> None:
    """OpenAI's own agents; by default over Responses, streamed, too."""
    from agents import (
        Agent,
        ModelSettings,
        Runner,
        function_tool,
        set_default_openai_client,
        set_tracing_disabled,
    )

    set_default_openai_client(client, use_for_tracing=False)
    set_tracing_disabled(True)
    asked: Any = [{"role": "user", "content": ASK}]
    few: Any = {"max_tokens": 120, "temperature": 0.0}
    plain = Agent(
        name="a", instructions="Be brief.", model=model, model_settings=ModelSettings(**few)
    )
    assert (await Runner.run(plain, ASK)).final_output
    streamed = Runner.run_streamed(plain, ASK)
    kinds = [event.type async for event in streamed.stream_events()]
    assert "raw_response_event" in kinds and streamed.final_output
    filled = plain.clone(output_type=Rating)
    assert isinstance((await Runner.run(filled, RATE)).final_output, Rating)
    calling = plain.clone(
        tools=[function_tool(rate)],
        tool_use_behavior="stop_on_first_tool",
        model_settings=ModelSettings(**few, tool_choice="required", parallel_tool_calls=False),
    )
    result = await Runner.run(calling, RATE)
    assert "kept" in result.final_output
    assert (await Runner.run(plain, [*result.to_input_list(), *asked])).final_output


async def pydantic_ai(client: openai.AsyncOpenAI, model: str) -> None:
    """Pydantic AI over Responses and over chat."""
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(openai_client=client)
    settings: Any = {"max_tokens": 120, "temperature": 0.0}
    for kind in (OpenAIResponsesModel, OpenAIChatModel):
        chosen = kind(model, provider=provider)
        plain = Agent(chosen, instructions="Be brief.", model_settings=settings)
        assert (await plain.run(ASK)).output
        async with plain.run_stream(ASK) as stream:
            assert await stream.get_output()
        filled = Agent(chosen, output_type=Rating, model_settings=settings)
        assert isinstance((await filled.run(RATE)).output, Rating)  # by a tool's call


def langchain(url: str, key: str, model: str) -> None:
    """LangChain: chat, Responses, tools, objects, vectors."""
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    place: Any = {"base_url": f"{url}/v1", "api_key": key, "model": model}
    for responses in (False, True):
        chat = ChatOpenAI(**place, use_responses_api=responses, max_tokens=60, temperature=0)
        assert chat.invoke(ASK).text
        assert "".join(piece.text for piece in chat.stream(ASK))
        assert isinstance(chat.with_structured_output(Rating).invoke(RATE), Rating)
        called = chat.bind_tools([rate], tool_choice="any").invoke(RATE)
        assert called.tool_calls[0]["name"] == "rate"
        messages = [
            HumanMessage(RATE),
            called,
            ToolMessage("kept", tool_call_id=called.tool_calls[0]["id"]),
        ]
        assert chat.invoke(messages).text is not None
    vectors = OpenAIEmbeddings(**place, check_embedding_ctx_length=False).embed_documents(
        ["a", "b"]
    )
    assert len(vectors) == 2 and len(vectors[0]) > 1


def litellm(url: str, key: str, model: str) -> None:
    """LiteLLM: chat, Responses and vectors."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches prices
    import litellm as library

    place: Any = {"model": f"openai/{model}", "api_base": f"{url}/v1", "api_key": key}
    ask: Any = [{"role": "user", "content": ASK}]
    answer = library.completion(**place, messages=ask, max_tokens=16)
    assert answer.choices[0].message.content
    pieces = library.completion(**place, messages=ask, max_tokens=16, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert library.responses(**place, input=ASK, max_output_tokens=16).output
    assert len(library.embedding(**place, input=["a", "b"]).data) == 2


def main(url: str, key: str) -> None:
    """Go through all of them; an error ends it."""
    settings: Any = {"base_url": f"{url}/v1", "api_key": key, "max_retries": 0}
    model = openai.OpenAI(**settings).models.list().data[0].id

    async def asynchronous() -> None:
        client = openai.AsyncOpenAI(**settings)
        await agents(client, model)
        await pydantic_ai(client, model)

    asyncio.run(asynchronous())
    langchain(url, key, model)
    litellm(url, key, model)
    names = ("openai", "openai-agents", "pydantic-ai-slim", "langchain-openai", "litellm")
    print(", ".join(f"{name} {version(name)}" for name in names) + ": everything passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
