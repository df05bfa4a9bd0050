// Dark or light: the system's choice until the person makes one. Refuses to know any colour.
import { useEffect, useState } from "preact/hooks";

export type Theme = "system" | "light" | "dark";

const KEPT_AS = "pilothouse.theme";
const CHANGED = "pilothouse:theme";
const ORDER: Theme[] = ["system", "light", "dark"];

function kept(): Theme {
  try {
    const value = window.localStorage.getItem(KEPT_AS);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  window.dispatchEvent(new Event(CHANGED));
}

/** Applies the kept choice; called once before the first render. */
export function restoreTheme(): void {
  apply(kept());
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => window.dispatchEvent(new Event(CHANGED)));
}

/** Calls `listener` when colours may have changed (canvases must be drawn again). */
export function onThemeChange(listener: () => void): () => void {
  window.addEventListener(CHANGED, listener);
  return () => window.removeEventListener(CHANGED, listener);
}

/** The chosen theme and a function that moves on to the next one. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(kept);
  useEffect(() => onThemeChange(() => setTheme(kept())), []);
  const next = (): void => {
    const following = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? "system";
    try {
      if (following === "system") window.localStorage.removeItem(KEPT_AS);
      else window.localStorage.setItem(KEPT_AS, following);
    } catch {
      // Storage can be forbidden; the choice then holds for this page only.
    }
    apply(following);
    setTheme(following);
  };
  return [theme, next];
}
