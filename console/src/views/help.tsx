// The keys that work, in one dialog.
import { Dialog } from "../parts/dialog.tsx";
import { Kbd } from "../parts/small.tsx";
import { PAGES } from "../pages.tsx";

const KEYS = (): [string[], string][] => [
  ...PAGES.map((page): [string[], string] => [["g", page.key], page.word]),
  [["Ctrl", "K"], "Find anything: pages, models, keys, calls, actions"],
  [["/"], "Filter the requests"],
  [["j"], "Next call (also ↓ in the list)"],
  [["k"], "Previous call (also ↑ in the list)"],
  [["Enter"], "Open the call"],
  [["Esc"], "Close what is open"],
  [["p"], "Pause the live tail, or go on"],
  [["←", "→"], "In a chart: the moment before, the moment after"],
  [["Home", "End"], "In a chart: its first and last moment"],
  [["t"], "Light, dark, as the system"],
  [["?"], "This help"],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl class="help">
        {KEYS().map(([keys, words]) => (
          <div key={words}>
            <dt>{keys.map((key) => <Kbd key={key}>{key}</Kbd>)}</dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
