// Where a call's time went: queue, first token, generation, and each attempt beneath. Refuses to guess:
// a part whose times are not on record is not drawn.
import { durationText } from "../say/units.ts";
import type { CallDetail } from "../wire/shapes.ts";

interface Bar {
  name: string;
  from_ms: number;
  to_ms: number;
  kind: "queue" | "wait" | "generate" | "rest" | "attempt" | "failed";
}

/** The parts of a call, in order, each from where the one before ended. */
export function barsOf(call: CallDetail): Bar[] {
  const end_ms = call.duration_ms;
  const queue_ms = Math.min(call.queue_ms ?? 0, end_ms);
  const bars: Bar[] = queue_ms > 0 ? [{ name: "queue", from_ms: 0, to_ms: queue_ms, kind: "queue" }] : [];
  if (call.first_token_ms === null) {
    if (end_ms > queue_ms) bars.push({ name: call.outcome === "refused" ? "checks" : "until the end", from_ms: queue_ms, to_ms: end_ms, kind: "wait" });
    return bars;
  }
  const first_ms = Math.min(call.first_token_ms, end_ms);
  bars.push({ name: call.is_stream ? "first token" : "answer", from_ms: queue_ms, to_ms: first_ms, kind: "wait" });
  const last_ms = Math.min(call.last_token_ms ?? first_ms, end_ms);
  if (last_ms > first_ms) bars.push({ name: call.is_stream ? "generation" : "rest of it", from_ms: first_ms, to_ms: last_ms, kind: "generate" });
  if (end_ms - last_ms > 0.05) bars.push({ name: "sending", from_ms: last_ms, to_ms: end_ms, kind: "rest" });
  return bars;
}

function attemptBars(call: CallDetail): Bar[] {
  const attempts = call.attempts ?? [];
  return attempts.map((attempt) => {
    const from_ms = attempt.started_ms ?? 0;
    const isBad = attempt.error_code != null || (attempt.status ?? 200) >= 400;
    const why = isBad ? ` · ${attempt.error_code ?? attempt.status ?? "failed"}` : "";
    const reason = attempt.reason && attempt.reason !== "first" ? `${attempt.reason}: ` : "";
    return { name: `${reason}${attempt.deployment}${why}`, from_ms, to_ms: from_ms + (attempt.duration_ms ?? 0), kind: isBad ? "failed" : "attempt" };
  });
}

function Row({ bar, whole_ms }: { bar: Bar; whole_ms: number }) {
  const share = (ms: number): number => (whole_ms > 0 ? (ms / whole_ms) * 100 : 0);
  const took = durationText(bar.to_ms - bar.from_ms);
  return (
    <li class="fall-row">
      <span class="fall-name" title={bar.name}>{bar.name}</span>
      <span class="fall-track" aria-hidden="true">
        <span class={`fall-bar fall-${bar.kind}`} style={{ left: `${share(bar.from_ms)}%`, width: `${share(bar.to_ms - bar.from_ms)}%` }} />
      </span>
      <span class="fall-took num">{took}</span>
    </li>
  );
}

export function Waterfall({ call }: { call: CallDetail }) {
  const attempts = attemptBars(call);
  const whole_ms = Math.max(call.duration_ms, ...attempts.map((bar) => bar.to_ms));
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  return (
    <section class="block" aria-labelledby="fall-title" data-testid="waterfall">
      <h3 id="fall-title">Time</h3>
      <ol class="fall">
        {barsOf(call).map((bar) => <Row key={bar.name} bar={bar} whole_ms={whole_ms} />)}
        <li class="fall-row fall-scale" aria-hidden="true">
          <span />
          <span class="fall-ticks num">
            {ticks.map((tick) => <span key={tick} style={{ left: `${tick * 100}%` }}>{tick === 0 ? "0" : durationText(whole_ms * tick)}</span>)}
          </span>
          <span />
        </li>
      </ol>
      {attempts.length > 0 && (
        <>
          <h4>{attempts.length === 1 ? "Attempt" : `${attempts.length} attempts`}</h4>
          <ol class="fall fall-attempts">{attempts.map((bar, at) => <Row key={`${at} ${bar.name}`} bar={bar} whole_ms={whole_ms} />)}</ol>
        </>
      )}
    </section>
  );
}
