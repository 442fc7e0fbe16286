/** The last 24 hours, or less while history is young: house and chargers stacked, against the limit. */
import uPlot from "uplot";
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { chargers, site } from "./live.js";
import { tone } from "./phases.js";
import { amps, clock, LINES, number } from "./words.js";

const DAY = { name: "Last 24 hours", hours: 24, stepS: 300, step: "five minutes" };
const HOUR = { name: "Last hour", hours: 1, stepS: 15, step: "quarter minute" };
const QUARTER = { name: "Last 15 minutes", hours: 0.25, stepS: 15, step: "quarter minute" };
const REFRESH_MS = 60_000;
const HEIGHT = 260;
const RETRY_MS = 10_000;

export function Chart() {
  const lines = LINES.slice(0, site.value.phases);
  const [line, setLine] = useState("all");
  const [layers, setLayers] = useState(null);
  const [told, setTold] = useState(null);
  const ids = Object.keys(chargers.value).join(" ");
  useEffect(() => keepFetching(line, setLayers), [line, ids]);
  const span = layers?.span ?? DAY;
  const isEmpty = layers && !layers.times.some((_, index) => layers.stack.some((layer) => layer.values[index] !== null));
  return html`<section class="card chart" aria-labelledby="chart-title">
    <header>
      <h2 id="chart-title">${span.name}</h2>
      <div class="choice" role="group" aria-label="What the chart shows">
        ${["all", ...lines].map((name) => html`<button type="button" key=${name} aria-pressed=${line === name} onClick=${() => setLine(name)}>${name === "all" ? "kW" : name}</button>`)}
      </div>
    </header>
    ${layers?.error && html`<p class="quiet">${layers.error}</p>`}
    ${isEmpty && html`<p class="quiet">History begins now; the chart fills within minutes.</p>`}
    ${layers?.stack && html`<${Plot} layers=${layers} tell=${setTold} />`}
    <p class="told" aria-hidden="true">${told ?? (line === "all" ? `Mean power of each ${span.step}, kW` : `Mean current of each ${span.step} on ${line}, A`)}</p>
  </section>`;
}

function Plot({ layers, tell }) {
  const box = useRef(null);
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    let plot = draw(box.current, layers, tell);
    const redraw = () => { plot.destroy(); plot = draw(box.current, layers, tell); };
    const resized = new ResizeObserver(() => plot.setSize({ width: box.current.clientWidth, height: HEIGHT }));
    resized.observe(box.current);
    scheme.addEventListener("change", redraw);
    return () => { scheme.removeEventListener("change", redraw); resized.disconnect(); plot.destroy(); };
  }, [layers]);
  return html`<div class="plot" ref=${box} role="img" aria-label=${spoken(layers)}></div>`;
}

function keepFetching(line, setLayers) {
  let isOver = false;
  let timer;
  const again = async () => {
    let wait = REFRESH_MS;
    try {
      let layers = await fetchLayers(line, DAY);
      for (const shorter of [HOUR, QUARTER]) if (beganWithin(shorter, layers)) layers = await fetchLayers(line, shorter);
      if (!isOver) setLayers(layers);
    } catch (error) {
      if (!isOver) setLayers({ error: error.message, times: [] });
      wait = RETRY_MS;
    }
    if (!isOver) timer = setTimeout(again, wait);
  };
  again();
  return () => { isOver = true; clearTimeout(timer); };
}

/** Whether nothing was recorded before that span. */
function beganWithin(span, layers) {
  const since = Date.now() / 1000 - span.hours * 3600;
  return !layers.times.some((time, index) => time < since && layers.peak[index] !== null);
}

