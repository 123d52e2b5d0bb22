// Where a search begins.

import { h } from "../dom.js";

export const title = "Search";

export function show(root) {
  root.append(h("h1", {}, "Search"));
}
