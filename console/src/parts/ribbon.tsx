// What happened beside a chart: deploys, changes of the configuration and alerts, each at its time.
// Refuses to know the chart. Invariant: marks that would lie upon each other become one that says how many.
import { type Cluster, clustersOf } from "../say/clusters.ts";
import { moment } from "../say/units.ts";
import type { Marker, MarkerKind } from "../wire/measure-shapes.ts";
import { Icon, type IconName } from "./icon.tsx";

const KINDS: Record<MarkerKind, { word: string; icon: IconName }> = {
  alert: { word: "Alert", icon: "alert" },
  deploy: { word: "Deploy", icon: "deploy" },
  configuration: { word: "Configuration", icon: "gear" },
};
const MOST_LISTED = 6;

function Words({ cluster, now_ms }: { cluster: Cluster; now_ms: number }) {
  const rest = cluster.markers.length - MOST_LISTED;
  return (
    <>
      {cluster.markers.slice(-MOST_LISTED).map((marker, at) => (
        <span key={at} class="ribbon-line">
          <b>{KINDS[marker.kind].word}</b> <span class="num">{moment(marker.at_ms, now_ms)}</span> {marker.text}
        </span>
      ))}
      {rest > 0 && <span class="ribbon-line quiet">and {rest} earlier</span>}
    </>
  );
}

export function Ribbon({ markers, start_ms, end_ms, isSmall = false }: { markers: readonly Marker[]; start_ms: number; end_ms: number; isSmall?: boolean }) {
  const clusters = clustersOf(markers, start_ms, end_ms);
  if (clusters.length === 0) return null;
  if (isSmall) {
    return (
      <span class="ribbon is-small" aria-hidden="true">
        {clusters.map((cluster) => <span key={cluster.share} class={`ribbon-tick ribbon-${cluster.kind}`} style={{ left: `${cluster.share * 100}%` }} />)}
      </span>
    );
  }
  const now_ms = Date.now();
  return (
    <ol class="ribbon" aria-label="What happened meanwhile">
      {clusters.map((cluster) => {
        const side = cluster.share < 0.3 ? "is-left" : cluster.share > 0.7 ? "is-right" : "";
        const link = cluster.markers.at(-1)?.link ?? null;
        const inside = (
          <>
            <Icon name={KINDS[cluster.kind].icon} size={12} />
            {cluster.markers.length > 1 && <span class="num">{cluster.markers.length}</span>}
            <span class="ribbon-words"><Words cluster={cluster} now_ms={now_ms} /></span>
          </>
        );
        return (
          <li key={cluster.share} class={`ribbon-mark ribbon-${cluster.kind} ${side}`} style={{ left: `${cluster.share * 100}%` }}>
            {link !== null ? <a class="ribbon-glyph" href={link} data-inside>{inside}</a> : <span class="ribbon-glyph" tabIndex={0} role="note">{inside}</span>}
          </li>
        );
      })}
    </ol>
  );
}
