// Knows how a page that a tool made is shown: cleaned, in a frame of its own that has no origin, no network and no script
// but the one that puts the page in its place.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import script from "../../public/frame.js?raw";
import { cleanPage } from "./clean.js";
import { tamed, type Tamed } from "./tame.js";

/** What a content security policy calls `frame.js` by. */
export const FRAME_HASH = "sha256-q2V06BdDsvME3NKe12QhtuGId7Tp1+sy7f8nKJTZTRo=";

const POLICY = `default-src 'none'; script-src '${FRAME_HASH}'; style-src 'unsafe-inline'; img-src data:`;
const PAGE =
  `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">` +
  `<body><script>${script}</script>`;

/** The type of the page around it, where a page has no style of its own. */
const STYLE = `
  html { color-scheme: light; background: #fff }
  body { margin: 0; padding: 12px; font: 14px/1.5 system-ui, sans-serif; color: #1d1d1f; overflow-wrap: anywhere }
  table { border-collapse: collapse } th, td { padding: 4px 10px; border-bottom: 1px solid #e3e3e6; text-align: start }
  img, svg { max-width: 100%; height: auto }
`;
const MOST_HEIGHT = 4_000;

/** Clean a page; null where nothing is left that could be seen. */
export function pageOf(html: string): Tamed | null {
  const { html: read, styles } = tamed(html);
  const home = document.createElement("div");
  home.append(cleanPage(read));
  for (const sheet of home.querySelectorAll("style")) sheet.remove();
  for (const element of home.querySelectorAll("[style]")) element.removeAttribute("style");
  for (const picture of home.querySelectorAll("img:not([src])")) picture.replaceWith(picture.getAttribute("alt") ?? "");
  const seen = home.textContent?.trim() || home.querySelector("img, svg, hr, table");
  return seen ? { html: home.innerHTML, styles } : null;
}

export function Frame({ page, title }: { page: Tamed; title: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const [height, setHeight] = useState(60);
  const told = useMemo(() => ({ lwHtml: page.html, lwStyles: [STYLE, ...page.styles] }), [page]);
  useEffect(() => {
    const hear = ({ source, data }: MessageEvent) => {
      const inside = frame.current?.contentWindow;
      if (!inside || source !== inside) return;
      // It has no origin that could be named.
      if (data?.lw === "ready") inside.postMessage(told, "*");
      else if (data?.lw === "height" && Number.isFinite(data.height)) setHeight(Math.min(data.height, MOST_HEIGHT));
    };
    addEventListener("message", hear);
    frame.current?.contentWindow?.postMessage(told, "*");
    return () => removeEventListener("message", hear);
  }, [told]);
  return (
    <iframe
      class="lw-frame"
      ref={frame}
      title={title}
      sandbox="allow-scripts allow-popups"
      referrerpolicy="no-referrer"
      loading="lazy"
      srcdoc={PAGE}
      style={{ height: `${height}px` }}
    />
  );
}
