// Knows the ways in which a conversation can be taken away as a file.

import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const FORMATS = [
  ["html", "HTML"],
  ["markdown", "Markdown"],
  ["jsonl", "JSON lines"],
] as const;

export function Export({ address }: { address: (format: string) => string }): JSX.Element {
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!open) return;
    const away = (event: Event): void => {
      if (event instanceof KeyboardEvent ? event.key === "Escape" : !menu.current?.contains(event.target as Node)) {
        setOpen(false);
      }
    };
    addEventListener("pointerdown", away);
    addEventListener("keydown", away);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("keydown", away);
    };
  }, [open]);
  return (
    <div class="pg-export" ref={menu}>
      <button type="button" class="pg-quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
        Export
      </button>
      {open && (
        <ul class="pg-menu" aria-label="Export as">
          {FORMATS.map(([format, name]) => (
            <li key={format}>
              <a href={address(format)} download onClick={() => setOpen(false)}>
                {name}
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
