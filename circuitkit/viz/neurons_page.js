"use strict";
// What neurons say along a line or over a plane, computed anew whenever one is switched off. The same steps as in
// circuitkit/neurons: values are linear between knots, or within cells, and are cut wherever one of them crosses.

const DATA = JSON.parse(document.getElementById("data").textContent);
const ROUNDING = 2 ** -40, NARROWEST = 1e-9;
const POSITIVE = "#b2182b", NEGATIVE = "#2166ac", INK = "#222222", GREY = "#6b6b6b", FAINT = "#dcdcdc", BAR = "#0072b2";
const LOOKS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222"];
const by = (id) => document.getElementById(id);

function floats(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float64Array(bytes.buffer);
}
function rowsOf(text, width) {
  const all = floats(text), rows = [];
  for (let start = 0; start < all.length; start += width) rows.push(all.slice(start, start + width));
  return rows;
}
const LAYERS = DATA.layers.map((layer) => ({ ...layer,
  weights: layer.weights && rowsOf(layer.weights, layer.names.length), bias: layer.bias && floats(layer.bias) }));
const WIDTH = LAYERS[0].names.length;
const LINE = DATA.line && { at: floats(DATA.line.at), values: rowsOf(DATA.line.values, WIDTH),
  scale: rowsOf(DATA.line.scale, WIDTH), shut: DATA.line.shut, axis: DATA.line.axis };
const PLANE = DATA.plane && { corners: rowsOf(DATA.plane.corners, 2), values: rowsOf(DATA.plane.values, WIDTH),
  scale: rowsOf(DATA.plane.scale, WIDTH), axes: DATA.plane.axes, open: DATA.plane.open };
const THRESHOLDS = DATA.thresholds && floats(DATA.thresholds);

// What is shown. The address keeps it, so that a link shows the same.
const state = { view: LINE ? "line" : "plane", layer: LAYERS.length - 1, group: "positive", number: 1,
  t: [], off: LAYERS.map(() => new Set()), hover: null };

function point(values, scale, t) { return { v: values, s: scale, t }; }
function between(a, b, along) {
  const mix = (p, q) => p.map((value, n) => value + along * (q[n] - value));
  return point(mix(a.v, b.v), mix(a.s, b.s), mix(a.t, b.t));
}
function snap(p, level) {
  for (let n = 0; n < p.v.length; n++) {
    if (Math.abs(p.v[n] - level(n)) <= ROUNDING * (p.s[n] + Math.abs(level(n)))) p.v[n] = level(n);
  }
  return p;
}
function apply(p, layer, off) {
  const v = Float64Array.from(layer.bias), s = layer.bias.map(Math.abs);
  for (let i = 0; i < p.v.length; i++) {
    const x = off.has(i) ? 0 : Math.max(0, p.v[i]);
    if (x === 0) continue;
    const row = layer.weights[i];
    for (let n = 0; n < v.length; n++) { v[n] += x * row[n]; s[n] += x * Math.abs(row[n]); }
  }
  return snap(point(v, s, p.t), () => 0);
}

