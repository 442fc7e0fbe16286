/** The live picture: one stream from the server, kept in signals. */
import { computed, signal } from "@preact/signals";
import { STALE_S } from "./words.js";

export const role = signal(null); // null: not known yet; "": nobody; "read"; "write"
export const site = signal(null);
export const chargers = signal({});
export const meters = signal({});
export const services = signal({});
export const events = signal([]);
export const headline = signal(null);
export const isBusConnected = signal(true);
/** Seconds on this page's own clock, which no one sets. */
export const now = signal(seconds());

const heardAt = signal(null);
const EVENTS_KEPT = 30;
const RETRY_MS = 3000;

export const isLost = computed(() => heardAt.value !== null && now.value - heardAt.value > STALE_S);

setInterval(() => (now.value = seconds()), 1000);

/** How old a document is, s; undefined where there is none. */
export function ageOf(document) {
  return document?.heard_at === undefined ? undefined : Math.max(0, now.value - document.heard_at);
}

export async function logIn(token) {
  const answer = await fetch("api/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message);
  role.value = body.role;
  watch();
}

export async function logOut() {
  await fetch("api/session", { method: "DELETE" });
  location.reload();
}

/** Who we are: by the token in the address (once), or by the cookie. */
export async function begin() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname);
    try {
      return await logIn(token);
    } catch {
      // An old link: the cookie may still be good.
    }
  }
  await resume();
}

/** Change a setting; throws with the balancer's own words. */
export async function change(charger, setting, value) {
  const answer = await fetch(`api/chargers/${encodeURIComponent(charger)}/${setting}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-ampherd": "1" },
    body: JSON.stringify({ value }),
  });
  if (answer.ok) return;
  const body = await answer.json().catch(() => ({}));
  throw new Error(body.message ?? "The server did not understand.");
}

async function resume() {
  try {
    const answer = await fetch("api/session");
    role.value = answer.ok ? (await answer.json()).role : "";
    if (answer.ok) watch();
  } catch {
    setTimeout(resume, RETRY_MS);
  }
}

function watch() {
  const stream = new EventSource("api/live");
  heardAt.value ??= seconds();
  const hear = (take) => (event) => {
    heardAt.value = now.value = seconds();
    take(JSON.parse(event.data));
  };
  stream.addEventListener("snapshot", hear((picture) => { forget(); merge(picture); }));
  stream.addEventListener("change", hear(merge));
  stream.addEventListener("pulse", hear(merge));
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
    stream.close();
    setTimeout(resume, RETRY_MS);
  };
}

function forget() {
  chargers.value = {};
  meters.value = {};
  services.value = {};
  events.value = [];
}

function merge(change) {
  headline.value = change.headline;
  isBusConnected.value = change.is_bus_connected;
  if (change.site) site.value = heard(change.site, change.site.state_age_s);
  if (change.chargers) chargers.value = joined(chargers.value, change.chargers, "state_age_s");
  if (change.meters) meters.value = joined(meters.value, change.meters, "reading_age_s");
  if (change.services) services.value = { ...services.value, ...change.services };
  if (change.events?.length) events.value = [...change.events, ...events.value].slice(0, EVENTS_KEPT);
}

function joined(known, fresh, age) {
  const dated = Object.entries(fresh).map(([id, document]) => [id, heard(document, document[age])]);
  return { ...known, ...Object.fromEntries(dated) };
}

function heard(document, age) {
  return { ...document, heard_at: age === undefined ? undefined : seconds() - age };
}

function seconds() {
  return performance.now() / 1000;
}
