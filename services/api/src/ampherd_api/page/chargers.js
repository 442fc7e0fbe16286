/** One card a charger: what it does, what it gets, and why. */
import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { ageOf, change, chargers, now, role } from "./live.js";
import { Stale, tone } from "./phases.js";
import { Plan } from "./plans.js";
import { amps, countdown, kilo, number, STALE_S, stateOf } from "./words.js";

const MODES = [
  { id: "off", name: "Off", hint: "Does not charge" },
  { id: "fast", name: "Fast", hint: "Charges with what the mains have left" },
  { id: "min_solar", name: "Min + sun", hint: "Always its minimum, and more when the sun has more" },
  { id: "solar", name: "Sun", hint: "Only with what the sun has left" },
];

export function Chargers() {
  const cars = Object.values(chargers.value);
  return html`<section class="chargers" aria-label="Chargers">
    ${cars.map((car, place) => html`<${Charger} key=${car.id} car=${car} place=${place} />`)}
  </section>`;
}

function Charger({ car, place }) {
  const state = stateOf(car);
  const old = ageOf(car);
  const [answer, setAnswer] = useState(null);
  const ask = async (setting, value) => {
    setAnswer({ text: "Asking the balancer …" });
    try {
      await change(car.id, setting, value);
      setAnswer({ text: "Done." });
    } catch (error) {
      setAnswer({ text: error.message, isBad: true });
    }
  };
  useEffect(() => {
    if (!answer) return undefined;
    const timer = setTimeout(() => setAnswer(null), answer.isBad ? 12_000 : 3000);
    return () => clearTimeout(timer);
  }, [answer]);
  return html`<article class="card charger ${tone(place)} ${old > STALE_S ? "is-stale" : ""}" aria-labelledby="name-${car.id}">
    <header>
      <h2 id="name-${car.id}"><span class="swatch ${tone(place)}"></span>${car.name}</h2>
      <${Stale} age=${old} />
      <span class="badge ${state.kind}">${state.text}</span>
    </header>
    <${Alarm} state=${car.state} />
    <${Numbers} car=${car} />
    <p class="why">${car.decision?.reason || "The balancer has not decided yet."}<${Turn} decision=${car.decision} /></p>
    <${Modes} car=${car} ask=${ask} />
    <${Plan} car=${car} ask=${ask} />
    <${Limits} car=${car} ask=${ask} />
    <p class="answer ${answer?.isBad ? "is-bad" : ""}" role="status" aria-live="polite">${answer?.text}</p>
  </article>`;
}

function Alarm({ state }) {
  if (state?.error) return html`<p class="alarm" role="alert">${state.error}</p>`;
  if (state?.is_fallback) return html`<p class="alarm">The balancer is not heard: this charger is at its safe current.</p>`;
  return null;
}

function Numbers({ car }) {
  const state = car.state ?? {};
  const drawn = state.drawn_a ? Math.max(...state.drawn_a) : undefined;
  const isCharging = state.iec_state === "C" || state.iec_state === "D";
  return html`<dl class="numbers ${isCharging ? "" : "is-idle"}">
    <div class="main"><dt>${drawn === undefined ? "Offered" : "Takes"}</dt><dd>${amps(drawn ?? state.offer_a)}<small> A</small></dd></div>
    <div><dt>Offered</dt><dd>${amps(state.offer_a)}<small> A${car.switches_phases && state.phases ? ` × ${state.phases}` : ""}</small></dd></div>
    <div><dt>Power</dt><dd>${state.power_w === undefined ? "–" : html`${kilo(state.power_w)}<small> kW</small>`}</dd></div>
    <div><dt>Session</dt><dd>${state.session_wh === undefined ? "–" : html`${number(state.session_wh / 1000, 1)}<small> kWh</small>`}</dd></div>
    ${isCharging && html`<div class="bar" aria-hidden="true"><span style=${{ width: `${Math.min(100, (100 * (drawn ?? state.offer_a ?? 0)) / car.max_a)}%` }}></span></div>`}
  </dl>`;
}

function Turn({ decision }) {
  const [end, setEnd] = useState(null);
  const left = decision?.turn_ends_in_s;
  useEffect(() => setEnd(left === undefined ? null : now.value + left), [decision?.at, left]);
  return end === null || left === undefined ? null : html` <span class="turn">Turn changes in ${countdown(end - now.value)}</span>`;
}

function Modes({ car, ask }) {
  const chosen = car.decision?.mode;
  const mayWrite = role.value === "write";
  return html`<div class="modes" role="group" aria-label="Mode of ${car.name}">
    ${MODES.map((mode) => html`<button type="button" key=${mode.id} aria-pressed=${mode.id === chosen} disabled=${!mayWrite} title=${mayWrite ? mode.hint : "Log in with a token of scope write to change this"} onClick=${() => ask("mode", mode.id)}>${mode.name}</button>`)}
  </div>`;
}

function Limits({ car, ask }) {
  const decision = car.decision;
  if (!decision || role.value !== "write") return null;
  const steps = [];
  for (let current = Math.ceil(car.min_a); current <= car.max_a; current += 1) steps.push(current);
  return html`<details class="more">
    <summary>At most ${number(decision.max_a, 0)} A, priority ${decision.priority}</summary>
    <label>At most <select value=${Math.round(decision.max_a)} onChange=${(event) => ask("max_current", Number(event.target.value))}>
      ${steps.map((step) => html`<option key=${step} value=${step} selected=${step === Math.round(decision.max_a)}>${step} A</option>`)}
    </select></label>
    <label>Priority <select value=${decision.priority} onChange=${(event) => ask("priority", Number(event.target.value))}>
      ${[1, 2, 3, 4, 5, 6, 7, 8, 9].map((rank) => html`<option key=${rank} value=${rank} selected=${rank === decision.priority}>${rank === 1 ? "1, first" : rank}</option>`)}
    </select></label>
  </details>`;
}
