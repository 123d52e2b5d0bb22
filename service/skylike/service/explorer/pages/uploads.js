// What was uploaded since this page was opened: its picture cannot stand in an address.

const known = new Map();
const MOST = 20;

/** Remember a look at a file by its embedding's text. */
export function remember(vector, look) {
  known.set(vector, look);
  if (known.size > MOST) known.delete(known.keys().next().value);
}

/** What is remembered of it: {picture, reading}; undefined after a reload. */
export const remembered = (vector) => known.get(vector);
