/** One gauge a phase: the house and each charger stacked against the limit. */
import { html } from "./html.js";
import { ageOf, chargers, site } from "./live.js";
import { amps, kilo, LINES, STALE_S, age, sum } from "./words.js";

const SUNNY = new Set(["solar", "min_solar"]);

/** Room to the right of the limit, so that too much is seen as too much. */
const BEYOND = 1.12;

export function Phases() {
  const { state, phases, limit_a: limit } = site.value;
  if (!state) return html`<section class="card"><h2>Phases</h2><p class="quiet">Waiting for the balancer.</p></section>`;
  const lines = LINES.slice(0, phases);
  const old = ageOf(site.value);
  return html`<section class="card phases ${old > STALE_S ? "is-stale" : ""}" aria-labelledby="phases-title">
    <header>
      <h2 id="phases-title">Mains</h2>
      <${Stale} age=${old} />
      <${Power} state=${state} />
    </header>
    <ol>${lines.map((line, index) => html`<${Phase} key=${line} line=${line} parts=${partsOf(index, state)} load=${loadOf(index, state)} limit=${limitOf(index, state, limit)} />`)}</ol>
    <${Legend} hasOwn=${lines.some((_, index) => ownOf(partsOf(index, state)) > 0.04)} />
    ${state.limited_by && html`<p class="quiet limited">${state.limited_by}</p>`}
  </section>`;
}

export function Stale({ age: old }) {
  return old > STALE_S ? html`<span class="badge stale" role="status">old: ${age(old)}</span>` : null;
}

function Power({ state }) {
  const cars = Object.values(chargers.value);
  const carsW = cars.every((car) => car.state && car.state.power_w !== undefined) ? sum(cars.map((car) => car.state.power_w)) : undefined;
  const isSunny = cars.some((car) => SUNNY.has(car.decision?.mode));
  const houseW = state.grid_w !== undefined && carsW !== undefined ? state.grid_w - carsW : undefined;
  const tile = (name, watts) => watts === undefined ? null : html`<div><dt>${name}</dt><dd>${kilo(watts)}<small> kW</small></dd></div>`;
  return html`<dl class="power">
    ${tile(state.grid_w < 0 ? "To the grid" : "From the grid", state.grid_w === undefined ? undefined : Math.abs(state.grid_w))}
    ${tile("House", houseW)}${tile("Cars", carsW)}${tile("Solar", state.solar_w === undefined ? undefined : Math.abs(state.solar_w))}${tile("Surplus", isSunny && state.surplus_w !== undefined ? Math.max(0, state.surplus_w) : undefined)}${tile("Battery", state.battery_w)}
  </dl>`;
}

function Phase({ line, parts, load, limit }) {
  const own = ownOf(parts);
  const scale = Math.max((limit + own) * BEYOND, (load + own) * 1.02);
  const free = limit - load;
  const text = free < -0.05 ? `${amps(-free)} A too much` : `${amps(Math.max(0, free))} A free`;
  const label = `${line}: ${amps(load)} of ${amps(limit)} A, ${text}. ${parts.map((part) => `${part.name} ${amps(part.amps)} A`).join(", ")}`;
  return html`<li class=${free < -0.05 ? "is-over" : ""}>
    <b>${line}</b>
    <div class="track" role="img" aria-label=${label}>
      ${parts.filter((part) => part.amps > 0.04).map((part) => html`<span key=${part.id} class="part ${part.tone} ${part.isGuess ? "is-guess" : ""}" title="${part.name}: ${part.isGuess ? "up to " : ""}${amps(part.amps)} A" style=${{ width: `${(100 * part.amps) / scale}%` }}><i>${part.amps / scale > 0.07 ? amps(part.amps) : ""}</i></span>`)}
      ${own > 0.04 && html`<span class="own" title="Own power: ${amps(own)} A" style=${{ width: `${(100 * own) / scale}%` }}></span>`}
      <span class="limit" style=${{ left: `${(100 * (limit + own)) / scale}%` }}></span>
    </div>
    <span class="reading"><strong>${amps(load)}</strong> of ${number0(limit)} A</span>
    <span class="free">${text}</span>
  </li>`;
}

function Legend({ hasOwn }) {
  const cars = Object.values(chargers.value);
  return html`<ul class="legend" aria-label="Colours">
    <li><span class="swatch house"></span>House</li>
    ${cars.map((car, index) => html`<li key=${car.id}><span class="swatch ${tone(index)}"></span>${car.name}</li>`)}
    ${hasOwn && html`<li><span class="swatch own-power"></span>Own power, beside the mains</li>`}
  </ul>`;
}

function partsOf(index, state) {
  const house = state.house_a?.[index] ?? mains(state)?.other_a[index] ?? 0;
  const cars = Object.values(chargers.value).map((car, place) => {
    const drawn = car.state?.drawn_a?.[index];
    const isCharging = car.state?.iec_state === "C" || car.state?.iec_state === "D";
    const offered = isCharging && car.lines.includes(LINES[index]) ? car.state.offer_a ?? 0 : 0;
    return { id: car.id, name: car.name, tone: tone(place), amps: drawn ?? offered, isGuess: drawn === undefined };
  });
  return [{ id: "house", name: "House", tone: "house", amps: house }, ...cars];
}

/** What roof and battery give beyond the house's need, A: the cars may take it on top of the limit. */
const ownOf = ([house]) => Math.max(0, -house.amps);
const mains = (state) => state.limits?.find((limit) => limit.circuit === "connection");
const loadOf = (index, state) => mains(state)?.load_a[index] ?? state.grid_a?.[index] ?? 0;
const limitOf = (index, state, fallback) => mains(state)?.limit_a[index] ?? fallback;
const number0 = (value) => (Number.isInteger(value) ? value : amps(value));

/** The colour class of the charger at this place of the policy. */
export const tone = (place) => `tone-${place % 6}`;
