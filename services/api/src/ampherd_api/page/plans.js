/** A charger's plan: what it will do, and a form to set one. */
import { useState } from "preact/hooks";
import { html } from "./html.js";
import { role, site } from "./live.js";
import { clock, number } from "./words.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

export function Plan({ car, ask }) {
  const state = car.plan;
  const hasPlan = Boolean(state?.plan);
  const mayWrite = role.value === "write";
  if (!hasPlan && !mayWrite) return null;
  const summary = hasPlan ? `Plan: ${wanted(state)}` : "Plan: none";
  return html`<div class="plan">
    ${hasPlan && html`<p class="said ${state.is_met === false ? "is-short" : ""}">${state.reason}</p>
      <${Slots} state=${state} />`}
    ${mayWrite ? html`<details class="more"><summary>${summary}</summary><${Form} car=${car} ask=${ask} hasPlan=${hasPlan} /></details>` : html`<p class="quiet">${summary}</p>`}
  </div>`;
}

/** Like 20 kWh by 07:00 on Mon, Tue. */
function wanted({ plan, due }) {
  const goal = plan.soc_percent === undefined ? `${number(plan.energy_kwh, 1)} kWh` : `${number(plan.soc_percent, 0)} %`;
  const days = plan.weekdays?.length === DAYS.length ? " every day" : plan.weekdays?.length ? ` on ${plan.weekdays.map((day) => day[0].toUpperCase() + day.slice(1)).join(", ")}` : "";
  return due ? `${goal} by ${clock(new Date(due), site.value.timezone)}${days}` : goal;
}

/** The coming hours as a strip: dark where it charges. */
function Slots({ state }) {
  const parts = state.parts ?? [];
  if (!parts.length || !state.due) return null;
  const start = new Date(state.at).getTime();
  const span = new Date(state.due).getTime() - start;
  if (!(span > 0)) return null;
  const zone = site.value.timezone;
  const share = (moment) => (100 * (new Date(moment).getTime() - start)) / span;
  return html`<div class="slots" role="img" aria-label=${state.reason}>
      ${parts.map((part) => html`<i key=${part.start} title="${clock(new Date(part.start), zone)} to ${clock(new Date(part.end), zone)}: ${number(part.power_w / 1000, 1)} kW" style=${{ left: `${Math.max(0, share(part.start))}%`, width: `${Math.max(0.5, share(part.end) - Math.max(0, share(part.start)))}%` }}></i>`)}
    </div>
    <p class="ends"><span>${clock(new Date(start), zone)}</span><span>${clock(new Date(state.due), zone)}</span></p>`;
}

function Form({ car, ask, hasPlan }) {
  const { plan, due } = car.plan ?? {};
  const [days, setDays] = useState(plan?.weekdays ?? []);
  const canPercent = car.battery_kwh !== undefined && car.battery_kwh !== null;
  const toggle = (day) => setDays(days.includes(day) ? days.filter((other) => other !== day) : [...days, day]);
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const amount = Number(form.get("amount"));
    const goal = form.get("unit") === "%" ? { soc_percent: amount } : { energy_kwh: amount };
    ask("plan", { ...goal, by: form.get("by"), weekdays: days });
  };
  return html`<form onSubmit=${submit}>
    <label>Charge <input name="amount" type="number" inputmode="decimal" min="0.5" max="300" step="0.5" defaultValue=${plan?.energy_kwh ?? plan?.soc_percent ?? 20} required />
      ${canPercent ? html`<select name="unit" aria-label="Unit"><option>kWh</option><option selected=${plan?.soc_percent !== undefined}>%</option></select>` : " kWh"}</label>
    <label>by <input name="by" type="time" defaultValue=${due ? clock(new Date(due), site.value.timezone) : "07:00"} required /></label>
    <div class="choice days" role="group" aria-label="Weekdays; none: once">
      ${DAYS.map((day) => html`<button type="button" key=${day} aria-pressed=${days.includes(day)} onClick=${() => toggle(day)}>${day[0].toUpperCase()}${day.slice(1, 2)}</button>`)}
    </div>
    <p class="hint">${days.length ? "Every week on these days." : "Once. Choose days to repeat it."}</p>
    <button type="submit" class="primary">Set plan</button>
    ${hasPlan && html`<button type="button" class="plain" onClick=${() => ask("plan", null)}>Drop plan</button>`}
  </form>`;
}
