// Knows which form of a thing is shown, of those that it has: the one that says most and needs least.

import { useMemo } from "preact/hooks";
import type { DataItem, DisplayItem } from "../story/model.js";
import { CopyButton } from "./copy.js";
import { Disclosure } from "./disclosure.js";
import { Frame, pageOf } from "./frame.js";
import { Markdown } from "./markdown/markdown.js";
import { Media } from "./media.js";
import { memo } from "./memo.js";
import { tableOf } from "./table.js";
import { TableView, Value } from "./value.js";
import { visibleLine } from "./visible.js";

const LONE_SURROGATE = /[\ud800-\udfff]/gu;
const PICTURES = ["image/png", "image/jpeg", "image/webp", "image/gif"];

export const DisplayView = memo(function DisplayView({ item }: { item: DisplayItem; version: number }) {
  const title = item.title === null ? null : visibleLine(item.title);
  return (
    <figure class="lw-display">
      {title && <figcaption>{title}</figcaption>}
      <Bundle bundle={item.bundle} title={title ?? "Display"} />
    </figure>
  );
});

function Bundle({ bundle, title }: { bundle: DisplayItem["bundle"]; title: string }) {
  const table = tableOf(bundle["application/json"]);
  if (table) return <TableView table={table} />;
  const svg = bundle["image/svg+xml"];
  if (typeof svg === "string") return <Drawing svg={svg} title={title} />;
  const picture = PICTURES.find((mime) => typeof bundle[mime] === "string");
  if (picture)
    return <Media kind="image" mime={picture} data={(bundle[picture] as string).replace(/\s/g, "")} address={null} />;
  const html = bundle["text/html"];
  if (typeof html === "string") return <Page html={html} title={title} bundle={bundle} />;
  return <Plain bundle={bundle} />;
}

/** A drawing in an `<img>`: there it runs nothing and fetches nothing. */
function Drawing({ svg, title }: { svg: string; title: string }) {
  const source = useMemo(
    () => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg.replace(LONE_SURROGATE, "\ufffd"))}`,
    [svg],
  );
  return <img class="lw-picture lw-drawing" src={source} alt={title} />;
}

function Page({ html, title, bundle }: { html: string; title: string; bundle: DisplayItem["bundle"] }) {
  const page = useMemo(() => pageOf(html), [html]);
  if (page) return <Frame page={page} title={title} />;
  return (
    <>
      <p class="lw-note">This display needs programs, which are not run here.</p>
      <Plain bundle={bundle} />
    </>
  );
}

function Plain({ bundle }: { bundle: DisplayItem["bundle"] }) {
  const markdown = bundle["text/markdown"];
  if (typeof markdown === "string") return <Markdown text={markdown} open={false} />;
  const kind = ["application/json", "text/plain"].find((mime) => mime in bundle) ?? Object.keys(bundle)[0];
  return kind === undefined ? <p class="lw-note">empty</p> : <Value value={bundle[kind]} />;
}

/** Data that has no other place. */
export const DataView = memo(function DataView({ item }: { item: DataItem; version: number }) {
  const label = visibleLine(item.label);
  return (
    <Disclosure
      kind="lw-data"
      open={false}
      summary={
        <>
          <span class="lw-name">{label}</span> <span class="lw-preview">{preview(item.data)}</span>
        </>
      }
    >
      {() => (
        <>
          <Value value={item.data} />
          <CopyButton text={() => (typeof item.data === "string" ? item.data : JSON.stringify(item.data, null, 2))} />
        </>
      )}
    </Disclosure>
  );
});

const PREVIEW_CHARACTERS = 120;

/** The beginning of a value, in one line. */
export function preview(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return visibleLine(text.slice(0, PREVIEW_CHARACTERS).replace(/\s+/g, " "));
}
