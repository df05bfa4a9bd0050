// What serves: each public model name with its deployments. On a narrow screen each row becomes a card.
import type { ComponentChildren } from "preact";
import { hrefOf } from "../place/address.ts";
import { bytes, count, durationText, percent, rate, usd } from "../say/units.ts";
import { DEPLOYMENT_TONES, type Tone } from "../say/words.ts";
import type { Extra, Screen } from "../wire/screen-shapes.ts";
import type { DeploymentRow, Price } from "../wire/shapes.ts";
import { Icon } from "../parts/icon.tsx";
import { Pill } from "../parts/small.tsx";
import { pageOf } from "../pages.tsx";

/** "$0.15 / $0.60 per million": in and out. */
function priceText(price: Price | null): string {
  if (!price) return "no price known";
  if (price.input_usd === 0 && price.output_usd === 0) return "free by configuration";
  return `${usd(price.input_usd)} in, ${usd(price.output_usd)} out per million`;
}

function costText(row: DeploymentRow): string {
  if (row.requests === 0) return "–";
  if (row.cost_usd === null || (row.cost_usd === 0 && row.unpriced_calls > 0)) return row.unpriced_calls > 0 ? "unpriced" : "–";
  return usd(row.cost_usd);
}

/** How a deployment is: its state, unless its breaker says worse. */
function healthOf(row: DeploymentRow, extra: Extra | undefined): { word: string; tone: Tone; reason: string | null } {
  if (extra?.breaker === "open") return { word: "tripped", tone: "bad", reason: extra.cause ?? row.reason };
  if (extra?.breaker === "half_open") return { word: "probing", tone: "warn", reason: extra.cause ?? row.reason };
  return { word: row.state, tone: DEPLOYMENT_TONES[row.state] ?? "quiet", reason: row.state === "ready" ? null : row.reason };
}

/** Where a deployment's calls are listed. */
function callsOf(deployment: string): string {
  return pageOf("traces") ? hrefOf("traces", { filter: `deployment = ${JSON.stringify(deployment)}` }) : hrefOf("requests", { deployment });
}

function Cell({ label, children, isNumber = true, title }: { label: string; children: ComponentChildren; isNumber?: boolean; title?: string | undefined }) {
  return (
    <td data-label={label} class={isNumber ? "num" : ""} title={title}>
      {children}
    </td>
  );
}

function Queue({ row, extra }: { row: DeploymentRow; extra: Extra | undefined }) {
  const busy = row.slots === null ? count(extra?.in_flight ?? 0) : `${count(row.slots_busy ?? 0)}/${count(row.slots)}`;
  const title = row.slots === null ? "Calls under way" : "Slots busy, of all; and calls that wait for one";
  return (
    <Cell label="Queue" title={title}>
      {busy}
      {row.queued ? <span class="tone-warn"> +{count(row.queued)}</span> : null}
    </Cell>
  );
}

interface RowProps {
  row: DeploymentRow;
  extra: Extra | undefined;
  model: string;
  kind: string;
  isFirst: boolean;
  rows: number;
  share: number | null;
  window_s: number;
}

function Deployment({ row, extra, model, kind, isFirst, rows, share, window_s }: RowProps) {
  const health = healthOf(row, extra);
  const served = row.engine ?? row.provider;
  return (
    <tr class={isFirst ? "starts-model" : ""}>
      {isFirst && (
        <th scope="rowgroup" rowSpan={rows} class="model-name">
          <a class="link" href={hrefOf("requests", { model })} data-inside title="Show its calls">{model}</a>
          <span class="quiet">{kind}</span>
        </th>
      )}
      <td class="deployment" data-label="Deployment">
        <a class="link" href={callsOf(row.id)} data-inside title={`${row.id}: show its calls`}>{served}</a>
        {share !== null && <span class="quiet num"> {share} %</span>}
      </td>
      <Cell label="Health" isNumber={false}>
        <Pill tone={health.tone} title={health.reason ?? undefined}>{health.word}</Pill>
        {health.reason && <span class="reason">{health.reason}</span>}
      </Cell>
      <td class="version" data-label="Version" title={row.resident_bytes ? `${row.upstream_model}, ${bytes(row.resident_bytes)} resident` : row.upstream_model}>{row.upstream_model}</td>
      <Cell label="QPS" title={`${count(row.requests)} requests`}>{row.requests === 0 ? "0" : rate(row.requests / window_s)}</Cell>
      <Cell label="TPS" title="Output tokens a second">{rate(row.output_tokens_per_second)}</Cell>
      <Cell label="First token p95">{durationText(row.first_token_p95_ms)}</Cell>
      <Cell label="Per token p95">{durationText(extra?.token_time_p95_ms)}</Cell>
      <Cell label="Errors" title={row.error_rate === null ? undefined : `${count(row.errors)} of ${count(row.requests)} requests`}>
        <span class={row.errors > 0 ? "tone-bad" : ""}>{row.errors > 0 && row.error_rate !== null ? `${percent(row.error_rate)} %` : count(row.errors)}</span>
      </Cell>
      <Queue row={row} extra={extra} />
      <Cell label="Cache" title="Share of the model's calls that the cache answered">{extra?.cache_share ? `${percent(extra.cache_share)} %` : "–"}</Cell>
      <Cell label="Cost" title={priceText(row.price)}>{costText(row)}</Cell>
      <td class="drill">
        <a class="button icon-only plain" href={callsOf(row.id)} data-inside aria-label={`Calls of ${row.id}`} title="Its calls"><Icon name="search" size={14} /></a>
      </td>
    </tr>
  );
}

export function ModelsTable({ screen }: { screen: Screen }) {
  const { models, extras, window_s } = screen;
  if (models.length === 0) {
    return <p class="empty">No model is configured. An empty configuration serves the bundled one: see <code>pilothouse config explain</code>.</p>;
  }
  return (
    <div class="wide-table">
      <table class="table models" data-testid="models">
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Deployment</th>
            <th scope="col">Health</th>
            <th scope="col">Version</th>
            <th scope="col" class="num"><abbr title="Requests a second">QPS</abbr></th>
            <th scope="col" class="num"><abbr title="Output tokens a second">TPS</abbr></th>
            <th scope="col" class="num">First token <small>p95</small></th>
            <th scope="col" class="num">Per token <small>p95</small></th>
            <th scope="col" class="num">Errors</th>
            <th scope="col" class="num">Queue</th>
            <th scope="col" class="num">Cache</th>
            <th scope="col" class="num">Cost</th>
            <th scope="col"><span class="offscreen">Calls</span></th>
          </tr>
        </thead>
        {models.map((model) => {
          const weights = model.deployments.reduce((sum, row) => sum + row.weight, 0);
          return (
            <tbody key={model.model}>
              {model.deployments.map((row, at) => (
                <Deployment
                  key={row.id} row={row} extra={extras[row.id]} model={model.model} kind={model.kind} isFirst={at === 0} rows={model.deployments.length} window_s={window_s}
                  share={model.deployments.length > 1 && weights > 0 ? Math.round((row.weight * 100) / weights) : null}
                />
              ))}
            </tbody>
          );
        })}
      </table>
    </div>
  );
}
