"""What the gateway answers under `/v1` and beside it, as documentation: these functions are never called.

The gateway has no framework to describe it, so it is described here, and shown with the management API.

Refuses to know how a call is made. Invariant: fields that are not named here pass through as they came.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

router = APIRouter()

CHAT_EXAMPLE = {
    "model": "smollm2-135m-instruct",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 32,
}
COMPLETION_EXAMPLE = {"model": "smollm2-135m-instruct", "prompt": "The capital of France is", "max_tokens": 8}
RESPONSE_EXAMPLE = {"model": "smollm2-135m-instruct", "input": "What is the capital of France?"}
MESSAGE_EXAMPLE = {
    "model": "smollm2-135m-instruct",
    "max_tokens": 32,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
COUNT_EXAMPLE = {
    "model": "smollm2-135m-instruct",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
FEEDBACK_EXAMPLE = {
    "request_id": "01a205f00fe170379c1ed619d10bbbbb",
    "thumbs": "down",
    "text": "Too long.",
    "correction": "Paris.",
    "measures": {"resolved": 0},
}
EMBEDDING_EXAMPLE = {"model": "all-minilm-l6-v2", "input": ["a sentence", "another one"]}


class Open(BaseModel):
    """An object whose further fields are allowed and pass through."""

    model_config = ConfigDict(extra="allow")


class Message(Open):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = Field(default=None, description="Text, or a list of parts.")
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class StreamOptions(Open):
    """How a stream is sent."""

    include_usage: bool = Field(default=False, description="Send the token counts in a last chunk.")


class _Sampling(Open):
    """The settings that chat and plain completions share."""

    model: str = Field(description="A public model name, or `<provider>/<model>`.")
    stream: bool = Field(default=False, description="Answer as server-sent events.")
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    n: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    user: str | None = Field(default=None, description="The data subject; kept as a pseudonym only.")


class ChatCompletionRequest(_Sampling):
    """A chat."""

    messages: list[Message] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = Field(
        default=None, description="`text`, `json_object` or `json_schema`."
    )
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    metadata: dict[str, str] | None = Field(
        default=None, description="`conversation_id` in it groups calls; else the header `x-conversation-id`."
    )


class CompletionRequest(_Sampling):
    """A text to go on with."""

    prompt: str | list[str] | list[int] | list[list[int]]
    echo: bool = Field(
        default=False,
        description="Repeat the prompt; with `logprobs` its tokens' too, with `max_tokens: 0` only those.",
    )
    logprobs: int | None = Field(default=None, ge=0, le=20)
    suffix: str | None = None


class EmbeddingRequest(Open):
    """Texts to embed."""

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1)
    user: str | None = None


class Usage(Open):
    """Tokens used."""

    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int


class ChatChoice(Open):
    """One answer."""

    index: int
    message: Message
    finish_reason: str | None
    logprobs: dict[str, Any] | None = None


class ChatCompletion(Open):
    """A chat's answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage | None = None


class CompletionChoice(Open):
    """One continuation."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: dict[str, Any] | None = None


class Completion(Open):
    """A text's continuation."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


class Embedding(Open):
    """One text's embedding."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(Open):
    """The embeddings, in the order of the texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class ResponseItem(Open):
    """One item of an input or an output."""

    type: str = Field(
        default="message", description="`message`, `function_call`, `function_call_output`, `reasoning` …"
    )


class ResponseText(Open):
    """The shape of the answer's text."""

    format: dict[str, Any] | None = Field(default=None, description="`text`, `json_object` or `json_schema`.")


