"""The catalogue of vendors, one row of data each.

Refuses to know whether a vendor is up, or what its key is. Invariant: a row alone makes a vendor usable; no
code anywhere asks for a vendor by name. `drops` holds only what the vendor answers with an error, and only
fields whose absence changes no answer's text.
"""

from dataclasses import dataclass, field

from pilothouse.contracts.snapshot import DialectName


@dataclass(frozen=True, slots=True)
class Vendor:
    """What must be known to call one vendor."""

    name: str
    base_url: str | None
    """Up to and with the version; `None` when each customer has an address of their own."""
    key: str | None
    """The environment variable that the vendor's own documentation names; `None` when no key is needed."""
    price_list: str | None = None
    """The vendor's name in the `genai-prices` package; `None` when it has no list there."""
    dialect: DialectName = "openai"
    """The protocol it speaks."""
    responses: bool = False
    """Whether it answers `/responses` itself."""
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    drops: tuple[str, ...] = ()
    paths: dict[str, str] = field(default_factory=dict)
    note: str = ""
    """What an operator should know, as it is shown in the reference."""


VENDORS: tuple[Vendor, ...] = (
    Vendor(
        name="openai",  # platform.openai.com/docs/api-reference
        base_url="https://api.openai.com/v1",
        key="OPENAI_API_KEY",
        price_list="openai",
        responses=True,
    ),
    Vendor(
        name="azure",  # learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle: v1, no api-version
        base_url=None,
        key="AZURE_OPENAI_API_KEY",
        price_list="azure",
        responses=True,
        auth_header="api-key",
        auth_prefix="",
        note="Give `base_url: https://<resource>.openai.azure.com/openai/v1`; `model` is your deployment.",
    ),
    Vendor(
        name="anthropic",  # docs.claude.com/en/api/messages
        base_url="https://api.anthropic.com/v1",
        key="ANTHROPIC_API_KEY",
        price_list="anthropic",
        dialect="anthropic",
        auth_header="x-api-key",
        auth_prefix="",
        note="In its own protocol; clients of OpenAI's are translated.",
    ),
    Vendor(
        name="gemini",  # ai.google.dev/gemini-api/docs/openai
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key="GEMINI_API_KEY",
        price_list="google",
    ),
    Vendor(
        name="mistral",  # docs.mistral.ai/api: unknown fields get 422 `extra_forbidden`; usage always comes
        base_url="https://api.mistral.ai/v1",
        key="MISTRAL_API_KEY",
        price_list="mistral",
        drops=("stream_options", "store", "metadata"),
    ),
    Vendor(
        name="groq",  # console.groq.com/docs/openai: log-probabilities get 400
        base_url="https://api.groq.com/openai/v1",
        key="GROQ_API_KEY",
        price_list="groq",
        drops=("logprobs", "top_logprobs"),
    ),
    Vendor(
        name="together",  # docs.together.ai/docs/openai-api-compatibility
        base_url="https://api.together.xyz/v1",
        key="TOGETHER_API_KEY",
        price_list="together",
    ),
    Vendor(
        name="deepseek",  # api-docs.deepseek.com
        base_url="https://api.deepseek.com/v1",
        key="DEEPSEEK_API_KEY",
        price_list="deepseek",
    ),
    Vendor(
        name="openrouter",  # openrouter.ai/docs/quickstart
        base_url="https://openrouter.ai/api/v1",
        key="OPENROUTER_API_KEY",
        price_list="openrouter",
    ),
    Vendor(
        name="fireworks",  # docs.fireworks.ai/tools-sdks/openai-compatibility
        base_url="https://api.fireworks.ai/inference/v1",
        key="FIREWORKS_API_KEY",
        price_list="fireworks",
    ),
    Vendor(
        name="xai",  # docs.x.ai/docs/api-reference
        base_url="https://api.x.ai/v1",
        key="XAI_API_KEY",
        price_list="x-ai",
    ),
    Vendor(
        name="cerebras",  # inference-docs.cerebras.ai/resources/openai
        base_url="https://api.cerebras.ai/v1",
        key="CEREBRAS_API_KEY",
        price_list="cerebras",
    ),
    Vendor(
        name="perplexity",  # docs.perplexity.ai/guides/chat-completions-guide: no version in the path
        base_url="https://api.perplexity.ai",
        key="PERPLEXITY_API_KEY",
        price_list="perplexity",
    ),
    Vendor(
        name="nvidia",  # docs.api.nvidia.com/nim/reference/llm-apis
        base_url="https://integrate.api.nvidia.com/v1",
        key="NVIDIA_API_KEY",
    ),
    Vendor(
        name="huggingface",  # huggingface.co/docs/inference-providers
        base_url="https://router.huggingface.co/v1",
        key="HF_TOKEN",
        note="`model` is the model's full name on the hub; `:<provider>` behind it chooses who runs it.",
    ),
    Vendor(
        name="sambanova",  # docs.sambanova.ai/cloud/api-reference
        base_url="https://api.sambanova.ai/v1",
        key="SAMBANOVA_API_KEY",
    ),
    Vendor(
        name="deepinfra",  # deepinfra.com/docs/openai_api
        base_url="https://api.deepinfra.com/v1/openai",
        key="DEEPINFRA_API_KEY",
    ),
    Vendor(
        name="moonshot",  # platform.moonshot.ai/docs
        base_url="https://api.moonshot.ai/v1",
        key="MOONSHOT_API_KEY",
        price_list="moonshotai",
    ),
    Vendor(
        name="zai",  # docs.z.ai/guides/overview/quick-start
        base_url="https://api.z.ai/api/paas/v4",
        key="ZAI_API_KEY",
        price_list="zai",
    ),
    Vendor(
        name="ollama",  # docs.ollama.com/openai
        base_url="http://127.0.0.1:11434/v1",
        key=None,
    ),
    Vendor(
        name="vllm",  # docs.vllm.ai/en/latest/serving/openai_compatible_server
        base_url="http://127.0.0.1:8000/v1",
        key=None,
        note="When it was started with `--api-key`, give `api_key`.",
    ),
    Vendor(
        name="llamacpp",  # github.com/ggml-org/llama.cpp/tree/master/tools/server
        base_url="http://127.0.0.1:8081/v1",
        key=None,
        note="A llama.cpp server of your own, on 8081: its default port 8080 is Pilothouse's.",
    ),
    Vendor(
        name="lmstudio",  # lmstudio.ai/docs/app/api/endpoints/openai
        base_url="http://127.0.0.1:1234/v1",
        key=None,
    ),
)

CATALOGUE: dict[str, Vendor] = {vendor.name: vendor for vendor in VENDORS}


def key_variables() -> tuple[str, ...]:
    """Returns the environment variables whose presence brings a vendor into service."""
    return tuple(vendor.key for vendor in VENDORS if vendor.key is not None)
