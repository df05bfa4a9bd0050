// What serves: each public model name with its deployments. On a narrow screen each row becomes a card.
import { bytes, count, durationText, percent, rate, usd } from "../say/units.ts";
import { DEPLOYMENT_TONES } from "../say/words.ts";
import type { DeploymentRow, ModelRow, Price } from "../wire/shapes.ts";
import { openView } from "../place/address.ts";
import { Pill } from "../parts/small.tsx";

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

function Cell({ label, children, isNumber = true, title }: { label: string; children: preact.ComponentChildren; isNumber?: boolean; title?: string | undefined }) {
  return (
    <td data-label={label} class={isNumber ? "num" : ""} title={title}>
      {children}
    </td>
  );
}

function Deployment({ row, model, isFirst, rows, kind, share }: { row: DeploymentRow; model: string; isFirst: boolean; rows: number; kind: string; share: number | null }) {
  const slots = row.slots === null ? "–" : `${count(row.slots_busy ?? 0)}/${count(row.slots)}`;
  return (
    <tr class={isFirst ? "starts-model" : ""}>
      {isFirst && (
        <th scope="rowgroup" rowSpan={rows} class="model-name">
          <button type="button" class="link" title="Show its calls" onClick={() => openView("requests", { model })}>{model}</button>
          <span class="quiet">{kind}</span>
        </th>
      )}
      <td class="deployment" data-label="Deployment">
        <span title={row.id}>{row.engine ?? row.provider}</span>
        {row.upstream_model !== model && <span class="quiet" title={row.upstream_model}> {row.upstream_model}</span>}
        {share !== null && <span class="quiet num"> {share} %</span>}
      </td>
      <Cell label="State" isNumber={false}>
        <Pill tone={DEPLOYMENT_TONES[row.state] ?? "quiet"} title={row.reason ?? undefined}>{row.state}</Pill>
        {row.reason && row.state !== "ready" && <span class="reason">{row.reason}</span>}
      </Cell>
      <Cell label="Requests">{count(row.requests)}</Cell>
      <Cell label="Errors" title={row.error_rate === null ? undefined : `${percent(row.error_rate)} % of its requests`}>
        <span class={row.errors > 0 ? "tone-bad" : ""}>{count(row.errors)}</span>
        {row.errors > 0 && row.error_rate !== null && <span class="quiet"> {percent(row.error_rate)} %</span>}
      </Cell>
      <Cell label="First token p95">{durationText(row.first_token_p95_ms)}</Cell>
      <Cell label="Latency p95">{durationText(row.latency_p95_ms)}</Cell>
      <Cell label="Tokens/s">{rate(row.output_tokens_per_second)}</Cell>
      <Cell label="Slots" title={row.slots === null ? "A provider's, not ours" : "Slots busy, and calls that wait for one"}>
        {slots}
        {row.queued ? <span class="tone-warn" title={`${count(row.queued)} waiting`}> +{count(row.queued)}</span> : null}
      </Cell>
      <Cell label="Memory">{bytes(row.resident_bytes)}</Cell>
      <Cell label="Cost" title={priceText(row.price)}>{costText(row)}</Cell>
    </tr>
  );
}

export function ModelsTable({ models }: { models: ModelRow[] }) {
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
            <th scope="col">State</th>
            <th scope="col" class="num">Requests</th>
            <th scope="col" class="num">Errors</th>
            <th scope="col" class="num">First token <small>p95</small></th>
            <th scope="col" class="num">Latency <small>p95</small></th>
            <th scope="col" class="num">Tokens/s</th>
            <th scope="col" class="num">Slots</th>
            <th scope="col" class="num">Memory</th>
            <th scope="col" class="num">Cost</th>
          </tr>
        </thead>
        {models.map((model) => {
          const weights = model.deployments.reduce((sum, row) => sum + row.weight, 0);
          return (
            <tbody key={model.model}>
              {model.deployments.map((row, at) => (
                <Deployment
                  key={row.id} row={row} model={model.model} kind={model.kind} isFirst={at === 0} rows={model.deployments.length}
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
