// The words of a call as turns. Invariant: everything here is text; JSON is printed, never interpreted.
import { useState } from "preact/hooks";
import { jsonIn, type Part, pretty, requestTurns, responseTurns, type ToolCall, type Turn } from "../say/messages.ts";
import { bytes, count } from "../say/units.ts";
import type { CallDetail } from "../wire/shapes.ts";
import { CopyButton } from "../parts/copy.tsx";

const LONG_TEXT = 1800;

const STATES: Record<CallDetail["content"]["state"], string | null> = {
  full: null,
  none: "The words of this call were not recorded: its key or its model says so (record.content: none).",
  erased: "The words of this call have been erased: the data subject's key is destroyed.",
  truncated: "Only the head of a long body is on record.",
};

function Text({ text }: { text: string }) {
  const [isWhole, setWhole] = useState(text.length <= LONG_TEXT);
  const json = jsonIn(text);
  if (json !== null) return <pre class="turn-json mono" tabIndex={0}>{pretty(json)}</pre>;
  return (
    <div class="turn-text">
      {isWhole ? text : `${text.slice(0, LONG_TEXT)}…`}
      {!isWhole && (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          show all {count(text.length)} characters
        </button>
      )}
    </div>
  );
}

function PartView({ part }: { part: Part }) {
  if (part.kind === "text") return <Text text={part.text} />;
  if (part.kind === "json") return <pre class="turn-json mono" tabIndex={0}>{pretty(part.value)}</pre>;
  return (
    <p class="media">
      <span class="media-what">{part.what}</span>
      {part.bytes !== null && <span class="num">{bytes(part.bytes)}</span>}
      <span class="mono media-digest" title={part.digest ?? undefined}>{part.digest ?? "kept as digest only"}</span>
    </p>
  );
}

function ToolCallView({ call }: { call: ToolCall }) {
  return (
    <div class="tool-call">
      <p class="tool-name">
        calls <b class="mono">{call.name}</b>
        {call.id && <span class="quiet mono"> {call.id}</span>}
      </p>
      <pre class="turn-json mono" tabIndex={0}>{pretty(call.arguments ?? null)}</pre>
    </div>
  );
}

const ROLES = new Set(["system", "developer", "user", "assistant", "tool", "error", "prompt", "completion", "input"]);

export function TurnView({ turn }: { turn: Turn }) {
  const words = turn.parts.map((part) => (part.kind === "text" ? part.text : "")).join("\n").trim();
  return (
    <li class={`turn role-${ROLES.has(turn.role) ? turn.role : "other"}`}>
      <p class="turn-head">
        <b>{turn.role}</b>
        {turn.note && <span class="quiet">{turn.note}</span>}
        {words && <CopyButton text={words} what={`the ${turn.role} message`} />}
      </p>
      {turn.parts.map((part, at) => <PartView key={at} part={part} />)}
      {turn.toolCalls.map((call, at) => <ToolCallView key={call.id ?? at} call={call} />)}
      {turn.parts.length === 0 && turn.toolCalls.length === 0 && <p class="quiet">nothing</p>}
    </li>
  );
}

const REFUSED = "This call was refused before it reached a model; its words are not on record.";

export function Conversation({ call }: { call: CallDetail }) {
  const { content } = call;
  const asked = requestTurns(content.request);
  const answered = responseTurns(content.response);
  const why = content.state === "none" && call.outcome === "refused" ? REFUSED : STATES[content.state];
  return (
    <section class="block" aria-labelledby="words-title" data-testid="conversation">
      <h3 id="words-title">Messages</h3>
      {why && <p class="quiet">{why}</p>}
      {asked.length > 0 && <ol class="turns" aria-label="What went in">{asked.map((turn, at) => <TurnView key={at} turn={turn} />)}</ol>}
      {answered.length > 0 && <ol class="turns came-out" aria-label="What came out">{answered.map((turn, at) => <TurnView key={at} turn={turn} />)}</ol>}
    </section>
  );
}
