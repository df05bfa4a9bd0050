// The address bar is the state: which view, which window, which filters, which call.
// Refuses to know what a view shows. Invariant: loading the address again gives the same screen.
import { useEffect, useState } from "preact/hooks";

/** A view's name: the first part of its path, but for the overview, which is at `/`. `pages.tsx` lists them. */
export type View = string;

export interface Address {
  view: View;
  /** The parts of the path behind the view: `/traces/abc` has `["abc"]`. */
  rest: string[];
  query: URLSearchParams;
}

/** What stays in the query when the view changes. */
const KEPT = ["window"];

function pathOf(view: View, rest: readonly string[] = []): string {
  const parts = [...(view === "overview" ? [] : [view]), ...rest];
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

/** Reads the address bar. A link of the form `/#/view?query` is taken for `/view?query`. */
export function readAddress(): Address {
  if (window.location.hash.startsWith("#/")) window.history.replaceState(null, "", window.location.hash.slice(1));
  const [view = "overview", ...rest] = window.location.pathname.split("/").filter((part) => part !== "").map(decoded);
  return { view, rest, query: new URLSearchParams(window.location.search) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
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

/** The link to a view, for `href` and for `openView`; `rest` are further parts of the path. */
export function hrefOf(view: View, query: Record<string, string> = {}, rest: readonly string[] = []): string {
  const next = new URLSearchParams();
  for (const name of KEPT) {
    const value = new URLSearchParams(window.location.search).get(name);
    if (value !== null) next.set(name, value);
  }
  for (const [name, value] of Object.entries(query)) next.set(name, value);
  const search = next.toString();
  return search ? `${pathOf(view, rest)}?${search}` : pathOf(view, rest);
}

/** Opens a view, keeping only what every view shares. */
export function openView(view: View, query: Record<string, string> = {}, rest: readonly string[] = []): void {
  const url = new URL(hrefOf(view, query, rest), window.location.origin);
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
    window.addEventListener("hashchange", read);
    window.addEventListener(CHANGED, read);
    return () => {
      window.removeEventListener("popstate", read);
      window.removeEventListener("hashchange", read);
      window.removeEventListener(CHANGED, read);
    };
  }, []);
  return address;
}
