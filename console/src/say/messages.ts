// Recorded JSON bodies as turns of a conversation. Refuses to know how a turn is drawn.
// Invariant: whatever the body is, something is returned; what is not understood comes back as JSON, not lost.

export type Part =
  | { kind: "text"; text: string }
  | { kind: "media"; what: string; digest: string | null; bytes: number | null }
  | { kind: "json"; value: unknown };

export interface ToolCall {
  id: string | null;
  name: string;
  arguments: unknown;
}

export interface Turn {
  role: string;
  note: string | null;
  parts: Part[];
  toolCalls: ToolCall[];
}

type Bag = Record<string, unknown>;

function bag(value: unknown): Bag | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Bag) : null;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** Parses text that is a JSON object or array; anything else stays `null`. */
export function jsonIn(source: string): unknown {
  const trimmed = source.trim();
  if (!/^[[{]/.test(trimmed)) return null;
  try {
    return JSON.parse(trimmed) as unknown;
  } catch {
    return null;
  }
}

function findIn(value: unknown, test: (key: string, inner: unknown) => boolean, depth = 0): unknown {
  if (depth > 4) return undefined;
  for (const [key, inner] of Object.entries(bag(value) ?? {})) {
    if (test(key, inner)) return inner;
    const deeper = findIn(inner, test, depth + 1);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

/** An image, sound or file: the record keeps its digest and size, never the thing itself. */
function mediaPart(part: Bag): Part {
  const what = (text(part["type"]) ?? "file").replace(/^input_/, "").replace(/_url$/, "");
  const digest = findIn(part, (key, inner) => typeof inner === "string" && (/sha256|digest/.test(key) || /sha256[:-]/.test(inner)));
  const size = findIn(part, (key, inner) => typeof inner === "number" && /bytes|size/.test(key));
  const url = findIn(part, (key, inner) => key === "url" && typeof inner === "string");
  // The gateway writes `sha256:…;bytes=…` where the thing itself was.
  const mark = /^(sha256:[0-9a-f]+);bytes=(\d+)$/.exec(text(digest) ?? "");
  if (mark) return { kind: "media", what, digest: mark[1] ?? null, bytes: Number(mark[2]) };
  return { kind: "media", what, digest: text(digest) ?? text(url), bytes: typeof size === "number" ? size : null };
}

function partsOf(content: unknown): Part[] {
  if (content === null || content === undefined || content === "") return [];
  if (typeof content === "string") return [{ kind: "text", text: content }];
  if (!Array.isArray(content)) return [{ kind: "json", value: content }];
  return content.map((item): Part => {
    const part = bag(item);
    if (!part) return typeof item === "string" ? { kind: "text", text: item } : { kind: "json", value: item };
    const words = text(part["text"]) ?? text(part["refusal"]);
    if (words !== null) return { kind: "text", text: words };
    return /image|audio|file|video/.test(text(part["type"]) ?? "") ? mediaPart(part) : { kind: "json", value: item };
  });
}

function toolCallsOf(message: Bag): ToolCall[] {
  return list(message["tool_calls"]).map((item) => {
    const call = bag(item) ?? {};
    const fn = bag(call["function"]) ?? {};
    const args = fn["arguments"];
    return { id: text(call["id"]), name: text(fn["name"]) ?? "?", arguments: typeof args === "string" ? (jsonIn(args) ?? args) : args };
  });
}

function turnOf(item: unknown, note: string | null = null): Turn {
  const message = bag(item);
  if (!message) return { role: "message", note, parts: [{ kind: "json", value: item }], toolCalls: [] };
  const parts = [...partsOf(message["content"]), ...partsOf(message["refusal"])];
  const about = text(message["tool_call_id"]) ?? text(message["name"]);
  return { role: text(message["role"]) ?? "message", note: note ?? about, parts, toolCalls: toolCallsOf(message) };
}

/** The turns that went in. */
export function requestTurns(body: unknown): Turn[] {
  const request = bag(body);
  if (!request) return body === null || body === undefined ? [] : [{ role: "body", note: null, parts: partsOf(body), toolCalls: [] }];
  if (Array.isArray(request["messages"])) return request["messages"].map((item) => turnOf(item));
  for (const name of ["prompt", "input"]) {
    const given = request[name];
    if (given === undefined) continue;
    const items = Array.isArray(given) && given.every((item) => typeof item === "string") ? given : [given];
    return items.map((item, at) => ({ role: name, note: items.length > 1 ? `${at + 1} of ${items.length}` : null, parts: partsOf(item), toolCalls: [] }));
  }
  return [{ role: "body", note: null, parts: [{ kind: "json", value: body }], toolCalls: [] }];
}

/** The turns that came out: one for each choice. */
export function responseTurns(body: unknown): Turn[] {
  const response = bag(body);
  if (!response) return body === null || body === undefined ? [] : [{ role: "body", note: null, parts: partsOf(body), toolCalls: [] }];
  const choices = list(response["choices"]);
  if (choices.length === 0) {
    const role = response["error"] === undefined ? "body" : "error";
    return [{ role, note: null, parts: [{ kind: "json", value: response["error"] ?? body }], toolCalls: [] }];
  }
  return choices.map((item) => {
    const choice = bag(item) ?? {};
    const finish = text(choice["finish_reason"]);
    const index = choices.length > 1 ? `choice ${Number(choice["index"] ?? 0) + 1} of ${choices.length}` : null;
    const note = [index, finish === null ? null : `finish: ${finish}`].filter((part) => part !== null).join(" · ") || null;
    if (choice["message"] !== undefined) return turnOf(choice["message"], note);
    return { role: "completion", note, parts: partsOf(choice["text"]), toolCalls: [] };
  });
}

/** JSON with two spaces; text that is not JSON stays as it is. */
export function pretty(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? String(value));
}
