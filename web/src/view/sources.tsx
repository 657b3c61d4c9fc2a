// Knows how the sources of a text are named.

import { SAFE_LINK } from "./clean.js";
import { isRecord } from "./marks.js";
import { visibleLine } from "./visible.js";

interface Named {
  title: string;
  address: string | null;
}

/** The sources that a text names, each once. */
export function Sources({ citations }: { citations: readonly unknown[] }) {
  const sources = new Map(citations.map(read).map((source) => [source.address ?? source.title, source]));
  if (sources.size === 0) return null;
  return (
    <ol class="lw-sources" aria-label="Sources">
      {[...sources].map(([key, { title, address }]) => (
        <li key={key}>
          {address ? (
            <a href={address} title={address} target="_blank" rel="noopener noreferrer nofollow">
              {title}
            </a>
          ) : (
            <bdi>{title}</bdi>
          )}
        </li>
      ))}
    </ol>
  );
}

function read(data: unknown): Named {
  const fields = isRecord(data) ? data : {};
  const said = (...names: string[]) =>
    names.map((name) => fields[name]).find((text) => typeof text === "string" && text);
  const given = said("url", "uri", "source");
  const address = typeof given === "string" && SAFE_LINK.test(given) ? given : null;
  const title = said("title", "document_title", "name", "url", "uri", "source", "cited_text") ?? "source";
  return { title: visibleLine(String(title)), address };
}
