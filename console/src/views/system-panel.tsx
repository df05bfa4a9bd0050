// The processes behind the page, opened from the status strip.
import { age, bytes, count, durationText } from "../say/units.ts";
import { type Polled } from "../wire/polling.ts";
import type { SystemStatus } from "../wire/shapes.ts";
import { FailureNotice } from "../parts/notice.tsx";
import { Fact, Pill } from "../parts/small.tsx";

export function SystemPanel({ status }: { status: Polled<SystemStatus> }) {
  const { data, failure } = status;
  return (
    <div class="system" id="system-panel">
      {failure && <FailureNotice failure={failure} />}
      {data && (
        <dl class="facts">
          {(data.supervisor?.processes ?? []).map((process) => (
            <Fact key={process.name} label={process.name}>
              <Pill tone={process.state === "ready" ? "good" : process.state === "failed" ? "bad" : "warn"}>{process.state}</Pill>
              <span class="quiet num"> {bytes(process.resident_bytes)}{process.restarts ? ` · ${process.restarts} ${process.restarts === 1 ? "restart" : "restarts"}` : ""}</span>
            </Fact>
          ))}
          {data.gateways.map((gateway) => (
            <Fact key={`gateway ${gateway.worker}`} label={`traffic at gateway ${gateway.worker}`}>
              <span class="num">{count(gateway.in_flight ?? 0)} in flight, {count(gateway.streams ?? 0)} streams, {count(gateway.requests_total ?? 0)} so far</span>
              {!gateway.is_accepting && <span class="tone-warn"> · {gateway.reason ?? "not accepting"}</span>}
            </Fact>
          ))}
          {data.ingest && (
            <Fact label="journal">
              <span class="num">{count(data.ingest.events_total)} events, lag {durationText(data.ingest.lag_ms)}</span>
            </Fact>
          )}
          {data.supervisor?.started_at_ms !== undefined && <Fact label="started">{age(data.supervisor.started_at_ms, Date.now())}</Fact>}
          {data.supervisor?.snapshot_revision !== undefined && <Fact label="snapshot">revision {data.supervisor.snapshot_revision}</Fact>}
          <div class="fact system-versions">
            <dt>versions</dt>
            <dd>{Object.entries(data.versions).filter(([, version]) => version).map(([name, version]) => <span key={name}><span class="quiet">{name}</span> {version} </span>)}</dd>
          </div>
        </dl>
      )}
    </div>
  );
}
