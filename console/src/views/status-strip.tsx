// One line that answers "is it well?": the state with its reason, how fresh the numbers are, which version.
import { useEffect, useState } from "preact/hooks";
import { changeQuery, type View } from "../place/address.ts";
import { clock, durationText, WINDOWS } from "../say/units.ts";
import { LEVELS, type Tone } from "../say/words.ts";
import { type Polled, usePolled } from "../wire/polling.ts";
import type { Overview, SystemStatus } from "../wire/shapes.ts";
import type { Tail, TailState } from "../wire/tail.ts";
import { Icon } from "../parts/icon.tsx";
import { Dot, Pill } from "../parts/small.tsx";
import { SystemPanel } from "./system-panel.tsx";

const LIVE: Record<TailState, { word: string; tone: Tone }> = {
  live: { word: "live", tone: "good" },
  connecting: { word: "connecting", tone: "quiet" },
  lost: { word: "reconnecting", tone: "warn" },
};

const STATUS_EVERY_MS = 5000;
const LAG_TO_MIND_MS = 2000;

/** The tail's state, kept current. */
function useTailState(tail: Tail): TailState {
  const [state, setState] = useState(tail.state());
  useEffect(() => {
    setState(tail.state());
    return tail.onState(setState);
  }, [tail]);
  return state;
}

/** The state in words: what the server says, or that it says nothing any more. */
function stateOf({ data, failure, at_ms }: Polled<Overview>): { word: string; tone: Tone; reason: string } {
  if (failure) {
    const since = at_ms === null ? "" : ` The numbers stand still since ${clock(at_ms)}.`;
    // An answer, even this one, means that the gateway stands: only control is away, and /v1 goes on.
    const isGatewayThere = failure.status > 0;
    return { word: isGatewayThere ? "No news" : "Unreachable", tone: isGatewayThere ? "warn" : "bad", reason: `${failure.message}${failure.hint ? ` ${failure.hint}` : ""}${since}` };
  }
  if (!data) return { word: "Looking", tone: "quiet", reason: "" };
  const level = LEVELS[data.state.level];
  return { ...level, reason: data.state.reasons.join(" · ") || (data.state.level === "ok" ? "No trouble seen." : "") };
}

function versionOf(status: SystemStatus | null): string | null {
  return status?.versions["pilothouse"] ?? status?.supervisor?.version ?? status?.gateways[0]?.version ?? null;
}

export function StatusStrip({ overview, tail, view, window_s }: { overview: Polled<Overview>; tail: Tail; view: View; window_s: number }) {
  const [isOpen, setOpen] = useState(false);
  const status = usePolled<SystemStatus>("/api/v1/status", STATUS_EVERY_MS);
  const live = LIVE[useTailState(tail)];
  const state = stateOf(overview);
  const lag_ms = overview.data?.ingest_lag_ms ?? null;
  const version = versionOf(status.data);
  return (
    <section class="strip-holder" aria-label="State">
      <div class="strip">
        <button type="button" class="strip-state" aria-expanded={isOpen} aria-controls="system-panel" title="Show the processes" onClick={() => setOpen(!isOpen)}>
          <Pill tone={state.tone}>{state.word}</Pill>
          <span class="strip-reason" role="status">{state.reason}</span>
          <Icon name="more" size={12} />
        </button>
        <span class="strip-facts">
          <span class={lag_ms !== null && lag_ms > LAG_TO_MIND_MS ? "tone-warn" : ""} title="How far the numbers are behind the calls">
            <span class="wide-only">ingest </span>lag <b class="num">{durationText(lag_ms)}</b>
          </span>
          {version && <span class="wide-only" title="Version of Pilothouse">v{version}</span>}
          <span class={`live tone-${live.tone}`} data-testid="live">
            <Dot tone={live.tone} isPulsing={live.tone === "good"} />
            {live.word}
          </span>
        </span>
        {view === "overview" && (
          <label class="strip-window">
            <span class="offscreen">Window of time</span>
            <select value={String(window_s)} onChange={(event) => changeQuery({ window: event.currentTarget.value }, false)}>
              {WINDOWS.map((one) => <option key={one.seconds} value={String(one.seconds)}>last {one.short}</option>)}
            </select>
          </label>
        )}
      </div>
      {isOpen && <SystemPanel status={status} />}
    </section>
  );
}
