// A map as numbers: fetched, unpacked, and put into cells where a point is found quickly.

import { get } from "../api.js";

const CELLS = 256; // along each side

const bytes = (base64) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
const floats = (base64) => new Float32Array(bytes(base64).buffer);

/** The map that the service draws; `filter` in the contract's words, or null. */
export async function mapOf({ collection, layout, color, limit, filter }, options) {
  const told = await get("v1/map", { collection, layout, color, limit, filter: filter && JSON.stringify(filter) }, options);
  const { density } = told;
  return {
    layout: told.layout, layouts: told.layouts, fitVersion: told.fit_version,
    ids: told.ids, x: floats(told.x), y: floats(told.y),
    color: told.color ? floats(told.color) : null, names: told.color_names,
    total: Number(told.total), isSample: told.is_sample, explained: told.explained, context: told.context,
    density: density ? {
      counts: new Uint32Array(bytes(density.counts).buffer), nx: density.nx, ny: density.ny,
      x: [density.x_low, density.x_high], y: [density.y_low, density.y_high],
    } : null,
  };
}

/** What all points lie in, with a little room around: {x: [low, high], y: [low, high]}. */
export function extent({ x, y, density }) {
  const of = (numbers, known) => {
    let [low, high] = known ?? [Infinity, -Infinity];
    for (const one of numbers) {
      if (one < low) low = one;
      if (one > high) high = one;
    }
    if (low > high) return [-1, 1];
    const room = (high - low) * 0.04 || 1;
    return [low - room, high + room];
  };
  return { x: of(x, density?.x), y: of(y, density?.y) };
}

/** Points by the cell they lie in. */
export class Cells {
  constructor({ x, y }, { x: [left, right], y: [bottom, top] }) {
    Object.assign(this, { x, y, left, bottom, width: (right - left) / CELLS, height: (top - bottom) / CELLS });
    this.begins = new Uint32Array(CELLS * CELLS + 1);
    const cells = new Uint32Array(x.length);
    for (let i = 0; i < x.length; i += 1) {
      cells[i] = this.row(y[i]) * CELLS + this.column(x[i]);
      this.begins[cells[i] + 1] += 1;
    }
    for (let i = 0; i < CELLS * CELLS; i += 1) this.begins[i + 1] += this.begins[i];
    const next = this.begins.slice(0, -1);
    this.points = new Uint32Array(x.length);
    for (let i = 0; i < x.length; i += 1) {
      this.points[next[cells[i]]] = i;
      next[cells[i]] += 1;
    }
  }

  column(x) { return Math.max(0, Math.min(CELLS - 1, Math.floor((x - this.left) / this.width))); }

  row(y) { return Math.max(0, Math.min(CELLS - 1, Math.floor((y - this.bottom) / this.height))); }

  /** The points within a box, in no order. */
  * within([left, right], [bottom, top]) {
    const [first, last] = [this.column(left), this.column(right)];
    for (let row = this.row(bottom); row <= this.row(top); row += 1) {
      for (let at = this.begins[row * CELLS + first]; at < this.begins[row * CELLS + last + 1]; at += 1) {
        const point = this.points[at];
        if (this.x[point] >= left && this.x[point] <= right && this.y[point] >= bottom && this.y[point] <= top) yield point;
      }
    }
  }

  /** The point nearest to a place and no further than a reach; -1 where there is none. */
  nearest(x, y, reach) {
    let found = -1;
    let least = reach * reach;
    for (const point of this.within([x - reach, x + reach], [y - reach, y + reach])) {
      const away = (this.x[point] - x) ** 2 + (this.y[point] - y) ** 2;
      if (away <= least) [found, least] = [point, away];
    }
    return found;
  }
}