/** Times and layers from the bottom up: the house, then each charger, then cars that no meter sees. */
async function fetchLayers(line, span) {
  const suffix = line === "all" ? null : line.toLowerCase();
  const cars = Object.values(chargers.value);
  const siteFields = suffix ? [`house_${suffix}_a`, `drawn_${suffix}_a`, `grid_${suffix}_a`] : ["grid_w"];
  const carField = suffix ? `drawn_${suffix}_a` : "power_w";
  const [whole, ...each] = await Promise.all([
    ask(span, "site", siteFields),
    ...cars.map((car) => ask(span, "charger", [carField], `charger:${car.id}`)),
  ]);
  const times = grid(whole.start, whole.stop, span.stepS);
  const onGrid = (series, kind = "mean") => spread(times, series, kind);
  const known = each.map((answer) => onGrid(answer.series[0]));
  const scale = suffix ? 1 : 1 / 1000;
  const total = onGrid(whole.series[suffix ? 2 : 0]);
  const drawn = suffix ? onGrid(whole.series[1]) : null;
  const house = suffix ? onGrid(whole.series[0]) : total.map((value, index) => (value === null ? null : value - at(known, index)));
  const stack = [{ name: "House", tone: "house", values: house }];
  cars.forEach((car, place) => stack.push({ name: car.name, tone: tone(place), values: known[place] }));
  if (drawn) {
    const rest = drawn.map((value, index) => (value === null ? null : Math.max(0, value - at(known, index))));
    if (rest.some((value) => value > 0.5)) stack.push({ name: "Cars without a meter", tone: "unmetered", values: rest });
  }
  for (const layer of stack) layer.values = layer.values.map((value, index) => (total[index] === null && house[index] === null ? null : Math.max(0, (value ?? 0) * scale)));
  const peak = onGrid(whole.series[suffix ? 2 : 0], "high").map((value) => (value === null ? null : value * scale));
  return { span, times, stack, peak, unit: suffix ? "A" : "kW", limit: suffix ? site.value.limit_a : null };
}

async function ask(span, measurement, fields, tag) {
  const query = new URLSearchParams({ measurement, step: span.stepS, start: new Date(Date.now() - span.hours * 3_600_000).toISOString() });
  fields.forEach((field) => query.append("field", field));
  if (tag) query.append("tags", tag);
  const answer = await fetch(`api/history?${query}`);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message);
  return body;
}

function grid(start, stop, stepS) {
  const times = [];
  for (let at = Date.parse(start) / 1000; at < Date.parse(stop) / 1000; at += stepS) times.push(at);
  return times;
}

function spread(times, series, kind) {
  const known = new Map(series.at.map((at, index) => [at, series[kind][index]]));
  return times.map((at) => known.get(at) ?? null);
}

const at = (rows, index) => rows.reduce((total, row) => total + (row[index] ?? 0), 0);

function draw(box, layers, tell) {
  const style = getComputedStyle(box);
  const color = (name) => style.getPropertyValue(name).trim();
  const sums = cumulated(layers);
  // Drawn from the top down: each opaque area covers the lower part of the one above it.
  const areas = layers.stack.map((layer, index) => ({ label: layer.name, fill: color(`--${layer.tone}`), stroke: color(`--${layer.tone}`), width: 1, points: { show: false }, data: sums[index] })).reverse();
  const limit = layers.limit === null ? [] : [{ label: "Limit", stroke: color("--alarm"), width: 1.5, dash: [6, 4], points: { show: false }, data: layers.times.map(() => layers.limit) }];
  const peak = [{ label: "Highest", stroke: color("--ink-2"), width: 1, dash: [1, 3], points: { show: false }, data: layers.peak }];
  const series = [...areas, ...peak, ...limit];
  const axis = { stroke: color("--ink-2"), grid: { stroke: color("--rule"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  const options = {
    width: box.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false }, points: { show: false } },
    tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1000), site.value.timezone),
    scales: { y: { range: (_, low, high) => [Math.min(0, low), Math.max(high * 1.08, layers.limit ? layers.limit * 1.08 : 2)] } },
    padding: [8, 18, 0, 0],
    axes: [{ ...axis, space: 64, size: 30, values: (_, ticks) => ticks.map((tick) => clock(new Date(tick * 1000), site.value.timezone)) }, { ...axis, size: 44, values: (_, ticks) => ticks.map((tick) => `${tick}`) }],
    series: [{}, ...series.map(({ data, ...look }) => look)],
    hooks: { setCursor: [(plot) => tell(toldAt(layers, plot.cursor.idx))] },
  };
  return new uPlot(options, [layers.times, ...series.map((one) => one.data)], box);
}

function cumulated(layers) {
  const sums = [];
  layers.stack.forEach((layer, index) => sums.push(layer.values.map((value, step) => (value === null ? null : value + (index ? sums[index - 1][step] ?? 0 : 0)))));
  return sums;
}

function toldAt(layers, index) {
  if (index === null || index === undefined || layers.stack[0].values[index] === null) return null;
  const parts = layers.stack.filter((layer) => layer.values[index] >= 0.05).map((layer) => `${layer.name} ${amps(layer.values[index])}`);
  return `${clock(new Date(layers.times[index] * 1000), site.value.timezone)}  ${parts.join("  ·  ")} ${layers.unit}`;
}

function spoken(layers) {
  const top = Math.max(0, ...layers.peak.filter((value) => value !== null));
  return `Stacked areas of ${layers.stack.map((layer) => layer.name).join(", ")} over the ${layers.span.name.toLowerCase()}; highest ${number(top, 1)} ${layers.unit}`;
}
