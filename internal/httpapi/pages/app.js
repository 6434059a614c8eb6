// The page: two charts of the greenhouse example where there is one, else a live table of any view; and what there is in the node.

import { Chart } from "./chart.js";
import { sql, live, onState } from "./node.js";

const $ = (selector, within = document) => within.querySelector(selector);
const minute = 60_000, hour = 60 * minute;

function make(tag, text, properties = {}) {
  const e = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) e.append(...[text].flat());
  return e;
}

function show(value) {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 3 : 2);
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return value.replace("T", " ").replace(/(\.\d+)?Z$/, "");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const metrics = { temperature: "°C", humidity: "%", vpd: "kPa", co2: "ppm", light: "W/m²", soil_moisture: "%", heating: "%", vent: "%" };
const zoneOrder = ["north", "south", "nursery", "outside"];

// The climate: a choice of metric and span over a chart.
function climate() {
  const section = $("#climate"), spans = { "2 h": 2 * hour, "6 h": 6 * hour, "24 h": 24 * hour }, select = $("select", section);
  let span = 6 * hour, shown = { stop() {} };
  const buttons = Object.entries(spans).map(([label, value]) => {
    const b = make("button", label, { type: "button", ariaPressed: value === span });
    b.onclick = () => { shown.chart?.setSpan(span = value); buttons.forEach(o => o.ariaPressed = o === b); };
    return b;
  });
  $(".spans", section).replaceChildren(...buttons);
  select.replaceChildren(...Object.keys(metrics).map(m => make("option", m.replace("_", " "), { value: m })));
  const choose = async () => {
    shown.stop();
    const next = shown = { stop() {} };
    const opened = await climateOf(select.value, span).catch(() => null);
    if (opened && next === shown) shown = opened; else opened?.stop();
  };
  select.onchange = choose;
  section.hidden = false;
  return choose();
}

// climateOf draws one metric: a pull for what was, and behind its token a live query for what comes.
async function climateOf(metric, span) {
  const section = $("#climate"), unit = metrics[metric];
  const past = await sql(`SELECT zone, minute, mean FROM climate WHERE metric = '${metric}' AND minute >=
    (SELECT max(minute) - INTERVAL 24 HOURS FROM climate WHERE metric = '${metric}') ORDER BY minute`);
  const chart = new Chart($(".chart", section), $(".legend", section), { span, keep: 24 * hour, gap: 30 * minute, unit, digits: { co2: 0, light: 0, vpd: 2 }[metric] ?? 1, order: zoneOrder });
  const put = r => chart.put(r.zone, Date.parse(r.minute), r.mean);
  past.rows.forEach(put);
  const drop = r => chart.put(r.zone, Date.parse(r.minute), null);
  const stop = live("/v1/live/climate?metric=" + metric, past.token, { reset: () => chart.clear(), rows: (came, gone) => apply(came, gone, put, drop) });
  return { chart, stop };
}

// apply takes a frame: an update is a row that goes and one that comes, and only rows that do not come again are taken away.
function apply(came, gone, put, drop) {
  const key = r => Object.values(r).filter(v => typeof v === "string").join("\n"), again = new Set(came.map(key));
  gone.filter(r => !again.has(key(r))).forEach(drop);
  came.forEach(put);
}

async function machine() {
  const section = $("#machine"), tiles = $(".tiles", section), values = new Map();
  const chart = new Chart($(".chart", section), $(".legend", section), { span: 5 * minute, least: minute, keep: 5 * minute, gap: 30_000, unit: "%", digits: 0, low: 0, high: 100, order: ["cpu", "memory", "disk", "swap"] });
  section.hidden = false;
  const put = r => {
    if (r.unit === "%") return chart.put(r.metric, Date.parse(r.moment), r.mean);
    let tile = values.get(r.sensor);
    if (!tile) {
      values.set(r.sensor, tile = { moment: "", value: make("dd") });
      tiles.append(make("div", [make("dt", r.sensor.replace(/^machine-/, "").replaceAll("-", " ")), tile.value]));
    }
    if (r.moment < tile.moment) return;
    tile.moment = r.moment;
    tile.value.replaceChildren(r.mean >= 100 ? r.mean.toFixed(0) : r.mean.toFixed(1), " ", make("small", r.unit));
  };
  const past = await sql("SELECT * FROM machine WHERE moment >= (SELECT max(moment) - INTERVAL 5 MINUTES FROM machine) ORDER BY moment");
  past.rows.forEach(put);
  live("/v1/live/machine", past.token, { reset: () => chart.clear(), rows: came => came.forEach(put) });
}

