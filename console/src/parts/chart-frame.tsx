// A chart of one measure with all that belongs to it: title, unit, legend, what happened meanwhile, the query
// behind it, its numbers as CSV, and the way to an alert on it.
// Refuses to know who asks. Invariant: what is exported is what is drawn.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { hrefOf } from "../place/address.ts";
import { sayerOf, unitWords } from "../say/measures.ts";
import { type ApiFailure, serverNow } from "../wire/client.ts";
import type { Dimension, Marker, Series, Shown } from "../wire/measure-shapes.ts";
import { type SeriesQuestion, seriesPath, useMarkers, useMeasure, useSeries } from "../wire/measures.ts";
import { Chart, type Line } from "./chart.tsx";
import { CopyButton } from "./copy.tsx";
import { Icon } from "./icon.tsx";
import { FailureNotice } from "./notice.tsx";
import { LINE_COLOURS } from "./plot.ts";

const HEIGHT = 220;

export interface ChartFrameProps extends SeriesQuestion {
  /** What stands above it; else the catalogue's title. */
  title?: string | undefined;
  height?: number | undefined;
  /** A value that is not to be crossed, as a dashed line. */
  limit?: number | null | undefined;
  /** Offers to close it. */
  onClose?: (() => void) | undefined;
  /** Further buttons in its head. */
  children?: ComponentChildren;
}

export interface SeriesFrameProps {
  title: string;
  series: Series | null;
  failure?: ApiFailure | null | undefined;
  description?: string | undefined;
  markers?: readonly Marker[] | undefined;
  height?: number | undefined;
  limit?: number | null | undefined;
  /** Where its numbers lie as CSV; without it they are written here from what is drawn. */
  csv?: string | undefined;
  /** The alert that it can become: the measure and what it is narrowed to. */
  alert?: Record<string, string> | null | undefined;
  group?: string | undefined;
  onClose?: (() => void) | undefined;
  children?: ComponentChildren;
}

function csvOf(series: Series): string {
  const cell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const head = ["at", ...series.lines.map((line) => cell(line.label ?? series.measure))];
  const rows = (series.lines[0]?.values ?? []).map((_, at) =>
    [new Date(series.start_ms + at * series.step_ms).toISOString(), ...series.lines.map((line) => String(line.values[at] ?? ""))].join(","),
  );
  return [head.join(","), ...rows, ""].join("\r\n");
}

/** Saves text as a file. */
function save(text: string, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function QueryPanel({ query }: { query: Shown }) {
  const parameters = JSON.stringify(query.parameters, null, 2);
  return (
    <div class="query" data-testid="query">
      <div class="query-part">
        <pre class="mono" tabIndex={0} aria-label="SQL">{query.sql.replace(/^\n+|\s+$/g, "")}</pre>
        <CopyButton text={query.sql} what="the query" />
      </div>
      <pre class="mono quiet" tabIndex={0} aria-label="Parameters">{parameters}</pre>
    </div>
  );
}

function linesOf(series: Series, title: string): Line[] {
  return series.lines.map((line, at) => ({
    label: line.label ?? (series.lines.length > 1 ? "none" : title), values: line.values, colour: LINE_COLOURS[at % LINE_COLOURS.length] ?? "--series-1",
  }));
}

/** The frame around a series that is at hand. */
export function SeriesFrame(props: SeriesFrameProps) {
  const { title, series } = props;
  const [isQueryOpen, setQueryOpen] = useState(false);
  const say = sayerOf(series?.unit ?? "");
  const lines = series ? linesOf(series, title) : [];
  const isEmpty = series !== null && !lines.some((line) => line.values.some((value) => value !== null));
  const name = `${series?.measure ?? "series"}.csv`;
  return (
    <figure class="panel chart-frame" aria-label={title} data-testid={`chart-${series?.measure ?? "waiting"}`}>
      <figcaption class="panel-head chart-head">
        <h2 title={props.description}>{title}</h2>
        {series && <span class="quiet chart-unit">{unitWords(series.unit)}</span>}
        <span class="chart-actions">
          {props.children}
          {series?.query && (
            <button type="button" class="button icon-only plain" aria-expanded={isQueryOpen} aria-label={`Show the query of ${title}`} title="Show the query" onClick={() => setQueryOpen(!isQueryOpen)}>
              <Icon name="code" />
            </button>
          )}
          {series && (props.csv ? (
            <a class="button icon-only plain" href={props.csv} download={name} aria-label={`Export ${title} as CSV`} title="Export CSV"><Icon name="export" /></a>
          ) : (
            <button type="button" class="button icon-only plain" aria-label={`Export ${title} as CSV`} title="Export CSV" onClick={() => save(csvOf(series), name)}><Icon name="export" /></button>
          ))}
          {props.alert && (
            <a class="button icon-only plain" href={hrefOf("alerts", props.alert, ["new"])} data-inside aria-label={`Make an alert of ${title}`} title="Make an alert of it"><Icon name="alert" /></a>
          )}
          {props.onClose && (
            <button type="button" class="button icon-only plain" aria-label="Close the chart" title="Close (Esc)" onClick={props.onClose}><Icon name="close" /></button>
          )}
        </span>
      </figcaption>
      {props.failure && <FailureNotice failure={props.failure} />}
      {isQueryOpen && series?.query && <QueryPanel query={series.query} />}
      {series && !isEmpty && (
        <Chart
          lines={lines} start_ms={series.start_ms} step_ms={series.step_ms} height={props.height ?? HEIGHT} say={say} hasAxes
          label={`${title} over time`} {...(props.markers ? { markers: props.markers } : {})} {...(props.group ? { group: props.group } : {})} limit={props.limit ?? null}
        />
      )}
      {isEmpty && <p class="chart-nothing quiet">Nothing was measured in this window.</p>}
      {!series && !props.failure && <div class="chart-waiting" aria-busy="true" />}
      {lines.length > 1 && !isEmpty && (
        <ul class="legend chart-legend">
          {lines.map((line) => <li key={line.label}><span class={`swatch swatch${line.colour}`} aria-hidden="true" />{line.label}</li>)}
        </ul>
      )}
    </figure>
  );
}

/** A measure of the catalogue over a window: asks for it, keeps it current, and frames it. */
export function ChartFrame({ title, height, limit, onClose, children, ...question }: ChartFrameProps) {
  const { series, failure } = useSeries(question);
  const entry = useMeasure(question.measure);
  const markers = useMarkers(question.window_s, question.end_ms);
  const only = Object.fromEntries(Object.entries(question.only ?? {}).filter(([, value]) => value !== undefined)) as Partial<Record<Dimension, string>>;
  return (
    <SeriesFrame
      title={title ?? entry?.title ?? question.measure} description={entry?.description} series={series} failure={failure} markers={markers} height={height} limit={limit} onClose={onClose}
      csv={seriesPath(question, question.end_ms ?? serverNow(), "csv")} alert={{ measure: question.measure, ...(question.by ? { by: question.by } : {}), ...only }}
    >
      {children}
    </SeriesFrame>
  );
}
