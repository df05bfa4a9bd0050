// One trace: its steps as a waterfall, and the chosen step beside it.
// Refuses to know where the trace was found. Invariant: the chosen step is in the address.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { changeQuery, hrefOf } from "../place/address.ts";
import { useKeys } from "../place/keyboard.ts";
import { count, durationText, fullMoment, usd } from "../say/units.ts";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import type { Step, TraceDetail } from "../wire/traces-shapes.ts";
import { CopyButton } from "../parts/copy.tsx";
import { Icon } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Dot, Fact } from "../parts/small.tsx";
import { keptQuery } from "./traces-page.tsx";
import { Scores, StepView } from "./traces-step.tsx";
import { type Branch, branchesOf, totalsOf } from "./traces-tree.ts";

const RETRIES = 8;
const RETRY_MS = 400;

export interface Fetched {
  trace: TraceDetail | null;
  failure: ApiFailure | null;
  /** Fetches the words of one step, where the trace has more than are sent at once. */
  fetchStep: (id: string) => void;
}

/** Fetches a trace; one that has only just ended may not be on record yet. */
export function useTrace(id: string, at_ms: string | null): Fetched {
  const [trace, setTrace] = useState<TraceDetail | null>(null);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const path = `/api/v1/traces/${encodeURIComponent(id)}${at_ms ? `?at_ms=${encodeURIComponent(at_ms)}` : ""}`;
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    setTrace(null);
    setFailure(null);
    const look = (left: number): void => {
      ask<TraceDetail>(path, { signal: abort.signal }).then(setTrace, (thrown: unknown) => {
        const failed = asFailure(thrown);
        if (!failed) return;
        if (failed.status === 404 && left > 0) timer = window.setTimeout(() => look(left - 1), RETRY_MS);
        else setFailure(failed);
      });
    };
    look(RETRIES);
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [path]);
  const fetchStep = (step: string): void => {
    const asked = `${path}${path.includes("?") ? "&" : "?"}step=${encodeURIComponent(step)}`;
    ask<TraceDetail>(asked).then(
      (found) => {
        const fresh = found.spans.find((one) => one.step_id === step);
        if (fresh) setTrace((old) => (old ? { ...old, spans: old.spans.map((one) => (one.step_id === step ? fresh : one)) } : old));
      },
      (thrown: unknown) => setFailure(asFailure(thrown)),
    );
  };
  return { trace, failure, fetchStep };
}

export interface FallProps {
  trace: TraceDetail;
  branches: Branch[];
  chosen: string | null;
  label: string;
  onChoose: (step: Step) => void;
}

