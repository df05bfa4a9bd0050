// One step of a trace: its facts, what was said in it, what it found, what was said of it.
// Invariant: what a person or a model wrote is put on the page as text nodes, never as markup.
import type { ComponentChildren } from "preact";
import { changeQuery, hrefOf } from "../place/address.ts";
import { pretty, requestTurns, responseTurns } from "../say/messages.ts";
import { count, durationText, fullMoment, usd } from "../say/units.ts";
import type { LogRecord, Score, Step, Words } from "../wire/traces-shapes.ts";
import { CopyButton } from "../parts/copy.tsx";
import { Icon } from "../parts/icon.tsx";
import { Fact, Pill } from "../parts/small.tsx";
import { TurnView } from "./conversation.tsx";

const STATES: Record<Words["state"], string | null> = {
  full: null,
  none: null,
  erased: "The words of this step have been erased: the data subject's key is destroyed.",
  truncated: "Only the head of a long body is on record.",
  left_out: "This trace has more words than are sent at once.",
};
const MODEL_KINDS = new Set(["llm", "embeddings"]);

interface Found {
  id: string | null;
  text: string;
  score: number | null;
}

/** The documents in a retrieval's answer, if it has any. */
export function documentsOf(response: unknown): Found[] {
  const list = (response as { documents?: unknown } | null)?.documents;
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown) => {
    const one = (typeof item === "object" && item !== null ? item : { content: item }) as Record<string, unknown>;
    return {
      id: typeof one["id"] === "string" ? one["id"] : null,
      text: typeof one["content"] === "string" ? one["content"] : pretty(one["content"] ?? one),
      score: typeof one["score"] === "number" ? one["score"] : null,
    };
  });
}

function Documents({ found }: { found: Found[] }) {
  return (
    <ol class="documents" aria-label="Documents found">
      {found.map((one, at) => (
        <li key={one.id ?? at} class="turn">
          <p class="turn-head">
            <b>{one.id ?? `document ${at + 1}`}</b>
            {one.score !== null && <span class="quiet num">score {one.score.toFixed(3)}</span>}
            <CopyButton text={one.text} what="the document" />
          </p>
          <div class="turn-text">{one.text}</div>
        </li>
      ))}
    </ol>
  );
}

function Body({ title, value }: { title: string; value: unknown }) {
  if (value === null || value === undefined) return null;
  const text = pretty(value);
  return (
    <section class="block">
      <h3>{title}</h3>
      <div class="turn">
        {typeof value === "string" ? <div class="turn-text">{value}</div> : <pre class="turn-json mono" tabIndex={0}>{text}</pre>}
      </div>
    </section>
  );
}

function Said({ step, onFetch }: { step: Step; onFetch: () => void }) {
  const { content } = step;
  const why = STATES[content.state];
  if (content.state === "left_out") {
    return <p class="quiet">{why} <button type="button" class="link" onClick={onFetch}>Show the words of this step</button></p>;
  }
  const documents = documentsOf(content.response);
  const isModel = MODEL_KINDS.has(step.kind) || step.source === "call";
  return (
    <>
      {why && <p class="quiet">{why}</p>}
      {content.state === "none" && <p class="quiet">No words of this step are on record.</p>}
      {isModel && content.state !== "none" && (
        <section class="block" data-testid="step-words">
          <h3>Messages</h3>
          <ol class="turns" aria-label="What went in">{requestTurns(content.request).map((turn, at) => <TurnView key={at} turn={turn} />)}</ol>
          <ol class="turns came-out" aria-label="What came out">{responseTurns(content.response).map((turn, at) => <TurnView key={at} turn={turn} />)}</ol>
        </section>
      )}
      {!isModel && <Body title={step.kind === "tool" ? "Arguments" : "Input"} value={content.request} />}
      {!isModel && documents.length > 0 && (
        <section class="block"><h3>{documents.length === 1 ? "One document" : `${documents.length} documents`}</h3><Documents found={documents} /></section>
      )}
      {!isModel && documents.length === 0 && <Body title={step.kind === "tool" ? "Result" : "Output"} value={content.response} />}
    </>
  );
}

