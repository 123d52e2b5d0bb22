// Ways to other places that know the sky: followed only when somebody clicks.

import { h } from "./dom.js";
import { section } from "./parts.js";

const RADIUS_ARCSEC = 10;

const PLACES = [
  ["SIMBAD", ({ ra, dec }) => `https://simbad.cds.unistra.fr/simbad/sim-coo?Coord=${ra}+${dec}&CooFrame=ICRS&CooEpoch=2000&Radius=${RADIUS_ARCSEC}&Radius.unit=arcsec`],
  ["NED", ({ ra, dec }) => `https://ned.ipac.caltech.edu/conesearch?in_csys=Equatorial&in_equinox=J2000&coordinates=${ra}d,${dec}d&radius=${(RADIUS_ARCSEC / 60).toFixed(3)}&search_type=Near+Position+Search`],
  ["VizieR", ({ ra, dec }) => `https://vizier.cds.unistra.fr/viz-bin/VizieR-4?-c=${ra}+${dec}&-c.rs=${RADIUS_ARCSEC}&-c.eq=J2000`],
  ["Legacy Survey", ({ ra, dec }) => `https://www.legacysurvey.org/viewer?ra=${ra}&dec=${dec}&zoom=15&mark=${ra},${dec}`],
  ["Aladin", ({ ra, dec }) => `https://aladin.cds.unistra.fr/AladinLite/?target=${ra}+${dec}&fov=0.05`],
];

/** Links about a position; nothing is loaded from there before one is followed. */
export function linksOut(position) {
  const [ra, dec] = [position.ra_deg.toFixed(6), position.dec_deg.toFixed(6)].map((one, i) => encodeURIComponent(i && !one.startsWith("-") ? `+${one}` : one));
  return section("Elsewhere",
    h("ul", { class: "links" }, PLACES.map(([name, address]) => h("li", {}, h("a", {
      href: address({ ra, dec }), target: "_blank", rel: "noreferrer noopener external",
    }, name, h("span", { "aria-hidden": "true" }, " ↗"), h("span", { class: "unseen" }, " (another site, new tab)"))))),
    h("p", { class: "fine" }, "These leave this service and tell the position to others, when you follow them."));
}
