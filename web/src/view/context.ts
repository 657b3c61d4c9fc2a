// Knows what all parts of a drawn story share.

import { createContext } from "preact";
import type { Deeds } from "./contract.js";

export const NO_DEEDS: Deeds = {};

/** What the reader can do. */
export const Doing = createContext<Deeds>(NO_DEEDS);

/** How many lanes something lies in. */
export const Depth = createContext(0);
