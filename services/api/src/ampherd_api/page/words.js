/** Numbers and states as people read them; pure. */

export const LINES = ["L1", "L2", "L3"];
export const STALE_S = 10;

const STATES = {
  A: "No car",
  B: "Car connected",
  C: "Charging",
  D: "Charging",
  E: "Fault",
  F: "Fault",
};

/** A charger's state in words, and its kind for the colour of the chip. */
export function stateOf(charger) {
  const state = charger.state;
  if (!state) return { text: "Not heard yet", kind: "quiet" };
  if (state.link === "lost") return { text: "Out of reach", kind: "alarm" };
  if (state.link === "starting" || !state.iec_state) return { text: "Starting", kind: "quiet" };
  const kind = { C: "busy", D: "busy", E: "alarm", F: "alarm", B: "ready" }[state.iec_state] ?? "quiet";
  return { text: STATES[state.iec_state] ?? state.iec_state, kind };
}

export const amps = (value) => number(value, 1);
export const kilo = (value) => number(value / 1000, Math.abs(value) < 99_950 ? 1 : 0);

export function number(value, digits) {
  if (value === undefined || value === null || Number.isNaN(value)) return "–";
  const text = value.toFixed(digits).replace("-", "−");
  return /^−0(\.0+)?$/.test(text) ? text.slice(1) : text;
}

/** Like 7:58, or 1 h 20 min. */
export function countdown(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** How old something is, roughly. */
export function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** A time of day in the site's own time zone. */
export function clock(date, timezone) {
  const form = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  try {
    return date.toLocaleTimeString([], { ...form, timeZone: timezone });
  } catch {
    return date.toLocaleTimeString([], form); // a time zone that this browser does not know
  }
}

export const sum = (values) => (values ?? []).reduce((total, value) => total + value, 0);