export function Fall({ trace, branches, chosen, label, onChoose }: FallProps) {
  const whole = Math.max(trace.duration_ms, 0.001);
  return (
    <ol class="steps" role="listbox" aria-label={label} data-testid="steps">
      {branches.map(({ step, depth }) => (
        <li key={step.step_id} role="option" aria-selected={step.step_id === chosen}>
          <button type="button" class={`step-row${step.step_id === chosen ? " is-chosen" : ""}`} data-step={step.step_id} tabIndex={step.step_id === chosen ? 0 : -1} onClick={() => onChoose(step)}>
            <span class="step-name" style={{ paddingLeft: `${Math.min(depth, 12) * 14}px` }}>
              <Dot tone={step.is_error ? "bad" : step.is_orphan ? "warn" : "good"} />
              <span class="step-title">{step.name}</span>
              <span class="quiet step-kind">{step.source === "call" ? "gateway" : step.kind}</span>
            </span>
            <span class="fall-track" aria-hidden="true">
              <span class={`fall-bar step-${step.is_error ? "bad" : step.source}`} style={{ left: `${((step.at_ms - trace.at_ms) / whole) * 100}%`, width: `${Math.min(100, (step.duration_ms / whole) * 100)}%` }} />
            </span>
            <span class="fall-took num">{durationText(step.duration_ms)}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}

export function TraceFacts({ trace }: { trace: TraceDetail }) {
  const totals = totalsOf(trace.spans);
  return (
    <dl class="facts num trace-facts">
      <Fact label="Began">{fullMoment(trace.at_ms)}</Fact>
      <Fact label="Duration">{durationText(trace.duration_ms)}</Fact>
      <Fact label="Steps">{count(trace.spans.length)}<span class="quiet"> {count(trace.calls.length)} of the gateway</span></Fact>
      <Fact label="Tokens">{count(totals.input_tokens)}<span class="quiet"> → </span>{count(totals.output_tokens)}</Fact>
      <Fact label="Cost">{usd(totals.cost_usd)}</Fact>
      <Fact label="Failed">{totals.errors > 0 ? <span class="tone-bad">{count(totals.errors)}</span> : "0"}</Fact>
    </dl>
  );
}

/** What is to be known of a trace as a whole before its steps are read. */
export function TraceNotes({ trace }: { trace: TraceDetail }) {
  return (
    <>
      {trace.orphans > 0 && <p class="quiet trace-note" data-testid="orphans">{trace.orphans === 1 ? "One step names a parent that is" : `${trace.orphans} steps name parents that are`} not on record: shown at the root.</p>}
      {trace.is_cut && <p class="quiet trace-note">Only the first {count(trace.spans.length)} steps are shown.</p>}
    </>
  );
}

export function OneTrace({ id, query }: { id: string; query: URLSearchParams }) {
  const { trace, failure, fetchStep } = useTrace(id, query.get("at_ms"));
  const branches = useMemo(() => (trace ? branchesOf(trace.spans) : []), [trace]);
  const list = useRef<HTMLDivElement>(null);
  const wanted = query.get("step");
  const at = Math.max(0, branches.findIndex(({ step }) => step.step_id === wanted));
  const step = branches[at]?.step ?? null;
  const choose = (next: Step): void => changeQuery({ step: next.step_id });
  const move = (by: number): void => {
    const next = branches[Math.min(branches.length - 1, Math.max(0, at + by))];
    if (!next) return;
    choose(next.step);
    requestAnimationFrame(() => {
      const row = list.current?.querySelector<HTMLElement>(".is-chosen");
      row?.focus();
      row?.scrollIntoView({ block: "nearest" });
    });
  };
  useKeys({ j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1), Escape: () => window.history.back() });
  useEffect(() => {
    document.title = `${branches[0]?.step.name ?? "Trace"} · Pilothouse`;
  }, [branches]);

  const loose = (trace?.scores ?? []).filter((score) => score.step_id === null);
  return (
    <section class="panel one-trace" aria-labelledby="trace-title">
      <header class="panel-head">
        <a class="button icon-only plain" href={hrefOf("traces", keptQuery(query))} data-inside aria-label="Back to the traces" title="Back to the traces (Esc)"><span aria-hidden="true">←</span></a>
        <h1 id="trace-title">{branches[0]?.step.name ?? "Trace"}</h1>
        <span class="mono quiet trace-id" title={id}>{id}</span>
        <span class="row">
          <CopyButton text={id} what="the trace's id" />
          <CopyButton text={window.location.href} what="a link to this trace" label="Link" />
        </span>
      </header>
      {failure && <FailureNotice failure={failure} />}
      {!trace && !failure && <p class="empty quiet" aria-busy="true">Loading…</p>}
      {trace && (
        <>
          <TraceFacts trace={trace} />
          <TraceNotes trace={trace} />
          {loose.length > 0 && <div class="trace-note"><Scores scores={loose} /></div>}
          <div class="trace-columns">
            <div ref={list}>
              <Fall trace={trace} branches={branches} chosen={step?.step_id ?? null} label="Steps" onChoose={choose} />
            </div>
            {step && (
              <StepView
                key={step.step_id}
                step={step}
                scores={trace.scores.filter((score) => score.step_id === step.step_id)}
                logs={trace.logs.filter((log) => log.span_id !== null && log.span_id === step.span_id)}
                keyName={trace.key_names[step.key_id ?? ""] ?? null}
                onFetch={() => fetchStep(step.step_id)}
              >
                <a class="quiet step-narrow" data-inside href={hrefOf("traces", { filter: `name = ${JSON.stringify(step.name)}` })}><Icon name="search" size={12} /> others like it</a>
              </StepView>
            )}
          </div>
        </>
      )}
    </section>
  );
}
