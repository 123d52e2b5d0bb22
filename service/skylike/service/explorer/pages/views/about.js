// What this is, and what it is not good for.

import { h } from "../dom.js";
import { FLAGS } from "../flags.js";
import { facts, section } from "../parts.js";

export const title = "About";

/** Who is asked where names are; empty if nobody. */
const resolver = () => document.querySelector("meta[name=skylike-resolver]").content;

export function show(root) {
  root.append(
    h("h1", {}, "About this explorer"),
    h("p", { class: "lead" }, "It shows what in an archive looks alike, what kinds there are, and what is odd. All of it comes from the service that sent this page."),
    h("div", { class: "columns" },
      section("What the numbers mean",
        h("ul", {},
          h("li", {}, h("b", {}, "Score"), ": the cosine between two embeddings, −1 to 1. It orders; it is no probability, and no scale is shared between models."),
          h("li", {}, h("b", {}, "Cluster"), ": how the archive falls into kinds by itself. Nobody has told the model what a galaxy is; names are what people wrote."),
          h("li", {}, h("b", {}, "Anomaly score"), ": how sparse the archive is around something. The percentile says which share of the archive scores lower. Scores of two fits cannot be compared."),
          h("li", {}, h("b", {}, "p-value"), ": only for what is not in the archive, and only where the fit has calibration objects. It says how often an ordinary object looks as odd."),
          h("li", {}, h("b", {}, "Separation"), ": the angle on the sky between the query and an object, where both positions are known."))),
      section("Flags",
        h("p", {}, "How an image was read, and what is poor about it. RESAMPLED and COLLAPSED tell only the first: galleries leave them out."),
        facts(Object.entries(FLAGS))),
      section("Limits",
        h("ul", {},
          h("li", {}, "What the model was not trained to tell apart, it does not tell apart. Size in pixels, noise, beam and background can matter more than morphology: look at the flags and at more than the first hit."),
          h("li", {}, "Odd observations are odd too. EDGE, LOW_SN, SATURATED and the like mark poor data, not discoveries."),
          h("li", {}, "Searches in large collections use an index that finds nearly all of the nearest; lists by likeness and least similar objects are exact."),
          h("li", {}, "Pictures are stretched for people. The model sees pixels, never pictures, and nothing should be measured on them."),
          h("li", {}, `Positions are ICRS. ${resolver() ? `Names are looked up by the service at ${resolver()}, which learns them; nothing else asks elsewhere.` : "Names of objects are not looked up, since nothing here asks elsewhere."}`))),
      section("Addresses and files",
        h("p", {}, "The address of a page is its whole state: send it to a colleague who may ask the same service, keep it as a bookmark, go back."),
        h("p", {}, "A file that you give is sent to this service only, and not stored. Its picture cannot come back after a reload, but its embedding stands in the address, so that the neighbours do.")),
      section("By keyboard",
        h("p", {}, "Everything works without a mouse: Tab goes from control to control, Enter and Space use it, the first Tab of a page skips to its content. After a view changes, the focus is on its title and its name is read out. Colours follow the system or the button above; nothing moves where the system asks for that."))));
}
