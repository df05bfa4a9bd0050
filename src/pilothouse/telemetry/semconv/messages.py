"""Messages of every convention in one shape: OpenAI's chat messages, choices and tools.

Refuses to know attribute names: it is given parsed values. Invariant: whatever a message holds is kept, under
OpenAI's words where it has some and as it came where not; nothing here raises.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pilothouse.telemetry.semconv.values import as_label, as_text, parsed

__all__ = [
    "choices",
    "completion",
    "listed",
    "messages",
    "system",
    "tool_call",
    "tools",
]

Json = dict[str, Any]

MEDIA = {"image": "image_url", "audio": "input_audio", "video": "video_url"}
KNOWN = {"role", "parts", "finish_reason", "content", "tool_calls", "name", "id", "tool_call_id"}


def messages(value: Any) -> list[Json]:
    """Returns the chat messages of a list, whether they have `parts` or OpenAI's shape already."""
    found: list[Json] = []
    for each in listed(value):
        simple = _simple(each)
        if simple is not None:
            found.append(simple)
        else:
            found += _message(each)
    return found


def system(value: Any) -> list[Json]:
    """Returns the system message that a list of parts, or a text, spells."""
    parts = listed(value)
    if not parts:
        return []
    if all(isinstance(part, dict) and "role" in part for part in parts):
        return messages(parts)
    return [{"role": "system", "content": _content([_part(part) for part in parts])}]


def choices(value: Any) -> list[Json]:
    """Returns the choices of a list of output messages; a message is one choice."""
    found: list[Json] = []
    for number, each in enumerate(listed(value)):
        reason = as_label(each.get("finish_reason")) if isinstance(each, dict) else None
        simple = _simple(each)
        made = _message(each, role="assistant") if simple is None else (simple,)
        found += [completion(message, reason, number) for message in made]
    return found


def completion(message: Json, reason: str | None, index: int) -> Json:
    """Returns one choice."""
    return {"index": index, "message": message, "finish_reason": reason}


def tool_call(identity: Any, name: Any, arguments: Any) -> Json:
    """Returns a call of a function; its arguments are JSON as text."""
    spelled = "" if arguments is None else as_text(arguments)
    return {
        "id": None if identity is None else str(identity).strip(),
        "type": "function",
        "function": {"name": None if name is None else str(name), "arguments": spelled},
    }


def tools(value: Any) -> list[Json]:
    """Returns tool definitions."""
    return [_tool(parsed(each)) for each in listed(value)]


def listed(value: Any) -> list[Any]:
    """Returns a list of what is one, what spells one as JSON, or what stands alone."""
    value = parsed(value)
    if value is None or value in ("", [], {}):
        return []
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    return value if isinstance(value, list) else [value]


def _tool(value: Any) -> Json:
    if not isinstance(value, dict):
        return {"type": "function", "function": {"name": as_text(value)}}
    if "function" in value or "name" not in value:
        return value
    if value.get("type", "function") != "function":
        return value
    function = {name: parsed(each) for name, each in value.items() if name != "type"}
    if "input_schema" in function:
        function["parameters"] = function.pop("input_schema")
    return {"type": "function", "function": function}


def _simple(value: Any) -> Json | None:
    """Returns a message that is nothing but one text, as most are: for speed only."""
    if type(value) is not dict or "role" not in value:
        return None
    if len(value) > 2 + ("finish_reason" in value):  # a role and a text
        return None
    content, parts = value.get("content"), value.get("parts")
    if type(parts) is list and len(parts) == 1 and type(parts[0]) is dict:
        part = parts[0]
        content = part.get("content") if len(part) == 2 and part.get("type") == "text" else None  # noqa: PLR2004 - a kind and a text
    elif type(content) is not str or content[:1] == "[":
        return None
    return {"role": str(value["role"]), "content": content} if type(content) is str else None