// The zones' table: one row per metric, one column per zone, the mean of the sensors there.
function zones() {
  const section = $("#zones"), sensors = new Map(), table = $("table", section), names = Object.keys(metrics).concat("wind");
  let due = 0;
  const draw = () => {
    due = 0;
    const all = [...sensors.values()], zones = zoneOrder.filter(z => all.some(r => r.zone === z));
    const cell = (zone, metric) => {
      const those = all.filter(r => r.zone === zone && r.metric === metric && r.value !== null);
      if (!those.length) return make("td", "–", { className: "n" });
      const mean = those.reduce((sum, r) => sum + r.value, 0) / those.length, unit = those[0].unit;
      return make("td", [mean.toFixed(mean >= 100 || unit === "%" || unit === "W/m²" ? 0 : metric === "vpd" ? 2 : 1), " ", make("small", unit)], { className: "n" });
    };
    table.replaceChildren(
      make("thead", make("tr", [make("th"), ...zones.map(z => make("th", z, { className: "n" }))])),
      make("tbody", names.map(m => make("tr", [make("td", m.replace("_", " ")), ...zones.map(z => cell(z, m))]))));
  };
  section.hidden = false;
  live("/v1/live/latest", "", {
    reset: () => sensors.clear(),
    rows: (came, gone) => {
      gone.forEach(r => sensors.delete(r.sensor));
      came.filter(r => r.zone !== "machine").forEach(r => sensors.set(r.sensor, r));
      due ||= setTimeout(draw, 250);
    },
  });
}

// Any view: its rows, the changed ones on top, and a chart of its first number.
let stopExploring = () => {};
function explore(relations) {
  const section = $("#explore"), select = $("select", section), old = select.value;
  const live = relations.filter(r => r.kind !== "view");
  section.hidden = !live.length;
  select.replaceChildren(...live.map(r => make("option", r.name)));
  if (live.some(r => r.name === old)) { select.value = old; return; }
  select.value = (live.find(r => r.kind === "materialized view") ?? live[0])?.name ?? "";
  select.onchange = () => follow(section, select.value);
  if (select.value) follow(section, select.value);
}

function follow(section, name) {
  stopExploring();
  const box = $(".chart", section), table = $("table", section), rows = new Map(), most = 100;
  const chart = new Chart(box, $(".legend", section), { span: 2 * minute, least: 20_000, keep: 2 * minute, digits: 2 });
  let due = 0, fresh = new Set();
  const draw = () => {
    due = 0;
    const shown = [...rows.values()].reverse().slice(0, most), names = Object.keys(shown[0] ?? {});
    const number = n => typeof shown.find(r => r[n] !== null)?.[n] === "number" ? "n" : "";
    table.replaceChildren(
      make("thead", make("tr", names.map(n => make("th", n, { className: number(n) })))),
      make("tbody", shown.map(r => make("tr", names.map(n => make("td", show(r[n]), { className: number(n) })), { className: fresh.has(r) ? "fresh" : "" }))));
    if (!shown.length) table.replaceChildren(make("tbody", make("tr", make("td", "no rows yet"))));
    fresh = new Set();
  };
  const plot = r => {
    const value = Object.values(r).find(v => typeof v === "number");
    const label = Object.values(r).find(v => typeof v === "string" && !/^\d{4}-\d\d-/.test(v)) ?? name;
    if (value !== undefined && (chart.series.has(label) || chart.series.size < 8)) chart.put(label, Date.now(), value);
  };
  const at = (r, n = 0) => JSON.stringify(r) + (n ? "#" + n : "");
  draw();
  stopExploring = live("/v1/live/" + encodeURIComponent(name), "", {
    reset: () => { rows.clear(); chart.clear(); },
    rows: (came, gone) => {
      gone.forEach(r => rows.delete(at(r)));
      came.forEach(r => {
        let n = 0;
        while (rows.has(at(r, n))) n++;
        rows.set(at(r, n), r);
        fresh.add(r);
        if (rows.size > 5000) rows.delete(rows.keys().next().value);
      });
      came.slice(-20).forEach(plot);
      box.hidden = !chart.series.size;
      due ||= setTimeout(draw, 200);
    },
  });
}