class ResponseRequest(Open):
    """What is asked of the Responses API."""

    model: str = Field(description="A public model name, or `<provider>/<model>`.")
    input: str | list[ResponseItem]
    instructions: str | None = None
    stream: bool = Field(default=False, description="Answer as server-sent events.")
    max_output_tokens: int | None = Field(default=None, ge=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    tools: list[dict[str, Any]] | None = Field(
        default=None, description="Functions; tools that a provider runs need one with `responses: true`."
    )
    tool_choice: str | dict[str, Any] | None = None
    text: ResponseText | None = None
    reasoning: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = Field(
        default=None, description="`true` needs a provider that keeps it, as does `previous_response_id`."
    )
    previous_response_id: str | None = None
    user: str | None = Field(default=None, description="The data subject; kept as a pseudonym only.")


class ResponseAnswer(Open):
    """A response."""

    id: str
    object: Literal["response"]
    created_at: int | float
    model: str
    status: str
    output: list[ResponseItem]
    usage: dict[str, Any] | None = None


class AnthropicMessage(Open):
    """One turn."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]] = Field(description="Text, or a list of blocks.")


class CountTokensRequest(Open):
    """A prompt, as Anthropic's clients send it."""

    model: str = Field(description="A public model name, or `<provider>/<model>`.")
    messages: list[AnthropicMessage] = Field(min_length=1)
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None


class MessageRequest(CountTokensRequest):
    """What is asked of the Messages API."""

    max_tokens: int = Field(ge=1)
    stream: bool = Field(default=False, description="Answer as server-sent events.")
    stop_sequences: list[str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    metadata: dict[str, Any] | None = Field(
        default=None, description="`user_id` in it is the data subject; kept as a pseudonym only."
    )


class AnthropicAnswer(Open):
    """A message."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[dict[str, Any]]
    stop_reason: str | None
    stop_sequence: str | None = None
    usage: dict[str, Any]


class TokenCount(Open):
    """How many tokens a prompt is."""

    input_tokens: int
    estimated: bool = Field(default=False, description="It is a guess: the provider does not count.")


class FeedbackItem(BaseModel):
    """What is said of one call: a rating, words, numbers, or several of them."""

    model_config = ConfigDict(extra="forbid")

    request_id: str = Field(
        description="The call's `x-request-id`, its call id, or the id of a response; it may come before the "
        "call is on record, and is joined when that appears."
    )
    thumbs: Literal["up", "down"] | None = None
    stars: float | None = Field(default=None, ge=1, le=5)
    score: float | None = Field(default=None, description="A number of your own scale.")
    text: str | None = Field(default=None, max_length=65_536, description="What was said; kept sealed.")
    correction: str | None = Field(default=None, max_length=65_536, description="The better answer; sealed.")
    name: str | None = Field(default=None, description="What was judged; `feedback` if left out.")
    measures: dict[str, float] | None = Field(
        default=None, description="Numbers of the application's own, which custom metrics can be made of."
    )
    user: str | None = Field(default=None, description="The data subject; kept as a pseudonym only.")


class FeedbackTaken(Open):
    """One record of what was said."""

    id: str
    object: Literal["feedback"]
    request_id: str
    kind: Literal["thumbs", "stars", "score", "text", "correction", "measure"]
    name: str


class FeedbackTakenList(Open):
    """What is on record now."""

    object: Literal["list"]
    data: list[FeedbackTaken]


class PublicModel(Open):
    """A model that may be asked for."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class PublicModelList(Open):
    """The models that your key may ask for."""

    object: Literal["list"]
    data: list[PublicModel]


class Readiness(Open):
    """Whether calls are taken, and why not."""

    status: Literal["ready", "unready"]
    reasons: list[str] = Field(description="Why no calls are taken; empty when they are.")
    notes: list[str] = Field(description="What is wrong but keeps no call from being answered.")
    worker: str
    snapshot_revision: int


@router.post("/v1/chat/completions", tags=["Models"], summary="Chat", response_model=ChatCompletion)
def chat(body: Annotated[ChatCompletionRequest, Body(examples=[CHAT_EXAMPLE])]) -> None:
    """Answers a conversation; with `stream: true`, as server-sent events that end in `[DONE]`."""


@router.post("/v1/completions", tags=["Models"], summary="Complete a text", response_model=Completion)
def complete(body: Annotated[CompletionRequest, Body(examples=[COMPLETION_EXAMPLE])]) -> None:
    """Goes on with a text."""


@router.post("/v1/embeddings", tags=["Models"], summary="Embed texts", response_model=EmbeddingList)
def embed(body: Annotated[EmbeddingRequest, Body(examples=[EMBEDDING_EXAMPLE])]) -> None:
    """Turns texts into vectors."""


@router.post("/v1/responses", tags=["Models"], summary="Respond", response_model=ResponseAnswer)
def respond(body: Annotated[ResponseRequest, Body(examples=[RESPONSE_EXAMPLE])]) -> None:
    """Answers as OpenAI's Responses API, whatever the provider speaks. Nothing is kept between calls."""


@router.post("/v1/messages", tags=["Models"], summary="Message", response_model=AnthropicAnswer)
def message(body: Annotated[MessageRequest, Body(examples=[MESSAGE_EXAMPLE])]) -> None:
    """Answers as Anthropic's Messages API, whatever the model's provider speaks; errors have its shape."""


@router.post("/v1/messages/count_tokens", tags=["Models"], summary="Count tokens", response_model=TokenCount)
def count_tokens(body: Annotated[CountTokensRequest, Body(examples=[COUNT_EXAMPLE])]) -> None:
    """Counts a prompt's tokens as the provider or engine does, or says that it estimates."""


@router.post("/v1/feedback", tags=["Models"], summary="Give feedback", response_model=FeedbackTakenList)
def give_feedback(
    body: Annotated[FeedbackItem | list[FeedbackItem], Body(examples=[FEEDBACK_EXAMPLE])],
) -> None:
    """Puts what somebody thinks of an answer on record: one item, or up to 100; answered once it is there."""


@router.get("/v1/models", tags=["Models"], summary="List models", response_model=PublicModelList)
def list_models() -> None:
    """Lists the models that your key may ask for by name."""


@router.get("/livez", tags=["Health"], summary="Is the gateway alive")
def livez() -> None:
    """Answers 200 while the process can answer at all. Needs no key."""


@router.get("/readyz", tags=["Health"], summary="Are calls taken", response_model=Readiness)
def readyz() -> None:
    """Answers 200 when calls are taken, else 503, with reasons. Needs no key."""


@router.get("/version", tags=["Health"], summary="Which version runs")
def version() -> None:
    """Says which version runs. Needs no key."""