def _message(value: Any, role: str = "user") -> Iterator[Json]:
    """Yields a message, or several where tools' results come together in one."""
    if not isinstance(value, dict):
        yield {"role": role, "content": as_text(value)}
        return
    parts = value.get("parts")
    if not isinstance(parts, list):
        yield _as_it_is(value, role)
        return
    said = str(value.get("role", role))
    results = [part for part in parts if _kind(part) == "tool_call_response"]
    for part in results:
        result = part.get("response", part.get("result"))
        yield {"role": "tool", "tool_call_id": _identity(part), "content": as_text(result)}
    others = [part for part in parts if _kind(part) != "tool_call_response"]
    if others or not results:
        yield _of_parts(said, others, value)


def _as_it_is(value: Json, role: str) -> Json:
    """Returns a message that has OpenAI's shape, or nearly."""
    made = {name: each for name, each in value.items() if name != "finish_reason"}
    made["role"] = str(value.get("role", role))
    content = made.get("content")
    if isinstance(content, str) and content[:2] in ("[{", "[ "):
        made["content"] = _content([_part(part) for part in listed(content)])
    elif isinstance(content, list):
        made["content"] = _content([_part(part) for part in content])
    elif isinstance(content, dict):
        made["content"] = as_text(content)
    calls = parsed(made.get("tool_calls"))
    if isinstance(calls, list) and calls:
        made["tool_calls"] = [_call(each) for each in calls]
    return made


def _call(value: Any) -> Json:
    if not isinstance(value, dict):
        return tool_call(None, None, value)
    if "function" in value or "name" not in value:
        return value
    arguments = value.get("arguments", value.get("args", value.get("input")))
    return tool_call(value.get("id"), value.get("name"), arguments)


def _of_parts(role: str, parts: Iterable[Any], value: Json) -> Json:
    content: list[Json] = []
    calls: list[Json] = []
    thoughts: list[str] = []
    for part in parts:
        kind = _kind(part)
        if kind in ("tool_call", "tool_use"):
            calls.append(_call(part))
        elif kind in ("reasoning", "thinking"):
            thoughts.append(as_text(part.get("content", part.get("text", ""))))
        else:
            content.append(_part(part))
    made: Json = {"role": role, "content": _content(content) if content else None}
    if thoughts:
        made["reasoning_content"] = "\n".join(thoughts)
    if calls:
        made["tool_calls"] = calls
    made.update((name, each) for name, each in value.items() if name not in KNOWN or name == "name")
    return made


def _content(parts: list[Json]) -> str | list[Json]:
    """Returns a text where there is just one, else the parts."""
    if len(parts) == 1 and parts[0].get("type") == "text" and len(parts[0]) <= 2:  # noqa: PLR2004 - type and text
        return as_text(parts[0].get("text"))
    return parts


def _part(part: Any) -> Json:
    """Returns a content part under OpenAI's words."""
    if not isinstance(part, dict):
        return {"type": "text", "text": as_text(part)}
    kind = _kind(part)
    if kind in ("text", "input_text", "output_text"):
        return {"type": "text", "text": as_text(part.get("content", part.get("text", "")))}
    if kind == "blob":
        return _blob(part)
    if kind == "uri":
        modality = part.get("modality")
        field = MEDIA.get(str(modality), "file")
        return {"type": field, field: {"url": as_text(part.get("uri"))}}
    if kind == "file" and "file_id" in part:
        return {"type": "file", "file": {"file_id": as_text(part["file_id"])}}
    return part


def _blob(part: Json) -> Json:
    mime, data = as_text(part.get("mime_type", "")), as_text(part.get("content", part.get("data", "")))
    if part.get("modality") == "audio" or mime.startswith("audio/"):
        return {"type": "input_audio", "input_audio": {"data": data, "format": mime.rpartition("/")[2]}}
    if part.get("modality") in ("image", None) or mime.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data}"}}
    return {"type": "file", "file": {"file_data": f"data:{mime};base64,{data}"}}


def _kind(part: Any) -> str:
    return str(part.get("type", "")) if isinstance(part, dict) else ""


def _identity(part: Json) -> str | None:
    identity = part.get("id", part.get("tool_call_id"))
    return None if identity is None else str(identity).strip()
