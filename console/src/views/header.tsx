// The way around: the views, the theme, help, and who is signed in.
import { useState } from "preact/hooks";
import { hrefOf, type View } from "../place/address.ts";
import { useTheme } from "../place/theme.ts";
import type { Session } from "../wire/shapes.ts";
import { Icon, Wheel } from "../parts/icon.tsx";
import { PAGES } from "../pages.tsx";

const THEME_ICONS = { system: "system", light: "sun", dark: "moon" } as const;
const THEME_WORDS = { system: "as the system", light: "light", dark: "dark" } as const;

export interface HeaderProps {
  view: View;
  session: Session;
  onHelp: () => void;
  onSignOut: () => void;
}

export function Header({ view, session, onHelp, onSignOut }: HeaderProps) {
  const [theme, nextTheme] = useTheme();
  const [isMenuOpen, setMenuOpen] = useState(false);
  const who = session.name || session.id;
  return (
    <header class="header">
      <a class="brand" href={hrefOf("overview")} data-inside aria-label="Pilothouse, overview">
        <Wheel />
        <span>Pilothouse</span>
      </a>
      <nav class="tabs" aria-label="Views">
        {PAGES.map((tab) => (
          <a key={tab.view} class="tab" href={hrefOf(tab.view)} data-inside aria-current={tab.view === view ? "page" : undefined} title={`${tab.word} (g ${tab.key})`}>
            <Icon name={tab.icon} />
            <span>{tab.word}</span>
          </a>
        ))}
      </nav>
      <div class="header-end">
        <button type="button" class="button icon-only plain" onClick={nextTheme} aria-label={`Colours: ${THEME_WORDS[theme]}. Change.`} title={`Colours: ${THEME_WORDS[theme]} (t)`} data-testid="theme">
          <Icon name={THEME_ICONS[theme]} />
        </button>
        <button type="button" class="button icon-only plain" onClick={onHelp} aria-label="Keyboard help" title="Keyboard help (?)">
          <span class="question" aria-hidden="true">?</span>
        </button>
        <div
          class="account"
          onKeyDown={(event) => {
            if (event.key === "Escape") setMenuOpen(false);
          }}
          onFocusOut={(event) => {
            if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setMenuOpen(false);
          }}
        >
          <button type="button" class="button plain account-button" aria-expanded={isMenuOpen} aria-label={`Account: ${who}, ${session.role}`} onClick={() => setMenuOpen(!isMenuOpen)}>
            <span class="avatar" aria-hidden="true">{who.slice(0, 1).toUpperCase()}</span>
            <span class="account-name">{who}</span>
            <Icon name="more" size={12} />
          </button>
          {isMenuOpen && (
            <div class="menu">
              <p class="menu-who">
                <b>{who}</b>
                <span class="quiet">{session.role} · {session.id}</span>
              </p>
              <a class="menu-item" href="/docs">API reference</a>
              <a class="menu-item" href="/metrics">Metrics</a>
              <button type="button" class="menu-item" onClick={onSignOut}>
                <Icon name="out" /> Sign out
              </button>
            </div>
          )}
        </div>
      </div>
    </header>
  );
}
