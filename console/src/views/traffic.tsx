// How traffic is steered now: breakers, the queue, limits and caches. Refuses to know what was before: that is
// the overview's. Invariant: what no worker has said is a dash, never a zero.
import type { ComponentChildren } from "preact";
import { bytes, count, durationText, percent, remaining, usd } from "../say/units.ts";
import type { Tone } from "../say/words.ts";
import { openView } from "../place/address.ts";
import { usePolled } from "../wire/polling.ts";
import type { CacheTraffic, DeploymentTraffic, LimitTraffic, Priority, Traffic } from "../wire/traffic-shapes.ts";
import { Experiments } from "./experiments.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Fact, Pill } from "../parts/small.tsx";

const POLL_MS = 2000;
const NEARLY_USED = 0.9;

const BREAKERS: Record<DeploymentTraffic["breaker"], { word: string; tone: Tone }> = {
  closed: { word: "closed", tone: "good" },
  half_open: { word: "half-open", tone: "warn" },
  open: { word: "open", tone: "bad" },
};

const CAUSES: Record<string, string> = { failures: "it failed too often", silence: "it fell silent", outlier: "far slower than its siblings" };

const COUNTERS: Record<Traffic["counters"], { word: string; tone: Tone }> = {
  off: { word: "nothing is limited", tone: "quiet" },
  host: { word: "on this host", tone: "good" },
  redis: { word: "shared by all hosts", tone: "good" },
  open: { word: "shared store away: on this host alone", tone: "warn" },
  closed: { word: "shared store away: limited calls refused", tone: "bad" },
};

const LIMIT_WORDS: Record<LimitTraffic["limit"], string> = {
  requests_per_minute: "calls a minute",
  tokens_per_minute: "tokens a minute",
  concurrency: "calls at once",
  budget_day_usd: "a day",
  budget_month_usd: "a month",
};

const CLASSES: Priority[] = ["high", "normal", "low"];

function Cell({ label, children, isNumber = true, title }: { label: string; children: ComponentChildren; isNumber?: boolean; title?: string | undefined }) {
  return <td data-label={label} class={isNumber ? "num" : ""} title={title}>{children}</td>;
}

