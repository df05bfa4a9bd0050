// The words and tones for states and outcomes. Refuses to know any colour: a tone is a name.
import type { Call, DeploymentState, Level } from "../wire/shapes.ts";

export type Tone = "good" | "warn" | "bad" | "quiet" | "accent";

export const LEVELS: Record<Level, { word: string; tone: Tone }> = {
  ok: { word: "Serving", tone: "good" },
  degraded: { word: "Degraded", tone: "warn" },
  down: { word: "Down", tone: "bad" },
};

export const DEPLOYMENT_TONES: Record<DeploymentState, Tone> = {
  ready: "good",
  starting: "warn",
  restarting: "warn",
  failed: "bad",
  stopped: "quiet",
  unknown: "quiet",
};

export const OUTCOMES: { name: string; tone: Tone; means: string }[] = [
  { name: "completed", tone: "good", means: "A whole answer left." },
  { name: "refused", tone: "warn", means: "Stopped here before any upstream call." },
  { name: "failed", tone: "bad", means: "The upstream, or Pilothouse, could not answer." },
  { name: "cancelled", tone: "quiet", means: "The client hung up." },
  { name: "cut", tone: "bad", means: "The answer ended midway." },
];

/** The tone of a call, by its outcome and then its status. */
export function toneOf(call: Pick<Call, "outcome" | "status">): Tone {
  const known = OUTCOMES.find((outcome) => outcome.name === call.outcome);
  if (call.outcome === "completed" && call.status >= 400) return call.status >= 500 ? "bad" : "warn";
  if (call.outcome === "refused" && call.status >= 500) return "bad";
  return known?.tone ?? "quiet";
}

const OPERATIONS: Record<string, string> = { chat: "chat", text_completion: "completion", embeddings: "embeddings" };

/** What kind of call it was, in a word. */
export function operationOf(call: Pick<Call, "operation" | "is_stream">): string {
  const word = OPERATIONS[call.operation] ?? call.operation;
  return call.is_stream ? `${word} stream` : word;
}

const DIALECTS: Record<string, string> = { openai: "OpenAI chat", responses: "OpenAI Responses", anthropic: "Anthropic Messages" };

/** The protocol that the client spoke. */
export function dialectOf(dialect: string): string {
  return DIALECTS[dialect] ?? dialect;
}

/** What is special about how a call was answered, in words for a mark; nothing for a plain call. */
export function marksOf(call: Pick<Call, "cache" | "shadow_of" | "arm" | "dialect">): { word: string; means: string }[] {
  const marks: { word: string; means: string }[] = [];
  if (call.cache) marks.push({ word: call.cache === "coalesced" ? "coalesced" : "cached", means: `Answered without an upstream call of its own (${call.cache})` });
  if (call.shadow_of) marks.push({ word: "shadow", means: "A copy of another call; nobody saw its answer" });
  if (call.arm) marks.push({ word: `arm ${call.arm}`, means: "The arm of an experiment" });
  if (call.dialect !== "openai") marks.push({ word: call.dialect, means: `The client spoke ${dialectOf(call.dialect)}` });
  return marks;
}

/** The first and last characters of a long identifier. */
export function shortId(id: string): string {
  return id.length <= 14 ? id : `${id.slice(0, 6)}…${id.slice(-6)}`;
}