export function Scores({ scores }: { scores: readonly Score[] }) {
  if (scores.length === 0) return null;
  return (
    <section class="block" data-testid="scores">
      <h3>Scores and feedback</h3>
      <ul class="scores">
        {scores.map((score) => (
          <li key={score.score_id}>
            <Pill tone={score.kind === "thumbs" ? (score.value ? "good" : "bad") : "quiet"}>{score.name}</Pill>
            <span class="num">{score.label ?? (score.kind === "thumbs" ? (score.value ? "up" : "down") : score.value ?? "")}</span>
            <span class="quiet">{score.source}{score.kind && score.kind !== "thumbs" ? ` · ${score.kind}` : ""}</span>
            {score.text != null && <p class="turn-text">{pretty(score.text)}</p>}
            {score.correction != null && <p class="turn-text"><b>Better: </b>{pretty(score.correction)}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Table({ title, values }: { title: string; values: Record<string, unknown> }) {
  const rows = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  if (rows.length === 0) return null;
  return (
    <details class="block raw">
      <summary>{title} ({rows.length})</summary>
      <dl class="ids step-attributes">
        {rows.map(([name, value]) => (
          <div class="id-row" key={name}>
            <dt class="mono" title={name}>{name}</dt>
            <dd><span class="mono attribute-text">{typeof value === "string" ? value : pretty(value)}</span></dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function bagOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

export interface StepViewProps {
  step: Step;
  scores: readonly Score[];
  logs: readonly LogRecord[];
  keyName: string | null;
  onFetch: () => void;
  children?: ComponentChildren;
}

export function StepView({ step, scores, logs, keyName, onFetch, children }: StepViewProps) {
  const tone = step.is_error ? "bad" : "good";
  return (
    <section class="step" aria-labelledby={`step-${step.step_id}`} data-testid="step">
      <header class="step-head">
        <h2 id={`step-${step.step_id}`} tabIndex={-1}>{step.name}</h2>
        <p class="drawer-sub">
          <Pill tone={tone}>{step.status ?? (step.is_error ? "failed" : "ok")}{step.source === "call" && step.outcome !== "completed" ? ` ${step.outcome}` : ""}</Pill>
          <span class="quiet num">{step.source === "call" ? "call of the gateway" : `${step.kind} span`} · {fullMoment(step.at_ms)}</span>
        </p>
        {children}
      </header>
      {step.error && <div class="notice tone-bad"><Icon name="warn" /><p>{step.error}</p></div>}
      {step.is_orphan && <p class="quiet">Its parent <span class="mono">{step.parent_id}</span> is not on record.</p>}
      <dl class="facts num">
        <Fact label="Duration">{durationText(step.duration_ms)}</Fact>
        {step.first_token_ms !== null && <Fact label="First token">{durationText(step.first_token_ms)}</Fact>}
        {step.model && <Fact label="Model">{step.model}{step.model_answered && step.model_answered !== step.model && <span class="quiet"> answered {step.model_answered}</span>}</Fact>}
        {(step.deployment ?? step.provider) && <Fact label="Answered by">{step.deployment ?? step.provider}</Fact>}
        {(step.input_tokens !== null || step.output_tokens !== null) && <Fact label="Tokens">{count(step.input_tokens)}<span class="quiet"> → </span>{count(step.output_tokens)}</Fact>}
        {step.cost_usd !== null && <Fact label="Cost">{usd(step.cost_usd)}</Fact>}
        {step.service && <Fact label="Service">{step.service}</Fact>}
        {step.agent && <Fact label="Agent">{step.agent}</Fact>}
        {step.tool && <Fact label="Tool">{step.tool}</Fact>}
        {step.key_id && <Fact label="Key">{keyName ?? step.key_id}</Fact>}
        {step.convention && <Fact label="Sent as">{step.convention}</Fact>}
        {step.conversation_id && <Fact label="Conversation"><a href={hrefOf("conversations", { at_ms: String(Math.round(step.at_ms)) }, [step.conversation_id])} data-inside>its turns</a></Fact>}
      </dl>
      {step.source === "call" && <p><button type="button" class="button" onClick={() => changeQuery({ call: step.step_id })}>Attempts and parameters</button></p>}
      <Scores scores={scores} />
      <Said step={step} onFetch={onFetch} />
      {logs.map((log) => <Body key={log.log_id} title={log.event_name ?? "Log record"} value={log.content.request ?? log.content.attributes} />)}
      <Table title="Attributes" values={{ ...step.attributes, ...bagOf(step.content.attributes) }} />
    </section>
  );
}
