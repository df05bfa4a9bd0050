// One field that finds anything: pages, models, keys, calls and traces by their id, and things to do.
// Refuses to know how a thing is done. Invariant: what is found can be reached with the arrow keys and Enter alone.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { changeQuery, openView } from "../place/address.ts";
import { ask } from "../wire/client.ts";
import type { Screen } from "../wire/screen-shapes.ts";
import type { KeyRow, Session } from "../wire/shapes.ts";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Kbd } from "../parts/small.tsx";
import { pageOf, PAGES } from "../pages.tsx";

interface Found {
  id: string;
  word: string;
  more: string;
  icon: IconName;
  keys?: string;
  act: () => void;
}

export interface PaletteProps {
  screen: Screen | null;
  session: Session;
  onClose: () => void;
  onHelp: () => void;
  onTheme: () => void;
  onSignOut: () => void;
}

const MOST = 12;
const TRACE = /^[0-9a-f]{32}$/i;
const ID = /^(req_|01|call_)?[\w-]{8,}$/;

/** Ranks: the word begins with it, a part of the word does, it is somewhere; otherwise it is not found. */
function rank(found: Found, text: string): number {
  const word = found.word.toLowerCase();
  if (word.startsWith(text)) return 0;
  if (word.split(/[\s/_.-]+/).some((part) => part.startsWith(text))) return 1;
  if (word.includes(text)) return 2;
  return found.more.toLowerCase().includes(text) ? 3 : Number.POSITIVE_INFINITY;
}

function byId(text: string): Found[] {
  const found: Found[] = [];
  if (TRACE.test(text) && pageOf("traces")) {
    found.push({ id: "trace", word: `Trace ${text}`, more: "open it", icon: "traces", act: () => openView("traces", {}, [text.toLowerCase()]) });
  }
  if (ID.test(text) && /\d/.test(text)) {
    found.push({ id: "call", word: `Call ${text}`, more: "by its call or request id", icon: "requests", act: () => changeQuery({ call: text }, false) });
  }
  return found;
}

function everything({ screen, onHelp, onTheme, onSignOut }: PaletteProps, keys: KeyRow[]): Found[] {
  const pages = PAGES.map((page): Found => ({ id: `page ${page.view}`, word: page.word, more: "page", icon: page.icon, keys: `g ${page.key}`, act: () => openView(page.view) }));
  const models = (screen?.models ?? []).flatMap((model): Found[] => [
    { id: `model ${model.model}`, word: model.model, more: `${model.kind} model: its calls`, icon: "requests", act: () => openView("requests", { model: model.model }) },
    ...(model.kind === "chat" ? [{ id: `try ${model.model}`, word: `Talk to ${model.model}`, more: "playground", icon: "playground" as const, act: () => openView("playground", { model: model.model }) }] : []),
  ]);
  const ofKeys = keys.map((key): Found => ({ id: `key ${key.id}`, word: key.name || key.id, more: `key${key.team ? ` of ${key.team}` : ""}: its calls`, icon: "keys", act: () => openView("requests", { key_id: key.id }) }));
  const actions: Found[] = [
    { id: "failed", word: "Show what failed", more: "calls answered with 5xx", icon: "warn", act: () => openView("requests", { status_class: "server_error" }) },
    ...(pageOf("alerts") ? [{ id: "new alert", word: "New alert", more: "action", icon: "alert" as const, act: () => openView("alerts", {}, ["new"]) }] : []),
    { id: "theme", word: "Change the colours", more: "light, dark, as the system", icon: "moon", keys: "t", act: onTheme },
    { id: "share", word: "Copy the link to this screen", more: "action", icon: "copy", act: () => void navigator.clipboard?.writeText(window.location.href) },
    { id: "help", word: "Keyboard help", more: "action", icon: "command", keys: "?", act: onHelp },
    { id: "api", word: "API reference", more: "opens /docs", icon: "code", act: () => window.location.assign("/docs") },
    { id: "out", word: "Sign out", more: "action", icon: "out", act: onSignOut },
  ];
  return [...pages, ...models, ...ofKeys, ...actions];
}

/** The keys, for those who may see them. */
function useKeyRows(): KeyRow[] {
  const [keys, setKeys] = useState<KeyRow[]>([]);
  useEffect(() => {
    ask<{ data: KeyRow[] }>("/api/v1/keys").then((list) => setKeys(list.data.filter((key) => key.revoked_at_ms === null)), () => setKeys([]));
  }, []);
  return keys;
}

export function Palette(props: PaletteProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const keys = useKeyRows();
  const all = useMemo(() => everything(props, keys), [props.screen?.models, keys]);
  const wanted = text.trim().toLowerCase();
  const ranked = all.map((one) => ({ one, place: wanted ? rank(one, wanted) : 0 })).filter(({ place }) => Number.isFinite(place));
  const found = [...byId(text.trim()), ...ranked.sort((a, b) => a.place - b.place).map(({ one }) => one)].slice(0, MOST);
  const active = Math.min(at, found.length - 1);

  useEffect(() => {
    dialog.current?.showModal();
    return () => dialog.current?.close();
  }, []);
  useEffect(() => document.getElementById(`palette-${active}`)?.scrollIntoView({ block: "nearest" }), [active]);

  const choose = (one: Found | undefined): void => {
    if (!one) return;
    props.onClose();
    one.act();
  };
  const onKey = (event: KeyboardEvent): void => {
    const moves: Record<string, number> = { ArrowDown: active + 1, ArrowUp: active - 1, Home: 0, End: found.length - 1 };
    const next = moves[event.key];
    if (next !== undefined && (text === "" || event.key.startsWith("Arrow"))) {
      event.preventDefault();
      setAt((next + found.length) % Math.max(1, found.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(found[active]);
    }
  };

  return (
    <dialog
      ref={dialog} class="dialog palette" aria-label="Find anything" data-testid="palette"
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) props.onClose();
      }}
    >
      <label class="palette-field">
        <Icon name="search" />
        <span class="offscreen">Find anything</span>
        <input
          type="text" role="combobox" autofocus autocomplete="off" spellcheck={false} placeholder="Page, model, key, id of a call or trace, action" value={text}
          aria-expanded="true" aria-controls="palette-list" aria-activedescendant={found.length > 0 ? `palette-${active}` : undefined}
          onKeyDown={onKey}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setAt(0);
          }}
        />
        <Kbd>Esc</Kbd>
      </label>
      <ul class="palette-list" id="palette-list" role="listbox" aria-label="Found">
        {found.map((one, index) => (
          <li key={one.id} id={`palette-${index}`} role="option" aria-selected={index === active} class={`palette-item${index === active ? " is-active" : ""}`} onClick={() => choose(one)} onPointerMove={() => setAt(index)}>
            <Icon name={one.icon} />
            <span class="palette-word">{one.word}</span>
            <span class="palette-more quiet">{one.more}</span>
            {one.keys && <Kbd>{one.keys}</Kbd>}
          </li>
        ))}
        {found.length === 0 && <li class="empty">Nothing of that name.</li>}
      </ul>
    </dialog>
  );
}
