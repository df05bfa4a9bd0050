// One way to ask the server for JSON. Refuses to know what is asked.
// Invariant: every failure is an ApiFailure with a sentence for a person, and a hint when the server gave one.

export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly hint: string | null;
  readonly requestId: string | null;
  /** Of a text that cannot be understood: the column of the cause, from 1, and how long it is. */
  readonly place: { column: number; length: number } | null;

  constructor(message: string, status: number, code: string | null, hint: string | null, requestId: string | null, place: { column: number; length: number } | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.requestId = requestId;
    this.place = place;
  }
}

type Listener = () => void;
const signedOutListeners = new Set<Listener>();

/** Calls `listener` whenever the server says that the session is over. */
export function onSignedOut(listener: Listener): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** Builds a failure from an error body in OpenAI's shape, or from anything else that came back. */
export function failureFrom(status: number, body: unknown, requestId: string | null): ApiFailure {
  const error = record(record(body)?.["error"]);
  const message = text(error?.["message"]) ?? (status === 0 ? "The server cannot be reached." : `The server answered ${status}.`);
  const column = error?.["position"];
  const place = typeof column === "number" ? { column, length: Number(error?.["length"] ?? 1) } : null;
  return new ApiFailure(message, status, text(error?.["code"]), text(error?.["hint"]), requestId, place);
}

/** The failure of a request that never got an answer. */
export function unreachable(): ApiFailure {
  return new ApiFailure("The server cannot be reached.", 0, null, "Is `pilothouse up` still running?", null);
}

/** Reads an answer that is not a success. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const requestId = response.headers.get("x-request-id");
  let body: unknown = null;
  try {
    body = await response.json();
  } catch {
    body = null;
  }
  return failureFrom(response.status, body, requestId);
}

let ahead_ms = 0;
/** A browser's clock this near is taken for right: the header has whole seconds only. */
const NEAR_ENOUGH_MS = 2500;

function compareClocks(response: Response): void {
  const theirs = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(theirs)) return;
  const found = theirs + 500 - Date.now();
  ahead_ms = Math.abs(found) < NEAR_ENOUGH_MS ? 0 : found;
}

/** What time it is for the server, in Unix milliseconds. */
export function serverNow(): number {
  return Date.now() + ahead_ms;
}

export interface Ask {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  signal?: AbortSignal;
  /** A 401 to this request is an answer, not the end of the session. */
  is401Expected?: boolean;
}

/** Asks for `path` and returns the JSON; throws ApiFailure, or AbortError when `signal` fires. */
export async function ask<T>(path: string, options: Ask = {}): Promise<T> {
  const init: RequestInit = {
    method: options.method ?? "GET",
    credentials: "same-origin",
    headers: options.body === undefined ? { accept: "application/json" } : { accept: "application/json", "content-type": "application/json" },
  };
  if (options.body !== undefined) init.body = JSON.stringify(options.body);
  if (options.signal) init.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable();
  }
  compareClocks(response);
  if (!response.ok) {
    if (response.status === 401 && !options.is401Expected) for (const listener of signedOutListeners) listener();
    throw await failureOf(response);
  }
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** Turns anything thrown into an ApiFailure; `null` for an abort, which is nobody's fault. */
export function asFailure(thrown: unknown): ApiFailure | null {
  if (thrown instanceof ApiFailure) return thrown;
  if (thrown instanceof DOMException && thrown.name === "AbortError") return null;
  return new ApiFailure(thrown instanceof Error ? thrown.message : String(thrown), 0, null, null, null);
}
