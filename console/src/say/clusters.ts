// What happened, gathered into marks that do not lie upon each other. Refuses to know how a mark looks.
import type { Marker, MarkerKind } from "../wire/measure-shapes.ts";

const WORST_FIRST: MarkerKind[] = ["alert", "deploy", "configuration"];
/** Marks nearer than this share of the width become one. */
const APART = 0.022;

export interface Cluster {
  /** Where it stands, from 0 to 1. */
  share: number;
  kind: MarkerKind;
  markers: Marker[];
}

/** The marks between two times, those that are near each other together. */
export function clustersOf(markers: readonly Marker[], start_ms: number, end_ms: number): Cluster[] {
  const clusters: Cluster[] = [];
  const inside = markers.filter((marker) => marker.at_ms >= start_ms && marker.at_ms <= end_ms).sort((a, b) => a.at_ms - b.at_ms);
  for (const marker of inside) {
    const share = end_ms > start_ms ? (marker.at_ms - start_ms) / (end_ms - start_ms) : 0;
    const last = clusters.at(-1);
    if (last && share - last.share < APART) {
      last.markers.push(marker);
      if (WORST_FIRST.indexOf(marker.kind) < WORST_FIRST.indexOf(last.kind)) last.kind = marker.kind;
    } else clusters.push({ share, kind: marker.kind, markers: [marker] });
  }
  return clusters;
}
