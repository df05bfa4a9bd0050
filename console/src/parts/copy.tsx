// A button that copies, and says that it did.
import { useEffect, useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain http on another host has no clipboard API; the old way still works there.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "offscreen";
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    return isCopied;
  }
}

export function CopyButton({ text, what, label }: { text: string; what: string; label?: string }) {
  const [said, setSaid] = useState<"" | "copied" | "failed">("");
  useEffect(() => {
    if (said === "") return;
    const timer = window.setTimeout(() => setSaid(""), 1600);
    return () => window.clearTimeout(timer);
  }, [said]);
  const words = said === "copied" ? "Copied" : said === "failed" ? "Select and copy by hand" : (label ?? "");
  return (
    <button
      type="button"
      class={label ? "button" : "button icon-only"}
      title={`Copy ${what}`}
      aria-label={said === "copied" ? `Copied ${what}` : `Copy ${what}`}
      onClick={(event) => {
        event.stopPropagation();
        void copy(text).then((isCopied) => setSaid(isCopied ? "copied" : "failed"));
      }}
    >
      <Icon name={said === "copied" ? "done" : "copy"} />
      {words && <span>{words}</span>}
    </button>
  );
}
