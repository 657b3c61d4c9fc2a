// Knows how pictures, sounds, films and files are shown, and what is said where that fails.

import { useContext, useState } from "preact/hooks";
import { isBase64, SAFE_LINK } from "./clean.js";
import { Doing } from "./context.js";
import { visibleLine } from "./visible.js";
import { size } from "./words.js";

interface Props {
  kind: string;
  mime: string | null;
  /** Base64. */
  data: string | null;
  /** A file of the thread, or where on the web it is. */
  address: string | null;
}

const MIMES: Readonly<Record<string, RegExp>> = {
  image: /^image\/(?:png|jpeg|gif|webp|avif|bmp|svg\+xml)$/,
  audio: /^audio\/[\w.+-]+$/,
  video: /^video\/[\w.+-]+$/,
};
const USUAL: Readonly<Record<string, string>> = { image: "image/png", audio: "audio/mpeg", video: "video/mp4" };

/** Media of a message or of a result. */
export function Media({ kind, mime, data, address }: Props) {
  const { fileUrl } = useContext(Doing);
  const [lost, lose] = useState(false);
  const word = { image: "Picture", audio: "Sound", video: "Film" }[kind] ?? "File";
  const type = mime ?? USUAL[kind] ?? "application/octet-stream";
  const source = sourceOf(kind, type, data) ?? (address === null ? null : (fileUrl?.(address) ?? null));
  if (lost) return <p class="lw-note lw-lost">{word} could not be loaded.</p>;
  if (source !== null) {
    if (kind === "image")
      return <img class="lw-picture" src={source} alt="Picture" loading="lazy" onError={() => lose(true)} />;
    if (kind === "audio")
      return <audio class="lw-sound" src={source} controls preload="metadata" onError={() => lose(true)} />;
    if (kind === "video")
      return <video class="lw-film" src={source} controls preload="metadata" onError={() => lose(true)} />;
  }
  if (data !== null) return <Saved data={data} type={type} word={word} />;
  return <Elsewhere word={word} address={address} source={source} />;
}

/** The address of what was sent along, where it is of a kind that is shown. */
function sourceOf(kind: string, type: string, data: string | null): string | null {
  return data !== null && MIMES[kind]?.test(type) && isBase64(data) ? `data:${type};base64,${data}` : null;
}

/** A file that was sent along: it is saved, never opened. */
function Saved({ data, type, word }: { data: string; type: string; word: string }) {
  const save = () => {
    const bytes = bytesOf(data);
    if (bytes === null) return;
    const address = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = `${word.toLowerCase()}.${/[a-z0-9]+$/.exec(type)?.[0] ?? "bin"}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };
  return (
    <p class="lw-file">
      {word} <span class="lw-soft">{`${visibleLine(type)}, ${size(Math.floor((data.length * 3) / 4))}`}</span>{" "}
      <button type="button" class="lw-quiet" onClick={save}>
        Download
      </button>
    </p>
  );
}

function bytesOf(data: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** A file that is elsewhere: a link, where it may be one. What is on the web is not fetched unasked. */
function Elsewhere({ word, address, source }: { word: string; address: string | null; source: string | null }) {
  const link = source ?? (address !== null && SAFE_LINK.test(address) ? address : null);
  const shown = address === null ? "" : visibleLine(address);
  return (
    <p class="lw-file">
      {word}{" "}
      {link === null ? (
        <span class="lw-soft">{shown || "not shown"}</span>
      ) : (
        <a href={link} target="_blank" rel="noopener noreferrer nofollow">
          {shown}
        </a>
      )}
    </p>
  );
}
