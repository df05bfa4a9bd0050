// Calls as rows that can be walked with the keyboard. Refuses to know where they come from.
// Invariant: one row at a time is in the tab order; j and k move it from anywhere, arrows when it has focus.
import { useEffect, useRef, useState } from "preact/hooks";
import { changeQuery } from "../place/address.ts";
import { useKeys } from "../place/keyboard.ts";
import { count, durationText, fullMoment, moment, rate, usd } from "../say/units.ts";
import { marksOf, operationOf, shortId, toneOf } from "../say/words.ts";
import type { Call } from "../wire/shapes.ts";
import { Dot } from "../parts/small.tsx";

export interface CallsTableProps {
  calls: Call[];
  fresh: ReadonlySet<string>;
  opened: string | null;
  label: string;
}

function isSame(call: Call, id: string | null): boolean {
  return id !== null && (call.call_id === id || call.request_id === id);
}

/** How long a call took beside the longest shown: the wait for the first token, then the rest. */
function Span({ call, longest_ms }: { call: Call; longest_ms: number }) {
  const whole = longest_ms > 0 ? (call.duration_ms / longest_ms) * 100 : 0;
  // Of a plain answer the first byte is all but the last one: only a stream has a wait and a rest.
  const wait = call.is_stream && call.duration_ms > 0 ? (Math.min(call.first_token_ms ?? call.duration_ms, call.duration_ms) / call.duration_ms) * whole : 0;
  return (
    <span class="span" aria-hidden="true">
      <span class="span-wait" style={{ width: `${wait}%` }} />
      <span class={`span-rest tone-${toneOf(call)}`} style={{ width: `${Math.max(0, whole - wait)}%` }} />
    </span>
  );
}

function Tokens({ call }: { call: Call }) {
  if (call.input_tokens === null && call.output_tokens === null) return <>–</>;
  if (call.output_tokens === null) return <>{count(call.input_tokens)}<span class="quiet"> in</span></>;
  return <>{count(call.input_tokens)}<span class="quiet"> → </span>{count(call.output_tokens)}</>;
}

/** What is special about a call: the first thing in a word, the others when asked. */
function Marks({ call }: { call: Call }) {
  const marks = marksOf(call);
  const first = marks[0];
  if (!first) return null;
  const all = marks.map((mark) => `${mark.word}: ${mark.means}`).join("\n");
  return <span class="mark" title={all}>{first.word}{marks.length > 1 && ` +${marks.length - 1}`}</span>;
}

function Cells({ call, longest_ms }: { call: Call; longest_ms: number }) {
  return (
    <>
      <td class="c-time num" title={fullMoment(call.at_ms)}>{moment(call.at_ms, Date.now())}</td>
      <td class="c-status num">
        <Dot tone={toneOf(call)} />
        {call.status}{" "}
        <span class="quiet c-outcome">{call.outcome === "completed" ? "" : call.outcome}</span>
      </td>
      <td class="c-model" title={call.error_message ?? call.model ?? ""}>
        {call.model ?? "no model"}{" "}
        <span class="quiet">{call.error_code ?? operationOf(call)}</span>
        <Marks call={call} />
      </td>
      <td class="c-key" title={call.key_id ?? ""}>{call.key_name ?? call.key_id ?? "no key"}</td>
      <td class="c-first num">{durationText(call.first_token_ms)}</td>
      <td class="c-duration num">
        <Span call={call} longest_ms={longest_ms} />
        <span class="span-text">{durationText(call.duration_ms)}</span>
      </td>
      <td class="c-tokens num">
        <Tokens call={call} />
      </td>
      <td class="c-rate num">{rate(call.tokens_per_second)}</td>
      <td class="c-cost num">{call.cost_usd === null ? <span class="quiet">{call.input_tokens === null ? "–" : "unpriced"}</span> : usd(call.cost_usd)}</td>
      <td class="c-id mono" title={call.request_id}>{shortId(call.request_id)}</td>
    </>
  );
}

export function CallsTable({ calls, fresh, opened, label }: CallsTableProps) {
  const [active, show] = useState<string | null>(opened);
  // Keys may come quicker than the page is drawn: where one is, is known at once.
  const walked = useRef(opened);
  const setActive = (id: string): void => {
    walked.current = id;
    show(id);
  };
  const body = useRef<HTMLTableSectionElement>(null);
  const openedBefore = useRef(opened);
  const at = calls.findIndex((call) => isSame(call, active));
  const longest_ms = calls.reduce((most, call) => Math.max(most, call.duration_ms), 0);

  const rowOf = (index: number): HTMLElement | null => (body.current?.children[index] as HTMLElement | undefined) ?? null;
  const move = (by: number): void => {
    const from = calls.findIndex((call) => isSame(call, walked.current));
    const next = Math.min(calls.length - 1, Math.max(0, from < 0 ? 0 : from + by));
    const call = calls[next];
    if (!call) return;
    setActive(call.call_id);
    if (opened !== null) changeQuery({ call: call.call_id });
    else rowOf(next)?.focus();
    rowOf(next)?.scrollIntoView({ block: "nearest" });
  };
  useKeys({ j: () => move(1), k: () => move(-1) });

  useEffect(() => {
    // The drawer has been closed: the keyboard goes on where it was.
    if (opened === null && openedBefore.current !== null) rowOf(calls.findIndex((call) => isSame(call, openedBefore.current)))?.focus();
    openedBefore.current = opened;
    if (opened !== null) setActive(opened);
  }, [opened]);

  const open = (call: Call): void => changeQuery({ call: call.call_id }, opened !== null);
  const onKey = (event: KeyboardEvent, call: Call): void => {
    const act = { ArrowDown: () => move(1), ArrowUp: () => move(-1), Enter: () => open(call), " ": () => open(call) }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  return (
    <table class="table calls" role="grid" aria-label={label} data-testid="calls">
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Status</th>
          <th scope="col">Model</th>
          <th scope="col" class="c-key">Key</th>
          <th scope="col" class="num c-first">First token</th>
          <th scope="col" class="num">Duration</th>
          <th scope="col" class="num">Tokens</th>
          <th scope="col" class="num c-rate">Tokens/s</th>
          <th scope="col" class="num">Cost</th>
          <th scope="col" class="c-id">Request</th>
        </tr>
      </thead>
      <tbody ref={body}>
        {calls.map((call, index) => (
          <tr
            key={call.call_id}
            class={`${fresh.has(call.call_id) ? "is-fresh" : ""}${isSame(call, opened) ? " is-open" : ""}`}
            tabIndex={index === Math.max(0, at) ? 0 : -1}
            aria-selected={isSame(call, opened)}
            data-call={call.call_id}
            onClick={() => open(call)}
            onFocus={() => setActive(call.call_id)}
            onKeyDown={(event) => onKey(event, call)}
          >
            <Cells call={call} longest_ms={longest_ms} />
          </tr>
        ))}
      </tbody>
    </table>
  );
}
