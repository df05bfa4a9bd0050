// The cost explorer: who and what spends, over time and as a whole, with what has no price beside it.
// Refuses to know prices. Invariant: money that is not known is never shown as zero; the address is the state.
import type { Place } from "../pages.tsx";
import { SeriesFrame } from "../parts/chart-frame.tsx";
import { Icon } from "../parts/icon.tsx";
import { FailureNotice } from "../parts/notice.tsx";
import { Fact } from "../parts/small.tsx";
import { changeQuery, hrefOf } from "../place/address.ts";
import { count, percent, usd } from "../say/units.ts";
import type { Cost, CostBy, CostRow } from "../wire/cost-shapes.ts";
import { serverNow } from "../wire/client.ts";
import { useMarkers } from "../wire/measures.ts";
import { usePolled } from "../wire/polling.ts";
import "../styles/cost.css";

const POLL_MS = 60_000;
const MOST_LINES = 6;
const BYS: { by: CostBy; word: string }[] = [
  { by: "model", word: "Model" }, { by: "deployment", word: "Deployment" }, { by: "provider", word: "Provider" },
  { by: "key", word: "Key" }, { by: "team", word: "Team" }, { by: "conversation", word: "Conversation" },
];
const SPANS = [{ days: 1, word: "24 hours" }, { days: 7, word: "7 days" }, { days: 30, word: "30 days" }, { days: 90, word: "90 days" }];
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

function nameOf(row: CostRow): string {
  return row.name ?? row.label;
}

function Money({ value, unpriced }: { value: number | null; unpriced: number }) {
  if (value === null) return <span class="quiet">{unpriced > 0 ? "no price" : "–"}</span>;
  return <>{usd(value)}</>;
}

function NameOf({ row, by }: { row: CostRow; by: CostBy }) {
  if (by === "conversation") return <a class="link mono" href={hrefOf("conversations", {}, [row.label])} data-inside>{row.label}</a>;
  if (by === "provider") return <>{nameOf(row)}</>;
  const filter = by === "key" ? "key_id" : by;
  return <a class="link" href={hrefOf("requests", { [filter]: row.label })} data-inside title="Show its requests">{nameOf(row)}</a>;
}

function Table({ cost }: { cost: Cost }) {
  return (
    <div class="wide-table">
      <table class="table traffic" data-testid="cost">
        <thead>
          <tr>
            <th scope="col">{BYS.find((one) => one.by === cost.by)?.word}</th><th scope="col" class="num">Cost</th><th scope="col">Share</th><th scope="col" class="num">Calls</th>
            <th scope="col" class="num">Without a price</th><th scope="col" class="num">Cost a call</th><th scope="col" class="num">Tokens in</th><th scope="col" class="num">Tokens out</th><th scope="col" class="num">Saved</th>
          </tr>
        </thead>
        <tbody>
          {cost.data.map((row) => (
            <tr key={row.label}>
              <th scope="row"><NameOf row={row} by={cost.by} /></th>
              <td class="num" data-label="Cost"><Money value={row.cost_usd} unpriced={row.unpriced_calls} /></td>
              <td data-label="Share"><span class="share-bar" aria-hidden="true"><span style={{ width: `${(row.share ?? 0) * 100}%` }} /></span> <span class="num">{row.share === null ? "–" : `${percent(row.share)} %`}</span></td>
              <td class="num" data-label="Calls">{count(row.calls)}</td>
              <td class="num" data-label="Without a price"><span class={row.unpriced_calls > 0 ? "tone-warn" : "quiet"}>{row.unpriced_calls > 0 ? `${percent(row.unpriced_share)} %` : "none"}</span></td>
              <td class="num" data-label="Cost a call"><Money value={row.cost_per_call_usd} unpriced={row.unpriced_calls} /></td>
              <td class="num" data-label="Tokens in">{count(row.input_tokens)}</td>
              <td class="num" data-label="Tokens out">{count(row.output_tokens)}</td>
              <td class="num" data-label="Saved">{row.saved_usd === null ? "–" : usd(row.saved_usd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function CostView({ query }: Place) {
  const by = BYS.find((one) => one.by === query.get("by"))?.by ?? "model";
  const days = SPANS.find((one) => String(one.days) === query.get("days"))?.days ?? 7;
  const to_ms = Math.ceil(serverNow() / MINUTE_MS) * MINUTE_MS;
  const asked = `by=${by}&from_ms=${to_ms - days * DAY_MS}&to_ms=${to_ms}&points=${days === 1 ? 24 : 30}`;
  const { data, failure } = usePolled<Cost>(`/api/v1/cost?${asked}`, POLL_MS);
  const markers = useMarkers(days * 86_400, undefined);
  const isRight = data?.by === by;
  const series = data && isRight ? {
    measure: "cost_usd", unit: "USD", start_ms: data.start_ms, step_ms: data.step_ms, query: { sql: data.sql, parameters: data.parameters },
    lines: (data.data.length > 0 ? data.data.slice(0, MOST_LINES) : [data.whole]).map((row) => ({ label: nameOf(row) || null, values: row.series })),
  } : null;
  return (
    <div class="cost-view">
      <section class="panel" aria-labelledby="cost-title">
        <header class="panel-head cost-head">
          <h1 id="cost-title">Cost</h1>
          <label class="cost-pick"><span class="offscreen">Told apart by</span>
            <select aria-label="Told apart by" value={by} onChange={(event) => changeQuery({ by: event.currentTarget.value })}>{BYS.map((one) => <option key={one.by} value={one.by}>by {one.word.toLowerCase()}</option>)}</select>
          </label>
          <label class="cost-pick"><span class="offscreen">How far back</span>
            <select aria-label="How far back" value={String(days)} onChange={(event) => changeQuery({ days: event.currentTarget.value })}>{SPANS.map((one) => <option key={one.days} value={String(one.days)}>{one.word}</option>)}</select>
          </label>
          <a class="button" href={`/api/v1/cost?${asked}&format=csv`} download={`cost-by-${by}.csv`}><Icon name="export" /> CSV</a>
        </header>
        {failure && <FailureNotice failure={failure} />}
        {data && isRight && (
          <dl class="facts cost-facts" data-testid="cost-whole">
            <Fact label="Spent"><b class="num"><Money value={data.whole.cost_usd} unpriced={data.whole.unpriced_calls} /></b></Fact>
            <Fact label="Calls"><span class="num">{count(data.whole.calls)}</span></Fact>
            <Fact label="Without a price"><span class={data.whole.unpriced_calls > 0 ? "tone-warn num" : "num"}>{data.whole.unpriced_share === null ? "–" : `${percent(data.whole.unpriced_share)} %`}</span> <span class="quiet num">{count(data.whole.unpriced_calls)} calls</span></Fact>
            <Fact label="Saved by the cache"><span class="num">{data.whole.saved_usd === null ? "–" : usd(data.whole.saved_usd)}</span></Fact>
          </dl>
        )}
      </section>
      <SeriesFrame title={`Cost by ${by}`} series={series} markers={markers} csv={`/api/v1/cost?${asked}&format=csv`} alert={{ measure: "cost_usd_per_hour", ...(by === "conversation" ? {} : { by }) }} />
      {data && isRight && data.data.length > 0 && <section class="panel" aria-label={`Cost by ${by}, as a table`}><Table cost={data} /></section>}
    </div>
  );
}