// Lines: a list of points, in order.
function cutLine(points, level) {
  const count = points[0].v.length, found = [];
  points.forEach((p) => snap(p, level));
  points.forEach((p, k) => {
    found.push(p);
    const next = points[k + 1];
    if (!next) return;
    const places = [];
    for (let n = 0; n < count; n++) {
      const a = p.v[n] - level(n), b = next.v[n] - level(n);
      if (a * b >= 0) continue;
      const blur = Math.min(ROUNDING * (Math.max(p.s[n], next.s[n]) + Math.abs(level(n))) / Math.abs(a - b), NARROWEST);
      places.push({ along: a / (a - b), blur, n });
    }
    insert(found, p, next, places, (q, n) => { q.v[n] = level(n); }, level);
  });
  return found;
}
function insert(found, p, next, places, fix, level) {
  places.sort((a, b) => a.along - b.along);
  for (let i = 0; i < places.length;) {
    let j = i + 1, best = places[i];
    while (j < places.length && places[j].along - places[j - 1].along <= Math.max(places[j].blur, places[j - 1].blur)) {
      if (places[j].blur < best.blur) best = places[j];
      j++;
    }
    const q = between(p, next, best.along);
    if (level) snap(q, level);
    for (; i < j; i++) if (fix) fix(q, places[i].n);
    found.push(q);
  }
}
function lineOf(layer) {
  let points = LINE.values.map((row, k) => point(row.slice(), LINE.scale[k], [LINE.at[k]]));
  for (let l = 1; l <= layer; l++) {
    points = cutLine(points, () => 0).map((p) => apply(p, LAYERS[l], state.off[l - 1]));
  }
  return points;
}
// Who is among the k highest changes where the lowest member meets the highest other: walked as in neurons/order.py.
function swaps(p, next, who, k) {
  const places = [], v = (n, along) => p.v[n] + along * (next.v[n] - p.v[n]);
  const blur = (a, b) => ROUNDING * Math.max(p.s[a], p.s[b], next.s[a], next.s[b]);
  const rise = (n) => next.v[n] - p.v[n];
  const order = [...who].sort((a, b) => (Math.abs(p.v[a] - p.v[b]) > blur(a, b) ? p.v[b] - p.v[a] : rise(b) - rise(a) || a - b));
  const members = new Set(order.slice(0, k));
  const rivals = (along) => {
    let low = -1, high = -1;
    for (const n of who) {
      if (members.has(n)) { if (low < 0 || v(n, along) < v(low, along)) low = n; }
      else if (high < 0 || v(n, along) > v(high, along)) high = n;
    }
    return [low, high, low < 0 || high < 0 ? 0 : v(low, along) - v(high, along)];
  };
  for (let step = 0, t = 0; step < who.length ** 2; step++) {
    let [low, high, lead] = rivals(1), place = 1;
    if (lead >= 0 || lead >= -blur(low, high)) break;
    for (;;) {
      const steeper = rise(high) - rise(low);
      const met = Math.max(t, Math.min(place, steeper > 0 ? (p.v[low] - p.v[high]) / steeper : 0));
      const stuck = met >= place || met <= t;
      place = met;
      const [l, h, d] = rivals(place);
      if (stuck || d >= -blur(l, h)) break;
      [low, high] = [l, h];
    }
    t = place;
    const width = Math.min(blur(low, high) / Math.abs(rise(high) - rise(low)), NARROWEST);
    if (place > width && place < 1 - width) places.push({ along: place, blur: width });
    members.delete(low); members.add(high);
  }
  return places;
}

// Planes: a list of cells, each a list of points round about.
function splitCells(cells, margin, fix) {
  const found = [];
  for (const cell of cells) {
    const m = cell.map(margin);
    if (!(m.some((x) => x > 0) && m.some((x) => x < 0))) { found.push(cell); continue; }
    const above = [], below = [];
    cell.forEach((p, i) => {
      const j = (i + 1) % cell.length;
      if (m[i] >= 0) above.push(p);
      if (m[i] <= 0) below.push(p);
      if (m[i] * m[j] < 0) {
        // From the same end whichever way round, so that neighbours get the same point.
        const q = m[i] > 0 ? between(p, cell[j], m[i] / (m[i] - m[j])) : between(cell[j], p, m[j] / (m[j] - m[i]));
        fix(q);
        above.push(q); below.push(q);
      }
    });
    found.push(above, below);
  }
  return found;
}
function cutCells(cells, level) {
  cells.forEach((cell) => cell.forEach((p) => snap(p, level)));
  for (let n = 0; n < cells[0][0].v.length; n++) {
    cells = splitCells(cells, (p) => p.v[n] - level(n), (q) => { snap(q, level); q.v[n] = level(n); });
  }
  return cells;
}
function cellsOf(layer) {
  let cells = [PLANE.corners.map((corner, k) => point(PLANE.values[k].slice(), PLANE.scale[k], Array.from(corner)))];
  for (let l = 1; l <= layer; l++) {
    cells = cutCells(cells, () => 0).map((cell) => cell.map((p) => apply(p, LAYERS[l], state.off[l - 1])));
  }
  return cells;
}
function cutCellsAtSwaps(cells, who, k) {
  const todo = [...cells], done = [];
  while (todo.length) {
    const cell = todo.pop(), middle = middleOf(cell), inside = new Set(highest(middle, who, k));
    let worst = null;
    for (const p of cell) {
      let low = -1, high = -1;
      for (const n of who) {
        if (inside.has(n)) { if (low < 0 || p.v[n] < p.v[low]) low = n; }
        else if (high < 0 || p.v[n] > p.v[high]) high = n;
      }
      if (low < 0 || high < 0) continue;
      const lead = p.v[low] - p.v[high] + ROUNDING * Math.max(p.s[low], p.s[high]);
      if (lead < 0 && (!worst || lead < worst.lead)) worst = { lead, low, high };
    }
    const parts = worst ? splitCells([cell], (p) => {
      const m = p.v[worst.low] - p.v[worst.high];
      return Math.abs(m) <= ROUNDING * Math.max(p.s[worst.low], p.s[worst.high]) ? 0 : m;
    }, () => {}) : [cell];
    (parts.length > 1 ? todo : done).push(...parts);
  }
  return done;
}
function middleOf(cell) {
  const mean = (key) => cell[0][key].map((_, n) => cell.reduce((sum, p) => sum + p[key][n], 0) / cell.length);
  return point(mean("v"), mean("s"), mean("t"));
}

