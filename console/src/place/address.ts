// The address bar is the state: which view, which window, which filters, which call.
// Refuses to know what a view shows. Invariant: loading the address again gives the same screen.
import { useEffect, useState } from "preact/hooks";

export type View = "overview" | "requests" | "traffic" | "playground" | "keys" | "missing";

export interface Address {
  view: View;
  query: URLSearchParams;
}

const PATHS: Record<Exclude<View, "missing">, string> = {
  overview: "/",
  requests: "/requests",
  traffic: "/traffic",
  playground: "/playground",
  keys: "/keys",
};

/** What stays in the query when the view changes. */
const KEPT = ["window"];

/** Reads the address bar. */
export function readAddress(): Address {
  const path = window.location.pathname.replace(/\/+$/, "") || "/";
  const found = Object.entries(PATHS).find(([, known]) => known === path);
  return { view: found ? (found[0] as View) : "missing", query: new URLSearchParams(window.location.search) };
}

const CHANGED = "pilothouse:address";

function go(path: string, query: URLSearchParams, isReplacing: boolean): void {
  const search = query.toString();
  const next = search ? `${path}?${search}` : path;
  if (next === window.location.pathname + window.location.search) return;
  if (isReplacing) window.history.replaceState(null, "", next);
  else window.history.pushState(null, "", next);
  window.dispatchEvent(new Event(CHANGED));
}

/** The link to a view, for `href` and for `openView`. */
export function hrefOf(view: Exclude<View, "missing">, query: Record<string, string> = {}): string {
  const next = new URLSearchParams();
  for (const name of KEPT) {
    const value = new URLSearchParams(window.location.search).get(name);
    if (value !== null) next.set(name, value);
  }
  for (const [name, value] of Object.entries(query)) next.set(name, value);
  const search = next.toString();
  return search ? `${PATHS[view]}?${search}` : PATHS[view];
}

/** Opens a view, keeping only what every view shares. */
export function openView(view: Exclude<View, "missing">, query: Record<string, string> = {}): void {
  const url = new URL(hrefOf(view, query), window.location.origin);
  go(url.pathname, url.searchParams, false);
}

/** Changes parts of the query in place; `null` takes a part out. A change of filter replaces, a call pushes. */
export function changeQuery(changes: Record<string, string | null>, isReplacing = true): void {
  const query = new URLSearchParams(window.location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  go(window.location.pathname, query, isReplacing);
}

/** Lets a plain click on a link change the view without loading the page; other clicks stay the browser's. */
export function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.("a[data-inside]");
  if (!(link instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  const url = new URL(link.href);
  go(url.pathname, url.searchParams, false);
}

/** The address, kept current. */
export function useAddress(): Address {
  const [address, setAddress] = useState(readAddress);
  useEffect(() => {
    const read = (): void => setAddress(readAddress());
    window.addEventListener("popstate", read);
    window.addEventListener(CHANGED, read);
    return () => {
      window.removeEventListener("popstate", read);
      window.removeEventListener(CHANGED, read);
    };
  }, []);
  return address;
}
