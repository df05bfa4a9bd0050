// Traces as rows that can be walked with the keyboard. Refuses to know the filter.
// Invariant: one row at a time is in the tab order; j and k move it from anywhere, arrows when it has focus.
import { useRef, useState } from "preact/hooks";
import { useKeys } from "../place/keyboard.ts";
import { count, durationText, fullMoment, moment, usd } from "../say/units.ts";
import { shortId } from "../say/words.ts";
import type { TraceRow } from "../wire/traces-shapes.ts";
import { Dot } from "../parts/small.tsx";

export interface TracesTableProps {
  rows: readonly TraceRow[];
  picked: ReadonlySet<string>;
  onOpen: (row: TraceRow) => void;
  onPick: (row: TraceRow) => void;
}

function Steps({ row }: { row: TraceRow }) {
  const parts = [row.spans > 0 ? `${count(row.spans)} ${row.spans === 1 ? "span" : "spans"}` : null, row.calls > 0 ? `${count(row.calls)} ${row.calls === 1 ? "call" : "calls"}` : null];
  return <>{parts.filter((part) => part !== null).join(", ")}</>;
}

function Cells({ row, longest_ms }: { row: TraceRow; longest_ms: number }) {
  const said = row.feedback.up + row.feedback.down > 0;
  return (
    <>
      <td class="t-time num" title={fullMoment(row.at_ms)}>{moment(row.at_ms, Date.now())}</td>
      <td class="t-name">
        <Dot tone={row.errors > 0 ? "bad" : "good"} />
        <span class="t-title">{row.name}</span>
        <span class="quiet t-kind"> {row.services[0] ?? row.key_name ?? row.key_id ?? ""}</span>
        {row.errors > 0 && <span class="mark tone-bad">{count(row.errors)} failed</span>}
        {said && <span class="mark" title="Feedback">{row.feedback.up > 0 && `↑ ${row.feedback.up}`}{row.feedback.down > 0 && ` ↓ ${row.feedback.down}`}</span>}
      </td>
      <td class="t-models" title={row.models.join(", ")}>{row.models.join(", ") || <span class="quiet">–</span>}</td>
      <td class="t-steps quiet"><Steps row={row} /></td>
      <td class="t-duration num">
        <span class="span" aria-hidden="true"><span class={`span-rest${row.errors > 0 ? " tone-bad" : ""}`} style={{ width: `${longest_ms > 0 ? (row.duration_ms / longest_ms) * 100 : 0}%` }} /></span>
        <span class="span-text">{durationText(row.duration_ms)}</span>
      </td>
      <td class="t-tokens num">{row.input_tokens === null && row.output_tokens === null ? "–" : <>{count(row.input_tokens)}<span class="quiet"> → </span>{count(row.output_tokens)}</>}</td>
      <td class="t-cost num">{usd(row.cost_usd)}</td>
      <td class="t-id mono quiet" title={row.trace_id}>{shortId(row.trace_id)}</td>
    </>
  );
}

export function TracesTable({ rows, picked, onOpen, onPick }: TracesTableProps) {
  const [active, setActive] = useState(0);
  const walked = useRef(0);
  const body = useRef<HTMLTableSectionElement>(null);
  const longest_ms = rows.reduce((most, row) => Math.max(most, row.duration_ms), 0);
  const move = (by: number): void => {
    const next = Math.min(rows.length - 1, Math.max(0, walked.current + by));
    walked.current = next;
    setActive(next);
    const element = body.current?.children[next] as HTMLElement | undefined;
    element?.focus();
    element?.scrollIntoView({ block: "nearest" });
  };
  const act = (event: KeyboardEvent, row: TraceRow): void => {
    const does = { ArrowDown: () => move(1), ArrowUp: () => move(-1), Enter: () => onOpen(row), " ": () => onPick(row) }[event.key];
    if (!does || event.target !== event.currentTarget) return;
    event.preventDefault();
    does();
  };
  useKeys({ j: () => move(1), k: () => move(-1) });

  return (
    <table class="table traces" role="grid" aria-label="Traces" data-testid="traces">
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Trace</th>
          <th scope="col">Models</th>
          <th scope="col" class="t-steps">Steps</th>
          <th scope="col" class="num">Duration</th>
          <th scope="col" class="num">Tokens</th>
          <th scope="col" class="num">Cost</th>
          <th scope="col" class="t-id">Id</th>
          <th scope="col"><span class="offscreen">Compare</span></th>
        </tr>
      </thead>
      <tbody ref={body}>
        {rows.map((row, index) => (
          <tr
            key={row.trace_id}
            tabIndex={index === Math.min(active, rows.length - 1) ? 0 : -1}
            class={picked.has(row.trace_id) ? "is-open" : ""}
            data-trace={row.trace_id}
            onClick={() => onOpen(row)}
            onFocus={() => {
              walked.current = index;
              setActive(index);
            }}
            onKeyDown={(event) => act(event, row)}
          >
            <Cells row={row} longest_ms={longest_ms} />
            <td class="t-pick">
              <input
                type="checkbox"
                tabIndex={-1}
                aria-label={`Compare ${row.name} of ${moment(row.at_ms, Date.now())}`}
                checked={picked.has(row.trace_id)}
                onClick={(event) => event.stopPropagation()}
                onChange={() => onPick(row)}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
