// Knows how text gets into the clipboard, also on a page that did not come over TLS.

import { useEffect, useState } from "preact/hooks";

const SHOWN_MS = 1500;

/** Put text into the clipboard; whether it worked. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByHand(text);
  }
}

function copiedByHand(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "lw-unseen";
  area.setAttribute("aria-hidden", "true");
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
  }
}

/** A button that copies what `text` gives when it is pressed, and says for a moment that it has. */
export function CopyButton({ text, label = "Copy" }: { text: () => string; label?: string }) {
  const [said, say] = useState<string | null>(null);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => say(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const press = async () => say((await copy(text())) ? "Copied" : "Cannot copy");
  return (
    <button type="button" class="lw-quiet" aria-label={said ?? label} onClick={press}>
      {said ?? label}
    </button>
  );
}
