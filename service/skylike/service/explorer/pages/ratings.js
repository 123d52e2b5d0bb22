// What somebody thinks of objects: read once, written one by one, and taken back.

import { get, post } from "./api.js";

const STORED = "skylike-rater";
const DEFAULT = "visitor";

/** Ratings of one person in one collection. */
export class Ratings {
  constructor(collection, signal) {
    this.collection = collection;
    this.signal = signal;
    this.known = new Map();
    this.done = []; // [id, what it was before]
    this.who = stored();
  }

  /** Whose they are from now on; those that are known are of somebody else then. */
  async call(who) {
    this.who = who.trim() || DEFAULT;
    try {
      localStorage.setItem(STORED, this.who);
    } catch {
      // Storage is closed: until the page is left.
    }
    this.done = [];
    await this.load();
  }

  async load() {
    this.known.clear();
    for (let token = ""; ;) {
      const told = await get("v1/ratings", { collection: this.collection, who: this.who, page_size: 1000, page_token: token }, { signal: this.signal });
      for (const one of told.ratings) this.known.set(one.object_id, { score: one.score, is_artefact: one.is_artefact });
      token = told.next_page_token;
      if (!token) return;
    }
  }

  /** {score, is_artefact} of an object; undefined where it has none. */
  of(id) { return this.known.get(id); }

  async rate(id, rating) {
    const before = this.of(id);
    await this.write(id, rating);
    this.done.push([id, before]);
  }

  /** Take the last rating back; the id it was of, undefined where there is none. */
  async undo() {
    const last = this.done.at(-1);
    if (!last) return undefined;
    await this.write(...last);
    this.done.pop();
    return last[0];
  }

  async write(id, rating) {
    const told = { object_id: id, ...(rating ?? {}) };
    await post("v1/ratings", { collection: this.collection, who: this.who, ratings: [told] }, { signal: this.signal });
    if (rating) this.known.set(id, rating);
    else this.known.delete(id);
  }
}

function stored() {
  try {
    return localStorage.getItem(STORED) || DEFAULT;
  } catch {
    return DEFAULT;
  }
}
