// The pages of the console: one line each, and everything else (navigation, keys, palette, titles) follows.
// Refuses to know what a page shows. Invariant: a page's `view` is the first part of its path, and no path that
// the server keeps for itself (`api`, `v1`, `metrics`, `docs`, `status`, … in api/console.py).
import type { ComponentType } from "preact";
import type { IconName } from "./parts/icon.tsx";
import { later } from "./parts/later.tsx";
import type { Polled } from "./wire/polling.ts";
import type { Screen } from "./wire/screen-shapes.ts";
import type { Session } from "./wire/shapes.ts";
import type { Tail } from "./wire/tail.ts";
import { OverviewView } from "./views/overview.tsx";

/** What a page is given. */
export interface Place {
  session: Session;
  /** The address's query; `changeQuery` changes it. */
  query: URLSearchParams;
  /** The parts of the path behind the page's own: `/traces/abc` has `["abc"]`. */
  rest: string[];
  /** How far back, in seconds. */
  window_s: number;
  /** Calls as they get on record. */
  tail: Tail;
  /** The first screen's answer, kept current. */
  screen: Polled<Screen>;
}

export interface Page {
  view: string;
  word: string;
  icon: IconName;
  /** The second key behind `g`. */
  key: string;
  /** Whether the status strip offers a window of time here. */
  hasWindow?: boolean;
  show: ComponentType<Place>;
}

export const PAGES: Page[] = [
  { view: "overview", word: "Overview", icon: "overview", key: "o", hasWindow: true, show: OverviewView },
  { view: "requests", word: "Requests", icon: "requests", key: "r", show: later(() => import("./views/requests.tsx").then((m) => m.Requests)) },
  { view: "alerts", word: "Alerts", icon: "alert", key: "a", show: later(() => import("./views/alerts-view.tsx").then((m) => m.AlertsView)) },
  { view: "traces", word: "Traces", icon: "traces", key: "e", show: later(() => import("./views/traces-page.tsx").then((m) => m.TracesView)) },
  { view: "conversations", word: "Conversations", icon: "conversations", key: "c", show: later(() => import("./views/conversations-page.tsx").then((m) => m.ConversationsView)) },
  { view: "objectives", word: "Objectives", icon: "objectives", key: "b", show: later(() => import("./views/objectives-page.tsx").then((m) => m.ObjectivesView)) },
  { view: "cost", word: "Cost", icon: "cost", key: "d", show: later(() => import("./views/cost-page.tsx").then((m) => m.CostView)) },
  { view: "measures", word: "Measures", icon: "measures", key: "m", show: later(() => import("./views/metrics-page.tsx").then((m) => m.MetricsView)) },
  { view: "traffic", word: "Traffic", icon: "traffic", key: "t", show: later(() => import("./views/traffic.tsx").then((m) => m.TrafficView)) },
  { view: "playground", word: "Playground", icon: "playground", key: "p", show: later(() => import("./views/playground.tsx").then((m) => m.Playground)) },
  { view: "keys", word: "Keys", icon: "keys", key: "k", show: later(() => import("./views/keys.tsx").then((m) => m.Keys)) },
  // A new page: one line like these. Free keys: c (conversations), e (traces), d (cost), b (objectives),
  // m (metrics; its path may not be `/metrics`, which is Prometheus': use `measures`), a (alerts).
];

/** The page of a view, if there is one. */
export function pageOf(view: string): Page | undefined {
  return PAGES.find((page) => page.view === view);
}
