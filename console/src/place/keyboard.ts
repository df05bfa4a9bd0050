// Keys that work anywhere on the page. Refuses to know what they do.
// Invariant: a key typed into a field is text, except Escape; a key with Ctrl, Alt or Meta is the browser's,
// but for those bound with Ctrl on purpose.
import { useEffect, useRef } from "preact/hooks";

export type KeyMap = Record<string, (event: KeyboardEvent) => void>;

const SECOND_KEY_WITHIN_MS = 1200;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** Binds Ctrl (or Command) and a key, wherever the person types. */
export function useControlKey(key: string, act: () => void): void {
  const current = useRef(act);
  current.current = act;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== key) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) current.current();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [key]);
}

/** Binds keys while the component stands; a name of two keys ("g o") is a sequence. */
export function useKeys(keys: KeyMap, isOn = true): void {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    if (!isOn) return;
    let first: string | null = null;
    let timer = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) && event.key !== "Escape") return;
      if (document.querySelector("dialog[open]")) return;
      const map = current.current;
      const name = first === null ? event.key : `${first} ${event.key}`;
      window.clearTimeout(timer);
      first = null;
      const act = map[name] ?? map[event.key];
      if (act) {
        event.preventDefault();
        act(event);
      } else if (Object.keys(map).some((known) => known.startsWith(`${event.key} `))) {
        first = event.key;
        timer = window.setTimeout(() => { first = null; }, SECOND_KEY_WITHIN_MS);
      }
    };
    document.addEventListener("keydown", onKey);
    return () => {
      window.clearTimeout(timer);
      document.removeEventListener("keydown", onKey);
    };
  }, [isOn]);
}