function Panel({ id, title, aside, children }: { id: string; title: string; aside?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="panel" aria-labelledby={`${id}-title`}>
      <header class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Why a deployment gets no calls, or fewer, beside its breaker. */
function whyOf(row: DeploymentTraffic): string | null {
  if (row.breaker !== "closed" && row.cause) return CAUSES[row.cause] ?? row.cause;
  if (row.is_ejected) return CAUSES["outlier"] ?? null;
  if (!row.is_ready) return "its engine does not answer";
  return row.held_ms > 0 ? `rate limited for ${durationText(row.held_ms)} more` : null;
}

function DeploymentRow({ row }: { row: DeploymentTraffic }) {
  const breaker = BREAKERS[row.breaker];
  const where = row.workers > 1 && row.breaker !== "closed" ? ` in ${row.breaker_workers} of ${row.workers} workers` : "";
  const why = whyOf(row);
  return (
    <tr>
      <th scope="row">
        <button type="button" class="link" title="Show its calls" onClick={() => openView("requests", { model: row.model })}>{row.model}</button>
        <span class="quiet" title={row.deployment}>{row.deployment.startsWith(`${row.model}/`) ? row.deployment.slice(row.model.length + 1) : row.deployment}</span>
      </th>
      <Cell label="Breaker" isNumber={false}>
        <Pill tone={row.is_ejected && row.breaker === "closed" ? "warn" : breaker.tone}>{row.is_ejected ? "ejected" : breaker.word}</Pill>
        {(why || where) && <span class="reason">{why}{where}</span>}
      </Cell>
      <Cell label="In flight">{count(row.in_flight)}</Cell>
      <Cell label="Latency" title="Moving mean of the time to the first event of streams, else to plain answers">{durationText(row.ewma_ms)}</Cell>
      <Cell label="Attempts" title="Since the workers started">{count(row.attempts)}</Cell>
      <Cell label="Failed" title={`${count(row.failed)} attempts`}>
        <span class={row.failed > 0 ? "tone-bad" : ""}>{row.error_share === null ? "–" : `${percent(row.error_share)} %`}</span>
      </Cell>
      <Cell label="Limited (429)">{count(row.limited)}</Cell>
      <Cell label="Opened" title="Times the breaker opened">{count(row.opened)}</Cell>
    </tr>
  );
}

function Deployments({ rows }: { rows: DeploymentTraffic[] }) {
  if (rows.length === 0) return <p class="empty">No gateway has said anything of its deployments yet.</p>;
  return (
    <div class="wide-table">
      <table class="table traffic" data-testid="deployments">
        <thead>
          <tr>
            <th scope="col">Deployment</th><th scope="col">Breaker</th><th scope="col" class="num">In flight</th><th scope="col" class="num">Latency <small>EWMA</small></th>
            <th scope="col" class="num">Attempts</th><th scope="col" class="num">Failed</th><th scope="col" class="num">Limited</th><th scope="col" class="num">Opened</th>
          </tr>
        </thead>
        <tbody>{rows.map((row) => <DeploymentRow key={row.deployment} row={row} />)}</tbody>
      </table>
    </div>
  );
}

function LimitRow({ row }: { row: LimitTraffic }) {
  const said = row.limit.startsWith("budget") ? usd : count;
  const share = row.share ?? 1;
  const tone = share >= 1 ? "bad" : share >= NEARLY_USED ? "warn" : "good";
  return (
    <tr>
      <th scope="row">
        <span class="limit-name" title={row.name}>{row.shown_name}</span>
        <span class="quiet">{row.scope}</span>
      </th>
      <Cell label="Limit" isNumber={false}>{said(row.most)} <span class="quiet">{LIMIT_WORDS[row.limit]}</span></Cell>
      <Cell label="Used" isNumber={false}>
        <span class="meter" role="img" aria-label={`${percent(share)} % used`}><span class={`meter-used tone-${tone}`} style={{ width: `${Math.min(100, share * 100)}%` }} /></span>
        <span class="num meter-text">{said(row.used)}</span>
      </Cell>
      <Cell label="Free again in">{row.resets_s > 0 ? remaining(row.resets_s) : "–"}</Cell>
    </tr>
  );
}

function Limits({ rows }: { rows: LimitTraffic[] }) {
  if (rows.length === 0) return <p class="empty">No key, team or model has a limit.</p>;
  const fullest = [...rows].sort((one, other) => (other.share ?? 1) - (one.share ?? 1));
  return (
    <div class="wide-table">
      <table class="table traffic" data-testid="limits">
        <thead><tr><th scope="col">Whose</th><th scope="col">Limit</th><th scope="col">Used</th><th scope="col" class="num">Free again in</th></tr></thead>
        <tbody>{fullest.map((row) => <LimitRow key={`${row.scope} ${row.name} ${row.limit}`} row={row} />)}</tbody>
      </table>
    </div>
  );
}

function Caches({ rows }: { rows: CacheTraffic[] }) {
  if (rows.length === 0) return <p class="empty">No model keeps its answers.</p>;
  return (
    <div class="wide-table">
      <table class="table traffic" data-testid="caches">
        <thead>
          <tr>
            <th scope="col">Model</th><th scope="col" class="num">Hits</th><th scope="col" class="num">Exact</th><th scope="col" class="num">Semantic</th>
            <th scope="col" class="num">Coalesced</th><th scope="col" class="num">Misses</th><th scope="col" class="num">Kept</th><th scope="col" class="num">Memory</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.model}>
              <th scope="row">{row.model}</th>
              <Cell label="Hits">{row.hit_share === null ? "–" : `${percent(row.hit_share)} %`}</Cell>
              <Cell label="Exact">{count(row.exact)}</Cell>
              <Cell label="Semantic">{count(row.semantic)}</Cell>
              <Cell label="Coalesced">{count(row.coalesced)}</Cell>
              <Cell label="Misses">{count(row.misses)}</Cell>
              <Cell label="Kept">{count(row.entries)}</Cell>
              <Cell label="Memory">{bytes(row.bytes)}</Cell>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Now({ traffic }: { traffic: Traffic }) {
  const waiting = CLASSES.filter((one) => traffic.queued[one] > 0).map((one) => `${count(traffic.queued[one])} ${one}`);
  const whole = CLASSES.reduce((sum, one) => sum + traffic.queued[one], 0);
  return (
    <dl class="facts traffic-now num" data-testid="traffic-now">
      <Fact label="In flight">{count(traffic.in_flight)}</Fact>
      <Fact label="Waiting">{waiting.length > 0 ? <><span class="tone-warn">{count(whole)}</span> <span class="quiet">{waiting.join(", ")}</span></> : "none"}</Fact>
      <Fact label="Shed">{count(traffic.shed)}</Fact>
      <Fact label="Refused by limits">{count(traffic.limited)}</Fact>
      <Fact label="Retries">{count(traffic.retries)}</Fact>
      <Fact label="Fallbacks">{count(traffic.fallbacks)}</Fact>
      <Fact label="Hedges">{count(traffic.hedges)}</Fact>
      <Fact label="Shadows">{count(traffic.shadows)}</Fact>
    </dl>
  );
}

export function TrafficView() {
  const polled = usePolled<Traffic>("/api/v1/traffic", POLL_MS);
  const traffic = polled.data;
  if (!traffic) return polled.failure ? <FailureNotice failure={polled.failure} /> : <p class="alone quiet">Looking…</p>;
  const counters = COUNTERS[traffic.counters];
  return (
    <div class="traffic-view">
      {polled.failure && <FailureNotice failure={polled.failure} />}
      <section class="panel" aria-labelledby="now-title">
        <header class="panel-head">
          <h1 id="now-title">Traffic</h1>
          <span class="quiet">{count(traffic.workers)} {traffic.workers === 1 ? "worker" : "workers"}; totals since they started</span>
        </header>
        <Now traffic={traffic} />
      </section>
      <Panel id="deployments" title="Deployments"><Deployments rows={traffic.deployments} /></Panel>
      <Experiments />
      <Panel id="limits" title="Limits" aside={<Pill tone={counters.tone} title={traffic.counters_reason ?? undefined}>{counters.word}</Pill>}><Limits rows={traffic.limits} /></Panel>
      <Panel id="caches" title="Caches"><Caches rows={traffic.caches} /></Panel>
    </div>
  );
}
