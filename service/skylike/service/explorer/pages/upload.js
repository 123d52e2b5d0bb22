// A file of the visitor's: looked at, its HDU and plane chosen, then searched with.

import { send } from "./api.js";
import { cutChoice, drawable, selectorOf } from "./cut.js";
import { disarmed, fill, h, said, tell } from "./dom.js";
import { headerFacts, inspectFile, pictureOf, planeChoice, readingFacts, stretchChoice, warningsOf } from "./inspect.js";
import { button, failed, loading, number, section } from "./parts.js";
import { vectorText } from "./queries.js";
import { remember } from "./uploads.js";

/** The part of the search view that takes a file. */
export function uploadPart(state, go) {
  const looked = h("div", { id: "looked", "aria-live": "polite" });
  const input = h("input", { id: "file", type: "file", class: "unseen", accept: ".fits,.fit,.fts,.fz,.gz,.bz2,.zip,application/fits,image/fits" });
  const zone = h("label", { for: "file", class: "drop" },
    h("span", { class: "drop-title" }, "Drop a FITS file here"),
    h("span", { class: "fine" }, "or choose one; it is sent to this service only, and not stored"));
  let another = new AbortController();
  const take = (file) => {
    if (!file) return;
    zone.classList.add("used");
    another.abort(new DOMException("another file is looked at", "AbortError"));
    another = new AbortController();
    begin(file, { ...state, signal: AbortSignal.any([state.signal, another.signal]) }, go, looked);
  };
  // Or the same file, though it is another by now, would be no change.
  input.addEventListener("click", () => { input.value = ""; });
  input.addEventListener("change", () => take(input.files[0]));
  for (const [event, isOver] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    zone.addEventListener(event, (heard) => {
      heard.preventDefault();
      zone.classList.toggle("over", isOver);
      if (event === "drop") take(heard.dataTransfer.files[0]);
    });
  }
  return section("A file of yours", input, zone, looked);
}

function begin(file, state, go, place) {
  let look = { stretch: "STRETCH_ASINH" }; // what is asked for
  let told = null; // what is shown: the last answer, and the look that it answers
  let turn = 0;
  let isLooking = false;
  let find = null;
  const inspect = async (asked) => {
    turn += 1;
    const mine = turn;
    look = asked;
    isLooking = true;
    if (find) find.disabled = true;
    if (told === null) fill(place, loading(`Looking at ${disarmed(file.name, 60)}`));
    place.setAttribute("aria-busy", "true");
    let wrong = null;
    try {
      const answer = await inspectFile(file, state.collection, asked, state.signal);
      if (mine === turn) told = { ...answer, look: asked };
    } catch (error) {
      wrong = error;
    }
    if (mine !== turn || state.signal.aborted) return;
    isLooking = false;
    place.removeAttribute("aria-busy");
    const problem = wrong ? [failed(wrong, () => inspect(asked)), wrong.reason === "AXIS_AMBIGUOUS" ? axisChoice(asked) : null] : [];
    if (told === null) {
      fill(place, h("h3", {}, said(file.name, 100)), problem);
    } else {
      look = told.look; // what was seen before leads on
      draw(problem);
    }
  };
  const change = (name) => (value) => inspect({ ...look, [name]: value });
  const axisChoice = (of) => h("div", { class: "field" }, h("label", { for: "axis" }, "The third axis is"),
    h("select", { id: "axis", on: { change: (event) => inspect({ ...of, axis_kind: event.target.value }) } },
      [["", "what the header says"], ["AXIS_KIND_BANDS", "bands"], ["AXIS_KIND_SPECTRAL", "a spectrum"]]
        .map(([value, label]) => h("option", { value, selected: value === (of.axis_kind ?? "") }, label))));
  const hduChoice = () => {
    const images = told.hdus.filter((one) => one.shape.length >= 2);
    if (images.length < 2) return null;
    return h("div", { class: "field" }, h("label", { for: "hdu" }, "HDU"),
      h("select", { id: "hdu", on: { change: (event) => inspect({ stretch: look.stretch, hdu: event.target.value }) } },
        images.map((one) => h("option", { value: String(one.index), selected: one.is_chosen },
          `${one.index}${one.name ? ` ${disarmed(one.name, 30)}` : ""} · ${one.shape.join(" × ")}`))));
  };
  const draw = (wrong) => {
    const focused = document.activeElement?.id;
    const problem = h("div", {}, wrong);
    const hasAxis = problem.querySelector("#axis") !== null;
    const ask = button("Find what is like it", async () => {
      ask.disabled = true;
      fill(problem, loading("Embedding it"));
      try {
        await search(file, told, state, go);
      } catch (error) {
        if (error.name !== "AbortError") fill(problem, failed(error));
        ask.disabled = isLooking;
      }
    }, { id: "find" });
    find = ask;
    // What is drawn on a picture is of that picture, whatever is asked for meanwhile.
    const drawn = (cut) => inspect({ ...told.look, stretch: look.stretch, cut });
    fill(place,
      h("div", {}, h("div", { class: "spread" }, h("h3", { class: "file-name" }, said(file.name, 100), h("span", { class: "fine" }, `  ${number(file.size)} bytes`)), ask), problem),
      drawable(pictureOf(told, file.name), { shape: told.reading?.shape ?? [], cut: told.look.cut }, drawn),
      stretchChoice(look.stretch, change("stretch")),
      h("div", { class: "row choices" }, hduChoice(), planeChoice(told.planes, look.plane, change("plane")), told.planes > 1 && !hasAxis ? axisChoice(look) : null, cutChoice(look.cut, change("cut"))),
      warningsOf(told), readingFacts(told.reading),
      told.facts?.length ? h("details", {}, h("summary", {}, "Header"), headerFacts(told)) : null);
    if (focused) document.getElementById(focused)?.focus();
    tell(`${file.name} is shown${told.reading?.flags.length ? `; flags ${told.reading.flags.join(", ")}` : ""}`);
  };
  inspect(look);
}

/** Its embedding becomes the address of what is found, so that this can be found again. */
async function search(file, told, state, go) {
  const { axis_kind } = told.look;
  const hdu = selectorOf(told.look);
  const answer = await send("v1/embed", file, { collection: state.collection, hdu, axis_kind }, { signal: state.signal });
  const vector = vectorText(answer.vector.values);
  if (vector === null) throw new Error(`Embeddings of ${answer.vector.values.length} numbers do not fit into an address; ask by the snippet of an object's view instead.`);
  const position = answer.reading?.position;
  remember(vector, { picture: told.picture_png, reading: answer.reading });
  go("similar", {
    vector, model: answer.context.model_id, file: file.name, hdu,
    at: position ? `${position.ra_deg.toFixed(6)},${position.dec_deg.toFixed(6)}` : "",
  });
}
