/** What happened lately. */
import { html } from "./html.js";
import { events, services, site } from "./live.js";
import { clock } from "./words.js";

export function Events() {
  const list = events.value;
  return html`<section class="card events" aria-labelledby="events-title">
    <header><h2 id="events-title">Lately</h2></header>
    ${list.length === 0 && html`<p class="quiet">Nothing to tell since this page's server started.</p>`}
    <ol>${list.map((event) => html`<li key=${event.at + event.code + event.text} class=${event.severity}>
      <time datetime=${event.at}>${clock(new Date(event.at), site.value?.timezone)}</time><span>${event.text}</span></li>`)}</ol>
  </section>`;
}

export function Services() {
  const list = Object.values(services.value).sort((a, b) => a.service.localeCompare(b.service));
  return html`<footer><ul class="services" aria-label="Services">
    ${list.map((one) => html`<li key=${one.service} class=${one.is_online ? "is-on" : "is-off"} title=${one.policy_error ?? `version ${one.version}`}>${one.service}${one.is_online ? "" : " is down"}</li>`)}
  </ul></footer>`;
}

export function PolicyError() {
  const error = Object.values(services.value).find((one) => one.policy_error)?.policy_error;
  return error ? html`<p class="banner warning" role="alert">The newest site.yaml was refused, the old one runs on. ${error}</p>` : null;
}
