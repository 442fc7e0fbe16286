/** What the house usually takes today, and what the sun leaves over, as plans reckon with it. */
import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { site } from "./live.js";
import { LINES, number } from "./words.js";

const QUARTERS = 96;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const WIDTH = 480;
const HEIGHT = 90;
const VOLTS = 230;

export function Usual() {
  const [load, setLoad] = useState(null);
  useEffect(() => {
    const ask = () => fetch("api/usual").then((answer) => (answer.ok ? answer.json() : null)).then(setLoad).catch(() => setLoad(null));
    ask();
    const timer = setInterval(ask, 900_000);
    return () => clearInterval(timer);
  }, []);
  const day = weekday();
  const quarters = (load?.high_a ?? []).slice(day * QUARTERS, (day + 1) * QUARTERS);
  if (!quarters.some(Boolean)) return null;
  const lines = LINES.slice(0, site.value.phases);
  const sun_a = (load.sun_w ?? []).map((watts) => watts / VOLTS / lines.length);
  const brightest_w = Math.max(0, ...(load.sun_w ?? []));
  const most = Math.max(site.value.limit_a, ...quarters.filter(Boolean).flat(), ...sun_a);
  return html`<section class="card usual" aria-label="Usual load">
    <header><h2>Usual load of the house, ${DAYS[(day + 1) % 7]}</h2><span class="quiet">plans reckon with it</span></header>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Amps per line over the day, up to ${number(most, 0)} A">
      ${brightest_w > 0 && html`<path class="sun" d=${area(sun_a, most)} />`}
      <line x1="0" x2=${WIDTH} y1=${y(site.value.limit_a, most)} y2=${y(site.value.limit_a, most)} class="limit-line" />
      ${lines.map((line, place) => html`<path key=${line} class="tone-${place}" d=${path(quarters, place, most)} />`)}
    </svg>
    <p class="ends"><span>00:00</span><span>06:00</span><span>12:00</span><span>18:00</span><span>24:00</span></p>
    <ul class="legend">${lines.map((line, place) => html`<li key=${line}><span class="swatch tone-${place}"></span>${line} at most ${number(Math.max(...quarters.filter(Boolean).map((each) => each[place])), 1)} A</li>`)}
      ${brightest_w > 0 && html`<li><span class="swatch sun"></span>Sun left over, at most ${number(brightest_w / 1000, 1)} kW</li>`}
      <li>Limit ${number(site.value.limit_a, 0)} A</li></ul>
  </section>`;
}

/** Monday is 0, in the site's own time zone. */
function weekday() {
  const name = new Date().toLocaleDateString("en", { weekday: "short", timeZone: site.value.timezone });
  return (DAYS.indexOf(name) + 6) % 7;
}

function y(amps, most) {
  return HEIGHT - (HEIGHT * Math.max(0, amps)) / most;
}

/** The sun as amps of each line. */
function area(amps, most) {
  const step = WIDTH / QUARTERS;
  const top = amps.map((each, quarter) => `L${quarter * step} ${y(each, most)} H${(quarter + 1) * step}`).join(" ");
  return `M0 ${HEIGHT} ${top} V${HEIGHT} Z`;
}

function path(quarters, place, most) {
  const step = WIDTH / QUARTERS;
  return quarters
    .map((each, quarter) => (each ? `${quarters[quarter - 1] ? "L" : "M"}${quarter * step} ${y(each[place], most)} H${(quarter + 1) * step}` : ""))
    .join(" ");
}
