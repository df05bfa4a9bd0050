// One streamed chat completion, read piece by piece. Refuses to know how it is drawn.
// Invariant: a stream that ends without `[DONE]` is a failure, never a finished answer.
import { ApiFailure, asFailure, failureFrom, failureOf } from "./client.ts";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface ChatAsk {
  model: string;
  messages: ChatMessage[];
  temperature?: number;
  max_tokens?: number;
}

export interface ChatResult {
  request_id: string | null;
  first_token_ms: number | null;
  total_ms: number;
  tokens_per_second: number | null;
  input_tokens: number | null;
  output_tokens: number | null;
  finish_reason: string | null;
  failure: ApiFailure | null;
  isStopped: boolean;
}

interface Chunk {
  choices?: { delta?: { content?: string | null; reasoning_content?: string | null }; finish_reason?: string | null }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: unknown;
}

/** Yields the `data` of each server-sent event in `body`. */
async function* eventData(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      rest += value;
      const lines = rest.split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** Streams a chat; `onText` gets each piece of the answer. Never throws: the result says how it ended. */
export async function streamChat(asked: ChatAsk, onText: (piece: string) => void, signal: AbortSignal): Promise<ChatResult> {
  const start = performance.now();
  const result: ChatResult = {
    request_id: null, first_token_ms: null, total_ms: 0, tokens_per_second: null, input_tokens: null,
    output_tokens: null, finish_reason: null, failure: null, isStopped: false,
  };
  let last_ms = 0;
  let isDone = false;

  const take = (chunk: Chunk): void => {
    if (chunk.error !== undefined) throw failureFrom(502, chunk, result.request_id);
    if (chunk.usage) {
      result.input_tokens = chunk.usage.prompt_tokens ?? null;
      result.output_tokens = chunk.usage.completion_tokens ?? null;
    }
    const choice = chunk.choices?.[0];
    if (choice?.finish_reason) result.finish_reason = choice.finish_reason;
    const piece = choice?.delta?.content;
    if (!piece) return;
    last_ms = performance.now() - start;
    result.first_token_ms ??= last_ms;
    onText(piece);
  };

  try {
    const response = await fetch("/v1/chat/completions", {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ ...asked, stream: true, stream_options: { include_usage: true } }),
      signal,
    });
    result.request_id = response.headers.get("x-request-id");
    if (!response.ok || !response.body) throw await failureOf(response);
    for await (const data of eventData(response.body)) {
      if (data === "[DONE]") {
        isDone = true;
        break;
      }
      take(JSON.parse(data) as Chunk);
    }
    if (!isDone) throw new ApiFailure("The answer was cut before its end.", 502, null, "The engine or provider stopped midway; the call's record says where.", result.request_id);
  } catch (thrown) {
    if (signal.aborted) result.isStopped = true;
    else result.failure = thrown instanceof TypeError ? new ApiFailure("The connection broke.", 0, null, "Is `pilothouse up` still running?", result.request_id) : asFailure(thrown);
  }
  result.total_ms = performance.now() - start;
  const spread_ms = last_ms - (result.first_token_ms ?? last_ms);
  if (result.output_tokens !== null && result.output_tokens > 1 && spread_ms > 0) {
    result.tokens_per_second = ((result.output_tokens - 1) * 1000) / spread_ms;
  }
  return result;
}
