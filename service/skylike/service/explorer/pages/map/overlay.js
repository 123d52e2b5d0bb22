// What lies over a map and moves with it: the picture of a point, and marks.

import { disarmed, fill, h, said } from "../dom.js";
import { thumbnail } from "../pictures.js";

const REACH = 9; // pixels

/** Shows what the pointer is at, and keeps marks where they belong. */
export class Overlay {
  constructor(place, plot, collection, { signal, opened }) {
    Object.assign(this, { place, plot, collection, signal });
    this.card = h("div", { class: "map-card", hidden: true });
    this.marks = new Map();
    this.point = -1;
    this.layer = h("div", { class: "map-marks", "aria-hidden": "true" });
    place.append(this.layer, this.card);
    place.addEventListener("pointermove", (event) => this.look(event), { signal });
    place.addEventListener("pointerleave", () => this.show(-1), { signal });
    let pressed = null;
    place.addEventListener("pointerdown", (event) => { pressed = [event.clientX, event.clientY]; this.show(-1); }, { signal, capture: true });
    // Plotly lays something over the whole page while a button is pressed.
    addEventListener("pointerup", (event) => {
      const moved = pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]);
      pressed = null;
      const point = this.at(event);
      if (moved !== null && moved < 4 && point >= 0) opened(this.map.ids[point]);
    }, { signal, capture: true });
  }

  draw(map, cells, words) {
    Object.assign(this, { map, cells, words });
    this.show(-1);
    this.move();
  }

  at(event) {
    if (!this.map || !this.plot.isReady) return -1;
    const box = this.place.getBoundingClientRect();
    const [x, y] = this.plot.toData(event.clientX - box.left, event.clientY - box.top);
    return this.cells.nearest(x, y, REACH / Math.abs(this.plot.scale.unit));
  }

  look(event) {
    if (event.buttons || this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.show(this.at(event));
    });
  }

  /** Show the picture of a point; -1 for none. */
  show(point) {
    if (point === this.point) return;
    this.point = point;
    this.card.hidden = point < 0;
    this.mark("here", point);
    if (point < 0) return;
    const id = this.map.ids[point];
    fill(this.card, thumbnail(this.collection, id, { alt: "", signal: this.signal, loading: "eager" }),
      h("p", { class: "map-card-id" }, said(id, 60)), h("p", { class: "fine" }, this.words(point)));
    this.settle();
  }

  settle() {
    if (this.point < 0) return;
    const [across, down] = this.plot.toScreen(this.map.x[this.point], this.map.y[this.point]);
    const { offsetWidth: width, offsetHeight: height } = this.card;
    const left = across + 14 + width > this.place.clientWidth ? across - 14 - width : across + 14;
    const top = Math.max(4, Math.min(this.place.clientHeight - height - 4, down - height / 2));
    Object.assign(this.card.style, { left: `${Math.max(4, left)}px`, top: `${top}px` });
  }

  /** Put a mark of a name at a point of the map; -1 takes it away. */
  mark(name, point) { this.markAt(name, point < 0 ? null : [this.map.x[point], this.map.y[point]]); }

  /** The same at any place, with a word beside. */
  markAt(name, at, word = "") {
    this.marks.get(name)?.element.remove();
    this.marks.delete(name);
    if (!at) return;
    const element = h("span", { class: `map-mark ${name}` }, word ? h("span", {}, disarmed(word, 40)) : null);
    this.layer.append(element);
    this.marks.set(name, { at, element });
    this.move();
  }

  /** After the map has moved. */
  move() {
    if (!this.plot.isReady) return;
    for (const { at, element } of this.marks.values()) {
      const [across, down] = this.plot.toScreen(...at);
      Object.assign(element.style, { left: `${across}px`, top: `${down}px` });
    }
    this.settle();
  }
}
