"""Uses every endpoint with the official OpenAI client, unmodified, and prints what came as one JSON object.

Run in an environment of its own (requirements.txt beside it): OPENAI_BASE_URL and OPENAI_API_KEY say where.
"""

import json
import sys
from typing import Any

from openai import BadRequestError, NotFoundError, OpenAI

CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"
CAPITAL = {
    "type": "json_schema",
    "json_schema": {
        "name": "capital",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"country": {"type": "string"}, "capital": {"type": "string"}},
            "required": ["country", "capital"],
            "additionalProperties": False,
        },
    },
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


def say(text: str) -> list[dict[str, str]]:
    """Returns a conversation of one message."""
    return [{"role": "user", "content": text}]


def chat(client: OpenAI) -> dict[str, Any]:
    """One plain answer, with two choices, a seed and log-probabilities."""
    answer = client.chat.completions.with_raw_response.create(
        model=CHAT, messages=say("What is the capital of France?"), max_tokens=16, n=2, seed=7, logprobs=True,
        top_logprobs=2, temperature=0.2, extra_headers={"x-request-id": "journey-chat"},
    )  # fmt: skip
    body = answer.parse()
    logprobs = body.choices[0].logprobs
    return {
        "request_id": answer.headers["x-request-id"],
        "model": body.model,
        "texts": [choice.message.content for choice in body.choices],
        "finish": [choice.finish_reason for choice in body.choices],
        "usage": body.usage.model_dump() if body.usage else None,
        "logprobs": [token.logprob for token in logprobs.content] if logprobs and logprobs.content else [],
        "top": [len(token.top_logprobs) for token in logprobs.content]
        if logprobs and logprobs.content
        else [],
    }


def stream(client: OpenAI) -> dict[str, Any]:
    """One streamed answer with usage, and one without: the latter must have no usage chunk."""
    texts, usages = [], []
    for include_usage in (True, False):
        options = {"stream_options": {"include_usage": True}} if include_usage else {}
        chunks = list(
            client.chat.completions.create(
                model=CHAT,
                messages=say("Count to five."),
                max_tokens=24,
                stream=True,
                temperature=0,
                **options,
            )
        )
        texts.append("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))
        usages.append([chunk.usage.model_dump() for chunk in chunks if chunk.usage])
    return {"texts": texts, "usages": usages, "models": sorted({chunk.model for chunk in chunks})}


def tools(client: OpenAI) -> dict[str, Any]:
    """A forced tool call, plain and streamed, and the answer made from its result."""
    messages: list[Any] = say("What is the weather in Paris, in celsius?")
    forced: dict[str, Any] = {"tools": [WEATHER], "tool_choice": "required"}
    first = client.chat.completions.create(
        model=CHAT, messages=messages, max_tokens=96, temperature=0, **forced
    )
    [call] = first.choices[0].message.tool_calls or []
    pieces, names = [], []
    for chunk in client.chat.completions.create(
        model=CHAT, messages=messages, max_tokens=96, temperature=0, stream=True, **forced
    ):
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            if delta.function and delta.function.name:
                names.append(delta.function.name)
            pieces.append((delta.function.arguments if delta.function else None) or "")
    messages += [first.choices[0].message.model_dump(exclude_none=True)]
    messages += [{"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 21}'}]
    last = client.chat.completions.create(model=CHAT, messages=messages, tools=[WEATHER], max_tokens=32)
    return {
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "finish": first.choices[0].finish_reason,
        "streamed_names": names,
        "streamed_arguments": json.loads("".join(pieces)),
        "after": last.choices[0].message.content,
    }


def structured(client: OpenAI) -> dict[str, Any]:
    """An answer held to a JSON schema."""
    answer = client.chat.completions.create(
        model=CHAT, messages=say("Name a country and its capital as JSON."), max_tokens=64, temperature=0,
        response_format=CAPITAL,
    )  # fmt: skip
    return {"object": json.loads(answer.choices[0].message.content or "")}


def embeddings(client: OpenAI) -> dict[str, Any]:
    """Vectors of three texts (the client asks for base64), and of one as floats."""
    texts = ["A cat sits on the mat.", "A kitten rests on a rug.", "Interest rates rose again."]
    answer = client.embeddings.create(model=EMBEDDING, input=texts)
    floats = client.embeddings.create(model=EMBEDDING, input=texts[0], encoding_format="float")
    vectors = [item.embedding for item in answer.data]
    dot = [sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors]
    same = sum(a * b for a, b in zip(vectors[0], floats.data[0].embedding, strict=True))
    return {
        "sizes": [len(v) for v in vectors],
        "dot": dot,
        "same": same,
        "tokens": answer.usage.prompt_tokens,
    }


def completions(client: OpenAI) -> dict[str, Any]:
    """A plain completion, and a prompt's log-probabilities, as evaluation harnesses ask for them."""
    plain = client.completions.create(
        model=CHAT, prompt="The capital of France is", max_tokens=4, temperature=0
    )
    echo = client.completions.create(
        model=CHAT,
        prompt="The capital of France is Paris",
        max_tokens=0,
        echo=True,
        logprobs=1,
        temperature=0,
    )
    logprobs = echo.choices[0].logprobs
    return {
        "text": plain.choices[0].text,
        "echo_text": echo.choices[0].text,
        "tokens": logprobs.tokens if logprobs else None,
        "token_logprobs": logprobs.token_logprobs if logprobs else None,
        "text_offset": logprobs.text_offset if logprobs else None,
    }


def refusals(client: OpenAI) -> dict[str, Any]:
    """Errors, as the client's own exceptions."""
    found: dict[str, Any] = {}
    try:
        client.chat.completions.create(model="no-such-model", messages=say("hi"))
    except NotFoundError as error:
        found["unknown_model"] = error.body
    try:
        client.chat.completions.create(model=CHAT, messages="not a list", max_tokens=1)  # type: ignore[arg-type]
    except BadRequestError as error:
        found["wrong_type"] = error.body
    return found


def main() -> None:
    """Runs all parts and prints them."""
    client = OpenAI(max_retries=0, timeout=120)
    parts = (chat, stream, tools, structured, embeddings, completions, refusals)
    found: dict[str, Any] = {part.__name__: part(client) for part in parts}
    found["models"] = sorted(model.id for model in client.models.list())
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
