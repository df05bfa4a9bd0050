// The way around: the pages, the palette, the theme, help, and who is signed in. At the left edge; on a narrow
// screen along the top, with the pages at the bottom.
import { useEffect, useState } from "preact/hooks";
import { hrefOf, type View } from "../place/address.ts";
import { useTheme } from "../place/theme.ts";
import type { Session } from "../wire/shapes.ts";
import { Icon, Wheel } from "../parts/icon.tsx";
import { type Page, PAGES } from "../pages.tsx";

const THEME_ICONS = { system: "system", light: "sun", dark: "moon" } as const;
const THEME_WORDS = { system: "as the system", light: "light", dark: "dark" } as const;
/** So many pages stand at the bottom of a narrow screen; the others are behind "More". */
const AT_THE_BOTTOM = 4;

export interface HeaderProps {
  view: View;
  session: Session;
  onHelp: () => void;
  onPalette: () => void;
  onSignOut: () => void;
}

function Tab({ page, view }: { page: Page; view: View }) {
  return (
    <a class="tab" href={hrefOf(page.view)} data-inside aria-current={page.view === view ? "page" : undefined} title={`${page.word} (g ${page.key})`}>
      <Icon name={page.icon} size={18} />
      <span>{page.word}</span>
    </a>
  );
}

function Pages({ view }: { view: View }) {
  const [isMoreOpen, setMoreOpen] = useState(false);
  useEffect(() => setMoreOpen(false), [view]);
  const others = PAGES.slice(AT_THE_BOTTOM);
  return (
    <nav class="tabs" aria-label="Views">
      {PAGES.slice(0, AT_THE_BOTTOM).map((page) => <Tab key={page.view} page={page} view={view} />)}
      <div class={`tabs-more${isMoreOpen ? " is-open" : ""}`} id="more-pages">
        {others.map((page) => <Tab key={page.view} page={page} view={view} />)}
      </div>
      {others.length > 0 && (
        <button type="button" class={`tab tab-more${others.some((page) => page.view === view) ? " is-current" : ""}`} aria-expanded={isMoreOpen} aria-controls="more-pages" onClick={() => setMoreOpen(!isMoreOpen)}>
          <Icon name="menu" size={18} />
          <span>More</span>
        </button>
      )}
    </nav>
  );
}

function Account({ session, onSignOut }: { session: Session; onSignOut: () => void }) {
  const [isOpen, setOpen] = useState(false);
  const who = session.name || session.id;
  return (
    <div
      class="account"
      onKeyDown={(event) => {
        if (event.key === "Escape") setOpen(false);
      }}
      onFocusOut={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOpen(false);
      }}
    >
      <button type="button" class="button icon-only plain" aria-expanded={isOpen} aria-label={`Account: ${who}, ${session.role}`} title={who} onClick={() => setOpen(!isOpen)}>
        <span class="avatar" aria-hidden="true">{who.slice(0, 1).toUpperCase()}</span>
      </button>
      {isOpen && (
        <div class="menu">
          <p class="menu-who">
            <b>{who}</b>
            <span class="quiet">{session.role} · {session.id}</span>
          </p>
          <a class="menu-item" href="/docs">API reference</a>
          <a class="menu-item" href="/metrics">Metrics for Prometheus</a>
          <button type="button" class="menu-item" onClick={onSignOut}>
            <Icon name="out" /> Sign out
          </button>
        </div>
      )}
    </div>
  );
}

export function Header({ view, session, onHelp, onPalette, onSignOut }: HeaderProps) {
  const [theme, nextTheme] = useTheme();
  return (
    <header class="header">
      <a class="brand" href={hrefOf("overview")} data-inside aria-label="Pilothouse, overview">
        <Wheel size={26} />
        <span class="brand-name">Pilothouse</span>
      </a>
      <Pages view={view} />
      <div class="header-end">
        <button type="button" class="button icon-only plain" onClick={onPalette} aria-label="Find anything" title="Find anything (Ctrl K)" data-testid="open-palette">
          <Icon name="search" />
        </button>
        <button type="button" class="button icon-only plain" onClick={nextTheme} aria-label={`Colours: ${THEME_WORDS[theme]}. Change.`} title={`Colours: ${THEME_WORDS[theme]} (t)`} data-testid="theme">
          <Icon name={THEME_ICONS[theme]} />
        </button>
        <button type="button" class="button icon-only plain" onClick={onHelp} aria-label="Keyboard help" title="Keyboard help (?)">
          <span class="question" aria-hidden="true">?</span>
        </button>
        <Account session={session} onSignOut={onSignOut} />
      </div>
    </header>
  );
}