async function relations() {
  const found = await sql(`SELECT name, kind, columns FROM (
      SELECT name, 'stream' AS kind, columns FROM tidemill.streams UNION ALL SELECT name, 'table', columns FROM tidemill.tables UNION ALL
      SELECT name, CASE WHEN materialized THEN 'materialized view' ELSE 'view' END, columns FROM tidemill.views) WHERE name NOT LIKE 'tidemill.%' ORDER BY kind <> 'stream', kind <> 'table', kind, name`);
  const status = new Map((await sql("SELECT name, rows FROM tidemill.view_status")).rows.map(r => [r.name, r.rows]));
  const columns = r => (typeof r.columns === "string" ? JSON.parse(r.columns) : r.columns).map(c => c.name).join(", ");
  $("#relations table").replaceChildren(
    make("thead", make("tr", [make("th", "name"), make("th", "kind"), make("th", "rows", { className: "n" }), make("th", "columns")])),
    make("tbody", found.rows.map(r => make("tr", [make("td", make("b", r.name)), make("td", r.kind), make("td", status.has(r.name) ? status.get(r.name).toLocaleString("en") : "", { className: "n" }),
      make("td", columns(r), { className: "clip", title: columns(r) })]))));
  if (!found.rows.length) $("#relations table").replaceChildren(make("tbody", make("tr", make("td", "nothing yet"))));
  return found.rows;
}

async function doors() {
  const here = location.origin, { pg } = await (await fetch("/v1/node")).json();
  const rows = [["HTTP", make("code", here)], ["Shell", make("code", "tidemill sql" + (location.host === "127.0.0.1:8080" ? "" : " --server " + here))]];
  if (pg) {
    const host = pg.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""), port = pg.match(/\d+$/)[0];
    rows.push(["Postgres", make("code", `postgres://${pg}/main`)], ["psql", make("code", `psql -h ${host} -p ${port} -d main`)]);
  }
  rows.push(["Follow a view", make("code", `curl -N ${here}/v1/live/VIEW`)], ["API", make("a", "openapi.json", { href: "/openapi.json" })]);
  $("#doors dl").replaceChildren(...rows.flatMap(([k, v]) => [make("dt", k), make("dd", v)]));
  $("#post").textContent = `curl ${here}/v1/streams/readings -H 'Content-Type: application/x-ndjson' --data-binary '{"sensor":"attic","value":27.5}'`;
}

// look finds out what there is, again and again: the greenhouse as soon as it exists, and new relations as they come.
let demo = false;
async function look() {
  try {
    const found = await relations(), has = name => found.some(r => r.name === name && r.kind === "materialized view");
    if (!demo && ["climate", "machine", "latest"].every(has)) {
      demo = true;
      await Promise.all([climate(), machine()]);
      zones();
    }
    $("#start").hidden = found.length > 0;
    if (!demo) explore(found);
    if (!found.length) state("live", "connected, nothing there yet");
  } catch (error) {
    state("lost", error instanceof TypeError ? "no connection" : error.message);
  }
  setTimeout(look, document.hidden ? 15_000 : 3_000);
}

function state(name, text) {
  const e = $("#state");
  e.className = "state " + name;
  $("span", e).textContent = text;
}

onState(s => { if (s !== "idle") state(s, { live: "live", connecting: "connecting", lost: "no connection, trying again" }[s]); });
doors().catch(() => {});
look();
