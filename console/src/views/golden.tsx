// The golden numbers, each with its line and the change to the window before. One can be opened large.
import { changeQuery } from "../place/address.ts";
import { change, changeInPoints, count, duration, durationText, percent, rate, usd, WINDOWS } from "../say/units.ts";
import type { ObjectiveShown, Screen } from "../wire/screen-shapes.ts";
import type { Measure, Overview, Quantiles } from "../wire/shapes.ts";
import type { Line } from "../parts/chart.tsx";
import { useKeys } from "../place/keyboard.ts";
import { LargeChart } from "./large-chart.tsx";
import { Tile, type TileProps } from "./tile.tsx";

/** A golden number: its tile, the measures that it stands for, and the title of its large chart. */
type Golden = Omit<TileProps, "overview" | "isChosen" | "onChoose" | "window" | "markers" | "objective"> & { measures: string[]; title: string };

const NOTHING: Measure = { value: null, previous: null, series: [] };

function line(label: string, values: (number | null)[], colour = "--series-1", short = label): Line {
  return { label, values, colour, short };
}

function quantileTile(id: string, name: string, of: Quantiles, measures: string[]): Golden {
  const { value, unit } = duration(of.p95);
  return {
    id, name, value, unit: unit && `${unit} p95`,
    more: [["p50", durationText(of.p50)], ["p99", durationText(of.p99)]],
    change: change(of.p95, of.previous_p95), better: "down",
    lines: [line("p95", of.series)], say: durationText, measures, title: `${name}, 95th percentile`,
  };
}

function costTile({ cost_usd: of, calls, cache, shadows }: Overview): Golden {
  // A window in which nothing has a price has no cost; it does not cost $0.
  const isKnown = of.value !== null && calls > 0 && (of.value > 0 || of.unpriced_calls === 0);
  const unpriced = `${count(of.unpriced_calls)} ${of.unpriced_calls === 1 ? "call" : "calls"} unpriced`;
  const asides: [string, string][] = [];
  if (cache?.saved_usd) asides.push(["cache saved", usd(cache.saved_usd)]);
  if (shadows?.calls) asides.push(["shadows apart", shadows.cost_usd === null ? "unpriced" : usd(shadows.cost_usd)]);
  return {
    id: "cost", name: "Cost", value: isKnown ? usd(of.value) : calls > 0 && of.unpriced_calls > 0 ? "unpriced" : "–", unit: "",
    more: [["", of.unpriced_calls > 0 ? unpriced : calls > 0 ? "every call priced" : "no calls"], ...asides],
    change: isKnown ? change(of.value, of.previous) : null, better: null,
    lines: [line("cost", isKnown ? of.series : of.series.map(() => null), "--series-2")], say: usd, measures: ["cost_usd_per_hour", "cost_usd"], title: "Cost",
  };
}

function goldenOf(overview: Overview): Golden[] {
  const clients = overview.client_error_rate ?? NOTHING;
  const input = overview.input_tokens_per_second;
  const output = overview.output_tokens_per_second;
  return [
    {
      id: "requests", name: "Requests", value: rate(overview.requests_per_second.value), unit: "/s",
      more: [["", `${count(overview.calls)} ${overview.calls === 1 ? "call" : "calls"}`], ...(overview.cache?.share.value ? [["cached", `${percent(overview.cache.share.value)} %`] as [string, string]] : [])],
      change: change(overview.requests_per_second.value, overview.requests_per_second.previous), better: null,
      lines: [line("requests", overview.requests_per_second.series)], say: (value) => `${rate(value)}/s`,
      measures: ["requests_per_second"], title: "Requests",
    },
    {
      id: "errors", name: "Errors", value: percent(overview.error_rate.value), unit: overview.error_rate.value === null ? "" : "%",
      more: [["clients’ own", clients.value === null ? "–" : `${percent(clients.value)} %`]],
      change: changeInPoints(overview.error_rate.value, overview.error_rate.previous), better: "down",
      lines: [line("errors", overview.error_rate.series, "--series-bad", "5xx"), line("clients’ own", clients.series, "--series-2", "4xx")],
      say: (value) => `${percent(value)} %`, measures: ["error_rate", "availability", "provider_error_rate"], title: "Errors",
    },
    quantileTile("first-token", "First token", overview.first_token_ms, ["first_token_p95_ms", "first_token_p50_ms", "first_token_p99_ms", "first_token"]),
    quantileTile("latency", "Latency", overview.latency_ms, ["latency_p95_ms", "latency_p50_ms", "latency_p99_ms", "latency"]),
    {
      id: "tokens", name: "Tokens", value: rate(output.value), unit: "/s out",
      more: [["in", `${rate(input.value)} /s`]],
      change: change(output.value, output.previous), better: null,
      lines: [line("out", output.series), line("in", input.series, "--series-2")], say: (value) => `${value >= 1000 ? `${(value / 1000).toFixed(1)}k` : rate(value)}/s`,
      measures: ["output_tokens_per_second"], title: "Output tokens",
    },
    costTile(overview),
  ];
}

/** The objective on one of these measures that is worst off. */
function objectiveOf(objectives: ObjectiveShown[] | null | undefined, measures: string[]): ObjectiveShown | null {
  const found = (objectives ?? []).filter((one) => measures.includes(one.measure));
  return found.sort((a, b) => (a.budget_left ?? 1) - (b.budget_left ?? 1))[0] ?? null;
}

export function Golden({ screen, chosen, isWaiting }: { screen: Screen; chosen: string | null; isWaiting: boolean }) {
  const { overview, markers, objectives, window_s } = screen;
  const goldens = goldenOf(overview);
  const window = WINDOWS.find((one) => one.seconds === window_s)?.long ?? "window";
  const large = goldens.find((golden) => golden.id === chosen);
  const by = new URLSearchParams(globalThis.location.search).get("by");
  useKeys({ Escape: () => changeQuery({ chart: null, by: null }) }, large !== undefined);
  return (
    <section aria-label="Golden numbers" aria-busy={isWaiting}>
      <div class={`golden${isWaiting ? " is-stale" : ""}`}>
        {goldens.map(({ measures, title: _, ...golden }) => (
          <Tile
            key={golden.id} {...golden} overview={overview} window={window} markers={markers} objective={objectiveOf(objectives, measures)}
            isChosen={golden.id === chosen} onChoose={() => changeQuery({ chart: golden.id === chosen ? null : golden.id, by: null })}
          />
        ))}
      </div>
      {large && <LargeChart measure={large.measures[0] ?? ""} title={large.title} window_s={window_s} by={by} />}
    </section>
  );
}