// Groups.
function alive() {
  return LAYERS[state.layer].names.map((_, n) => n).filter((n) => !state.off[state.layer].has(n));
}
function highest(p, who, k) {
  return [...who].sort((a, b) => (Math.abs(p.v[a] - p.v[b]) > ROUNDING * Math.max(p.s[a], p.s[b]) ? p.v[b] - p.v[a] : a - b)).slice(0, k);
}
function levelOf(n) {
  return state.group === "above" ? state.number : state.group === "own" ? THRESHOLDS[n] : 0;
}
function members(p) {
  const who = alive();
  return state.group === "top" ? highest(p, who, state.number) : who.filter((n) => p.v[n] > levelOf(n));
}
const shown = { points: [], cells: [], counts: [] };
function compute() {
  const who = alive(), top = state.group === "top";
  if (state.view === "line") {
    const points = lineOf(state.layer);
    shown.drawn = points;
    if (!top) { shown.points = cutLine(points.map((p) => point(p.v.slice(), p.s, p.t)), levelOf); }
    else {
      shown.points = [];
      points.forEach((p, k) => {
        shown.points.push(p);
        if (points[k + 1]) insert(shown.points, p, points[k + 1], swaps(p, points[k + 1], who, state.number));
      });
    }
    shown.inside = shown.points.slice(1).map((p, k) => new Set(members(between(shown.points[k], p, 0.5))));
  } else {
    const cells = cellsOf(state.layer);
    shown.cells = top ? cutCellsAtSwaps(cells, who, state.number) : cutCells(cells, levelOf);
    shown.counts = shown.cells.map((cell) => members(snap(middleOf(cell), levelOf)).length);
  }
}
function here() {
  if (state.view === "line") {
    const points = shown.points;
    let k = points.findIndex((p, i) => i + 1 < points.length && state.t[0] <= points[i + 1].t[0]);
    if (k < 0) k = points.length - 2;
    const [a, b] = [points[k], points[k + 1]];
    return between(a, b, Math.min(1, Math.max(0, (state.t[0] - a.t[0]) / (b.t[0] - a.t[0] || 1))));
  }
  return valueIn(cellAt(state.t), state.t);
}
function cellAt(t) {
  let best = 0, most = -Infinity;
  shown.cells.forEach((cell, number) => {
    let depth = Infinity;
    cell.forEach((p, i) => {
      const q = cell[(i + 1) % cell.length], dx = q.t[0] - p.t[0], dy = q.t[1] - p.t[1];
      depth = Math.min(depth, (dx * (t[1] - p.t[1]) - dy * (t[0] - p.t[0])) / (Math.hypot(dx, dy) || 1));
    });
    if (depth > most) { most = depth; best = number; }
  });
  return shown.cells[best];
}
function valueIn(cell, t) {
  // Of all triangles of three corners, the one that is largest tells the slope best.
  let best = [0, 1, 2], most = 0;
  for (let i = 1; i + 1 < cell.length; i++) for (let j = i + 1; j < cell.length; j++) {
    const size = Math.abs(cross(cell[0].t, cell[i].t, cell[j].t));
    if (size > most) { most = size; best = [0, i, j]; }
  }
  const [a, b, c] = best.map((i) => cell[i]), whole = cross(a.t, b.t, c.t);
  const u = cross(a.t, t, c.t) / whole, w = cross(a.t, b.t, t) / whole;
  const mix = (key) => a[key].map((x, n) => x + u * (b[key][n] - x) + w * (c[key][n] - x));
  return point(mix("v"), mix("s"), t);
}
function cross(a, b, c) { return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]); }
