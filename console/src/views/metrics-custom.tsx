// Custom metrics: each with its definition, what came of it, and the series of each of its versions.
import { SeriesFrame } from "../parts/chart-frame.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Fact, Pill } from "../parts/small.tsx";
import { hrefOf } from "../place/address.ts";
import { sayerOf } from "../say/measures.ts";
import { count, fullMoment, percent } from "../say/units.ts";
import { useMarkers } from "../wire/measures.ts";
import type { Metric, MetricDetail } from "../wire/metrics-shapes.ts";
import { usePolled } from "../wire/polling.ts";

const POLL_MS = 10_000;
const DAY_S = 86_400;
const REASONS: Record<string, string> = { division_by_zero: "division by zero", not_finite: "no finite number", failed: "the question failed", too_slow: "the question took too long" };
const EXAMPLE = `metrics:
  time_per_token: {expression: "duration_ms / output_tokens", unit: ms, goal: down}
  apologises: {expression: 'matches(answer, "(?i)sorry")', goal: down}
  resolved: {measure: resolved, goal: up}  # sent with POST /v1/feedback`;

function faultsOf(metric: Metric): number {
  return Object.values(metric.faults).reduce((sum, one) => sum + one, 0);
}

function Row({ metric, isChosen }: { metric: Metric; isChosen: boolean }) {
  const say = sayerOf(metric.unit);
  const faults = faultsOf(metric);
  return (
    <tr class={isChosen ? "is-chosen" : undefined}>
      <th scope="row">
        <a class="link" href={hrefOf("measures", {}, ["custom", metric.name])} data-inside aria-current={isChosen ? "true" : undefined}>{metric.title}</a>
        <span class="quiet mono metric-definition">{metric.definition}</span>
      </th>
      <td class="num" data-label="Last 5 minutes">{metric.recent_mean === null ? "–" : `${say(metric.recent_mean)}${metric.unit === "1" || metric.unit === "" || metric.unit === "ms" || metric.unit === "USD" ? "" : ` ${metric.unit}`}`}</td>
      <td class="num" data-label="Values">{count(metric.values)}</td>
      <td class="num" data-label="Not known">{count(metric.unknown)}</td>
      <td data-label="Faults">{faults === 0 ? <span class="quiet">none</span> : <Pill tone="warn" title={metric.last_fault ?? undefined}>{count(faults)} {REASONS[Object.keys(metric.faults)[0] ?? ""] ?? Object.keys(metric.faults)[0]}</Pill>}</td>
      <td class="num" data-label="Version">{metric.version}</td>
    </tr>
  );
}

function Detail({ name }: { name: string }) {
  const { data, failure } = usePolled<MetricDetail>(`/api/v1/metrics/${encodeURIComponent(name)}?points=96`, POLL_MS);
  const markers = useMarkers(DAY_S, undefined);
  if (failure && !data) return <FailureNotice failure={failure} />;
  const first = data?.series[0]?.series;
  const metric = data?.metric;
  const series = data && first && metric ? {
    ...first, measure: metric.measure, query: first.query ?? null,
    lines: data.series.map((one) => ({ label: `version ${one.version}`, values: one.series.lines[0]?.values ?? [] })),
  } : null;
  return (
    <>
      <SeriesFrame title={metric?.title ?? name} description={metric?.description ?? undefined} series={series} markers={markers} alert={metric ? { measure: metric.measure } : null} />
      {metric && (
        <dl class="facts panel metric-facts">
          <Fact label="Its name in charts and alerts"><code>{metric.measure}</code></Fact>
          <Fact label={metric.source === "measure" ? "Sent by applications as" : metric.source === "sql" ? "SQL" : "Expression"}><code>{metric.definition}</code></Fact>
          {metric.where !== null && <Fact label="Only of calls where"><code>{metric.where}</code></Fact>}
          {metric.sample < 1 && <Fact label="Of a sample">{percent(metric.sample)} % of calls</Fact>}
          {metric.last_fault !== null && <Fact label="Last fault"><span class="tone-warn">{REASONS[metric.last_fault] ?? metric.last_fault}</span></Fact>}
          <Fact label="Versions">{metric.versions.map((one) => `${one.version} since ${fullMoment(one.created_at_ms)}`).join("; ")}</Fact>
        </dl>
      )}
    </>
  );
}

export function CustomMetrics({ chosen: asked }: { chosen: string | undefined }) {
  const { data, failure } = usePolled<{ data: Metric[]; skipped_calls: number }>("/api/v1/metrics", POLL_MS);
  const all = data?.data ?? [];
  const chosen = asked ?? all[0]?.name;
  return (
    <>
      <section class="panel" aria-labelledby="custom-title">
        <header class="panel-head"><h2 id="custom-title">Custom metrics</h2>{data && data.skipped_calls > 0 && <span class="tone-warn">{count(data.skipped_calls)} calls were left out: too many at once</span>}</header>
        {failure && <FailureNotice failure={failure} />}
        {data && all.length === 0 && (
          <div class="empty">
            <p>Numbers of your own, computed of each call. Put them into the configuration:</p>
            <pre class="mono metric-example">{EXAMPLE}</pre>
          </div>
        )}
        {all.length > 0 && (
          <div class="wide-table">
            <table class="table traffic" data-testid="metrics">
              <thead><tr><th scope="col">Metric</th><th scope="col" class="num">Last 5 minutes</th><th scope="col" class="num">Values</th><th scope="col" class="num">Not known</th><th scope="col">Faults</th><th scope="col" class="num">Version</th></tr></thead>
              <tbody>{all.map((metric) => <Row key={metric.name} metric={metric} isChosen={metric.name === chosen} />)}</tbody>
            </table>
          </div>
        )}
      </section>
      {chosen !== undefined && <Detail key={chosen} name={chosen} />}
    </>
  );
}
