"use strict";
// How it is drawn, and what the controls do.

const chart = by("chart"), bars = by("bars"), tip = by("tip");
const names = () => LAYERS[state.layer].names;
const told = (x) => (x === 0 ? "0" : x.toPrecision(4).replace("-", "−"));
let frame = null; // of the chart: from t and values to pixels

function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio; canvas.height = height * ratio;
  canvas.style.width = `${width}px`; canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif"; pen.textBaseline = "middle";
  return pen;
}
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(n * step);
  return found.map((x) => [x, String(+x.toPrecision(6)).replace("-", "−")]);
}
function axes(pen, f, xName, yName) {
  pen.strokeStyle = GREY; pen.fillStyle = INK; pen.lineWidth = 1;
  pen.strokeRect(f.left, f.top, f.width, f.height);
  for (const [x, text] of ticks(f.low[0], f.high[0], 8)) {
    stroke(pen, [[f.x(x), f.top + f.height], [f.x(x), f.top + f.height + 4]]);
    pen.textAlign = "center"; pen.fillText(text, f.x(x), f.top + f.height + 12);
  }
  for (const [y, text] of ticks(f.low[1], f.high[1], 6)) {
    stroke(pen, [[f.left - 4, f.y(y)], [f.left, f.y(y)]]);
    pen.textAlign = "right"; pen.fillText(text, f.left - 7, f.y(y));
  }
  pen.textAlign = "center"; pen.fillText(xName, f.left + f.width / 2, f.top + f.height + 30);
  pen.save(); pen.translate(12, f.top + f.height / 2); pen.rotate(-Math.PI / 2); pen.fillText(yName, 0, 0); pen.restore();
}
function framed(left, top, width, height, low, high) {
  return { left, top, width, height, low, high,
    x: (t) => left + width * (t - low[0]) / (high[0] - low[0]),
    y: (v) => top + height * (high[1] - v) / (high[1] - low[1]),
    t: (x) => low[0] + (high[0] - low[0]) * (x - left) / width,
    v: (y) => high[1] - (high[1] - low[1]) * (y - top) / height };
}
function stroke(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}
function dash(n) { return [[], [7, 3], [2, 3], [9, 3, 2, 3]][Math.floor(n / 7) % 4]; } // colours come again after seven
function hatch(pen, x, y, width, height, holes = []) {
  pen.save(); pen.beginPath(); pen.rect(x, y, width, height);
  for (const hole of holes) { hole.forEach((at, i) => (i ? pen.lineTo(...at) : pen.moveTo(...at))); pen.closePath(); }
  pen.clip("evenodd");
  pen.fillStyle = "rgba(255,255,255,0.7)"; pen.fillRect(x, y, width, height);
  pen.strokeStyle = GREY; pen.lineWidth = 0.5;
  for (let d = -height; d < width; d += 8) stroke(pen, [[x + d, y + height], [x + d + height, y]]);
  pen.restore();
}

function drawLine() {
  const wide = chart.parentElement.clientWidth, tall = 380, pen = sized(chart, wide, tall);
  const points = shown.drawn, who = alive();
  let low = Infinity, high = -Infinity;
  for (const p of points) for (const n of who) { low = Math.min(low, p.v[n]); high = Math.max(high, p.v[n]); }
  if (!(low <= high)) { low = -1; high = 1; }
  const room = 0.06 * (high - low) || 1;
  frame = framed(64, 10, wide - 84, tall - 56, [LINE.at[0], low - room], [LINE.at[LINE.at.length - 1], high + room]);
  const f = frame, zero = Math.min(f.top + f.height, Math.max(f.top, f.y(0)));
  pen.fillStyle = "#f1f1f1"; pen.fillRect(f.left, zero, f.width, f.top + f.height - zero);
  if (zero > f.top && zero < f.top + f.height) { pen.strokeStyle = INK; pen.lineWidth = 1; stroke(pen, [[f.left, zero], [f.left + f.width, zero]]); }
  const few = who.length <= 24;
  const one = (n, colour, width) => {
    pen.strokeStyle = colour; pen.lineWidth = width; pen.setLineDash(few ? dash(n) : []);
    stroke(pen, points.map((p) => [f.x(p.t[0]), f.y(p.v[n])]));
    pen.setLineDash([]);
  };
  pen.globalAlpha = few ? 1 : 0.35;
  for (const n of who) one(n, few ? LOOKS[n % 7] : GREY, few ? 1.4 : 0.7);
  pen.globalAlpha = 1;
  if (state.hover !== null) one(state.hover, INK, 3.5);
  for (const [start, stop] of LINE.shut) hatch(pen, f.x(start), f.top, f.x(stop) - f.x(start), f.height);
  const p = here(), at = f.x(state.t[0]);
  pen.strokeStyle = INK; pen.lineWidth = 1; stroke(pen, [[at, f.top], [at, f.top + f.height]]);
  for (const n of who) mark(pen, at, f.y(p.v[n]), p.v[n], few ? 4.5 : 2.5);
  axes(pen, f, LINE.axis, "pre-activation");
  drawBars(wide);
}
function mark(pen, x, y, value, size) {
  pen.fillStyle = value > 0 ? POSITIVE : value < 0 ? NEGATIVE : INK;
  pen.beginPath();
  if (value > 0) pen.arc(x, y, size, 0, 7);
  else { pen.moveTo(x - size, y - size * 0.7); pen.lineTo(x + size, y - size * 0.7); pen.lineTo(x, y + size); }
  pen.fill();
}
let rows = [];
function drawBars(wide) {
  const who = alive(), length = new Map(), centre = new Map();
  shown.inside.forEach((set, k) => {
    const [a, b] = [shown.points[k].t[0], shown.points[k + 1].t[0]];
    for (const n of set) {
      length.set(n, (length.get(n) || 0) + b - a);
      centre.set(n, (centre.get(n) || 0) + (b - a) * (a + b) / 2);
    }
  });
  rows = who.filter((n) => length.has(n)).sort((a, b) => centre.get(a) / length.get(a) - centre.get(b) / length.get(b));
  const tall = rows.length <= 40 ? 16 : Math.max(1.5, 480 / rows.length), f = frame;
  const pen = sized(bars, wide, rows.length * tall + 8);
  pen.fillStyle = BAR;
  const line = new Map(rows.map((n, r) => [n, r]));
  const since = new Map(), none = new Set();
  [...shown.inside, none].forEach((set, k) => {
    const x = f.x(shown.points[k].t[0]);
    for (const [n, start] of since) {
      if (set.has(n)) continue;
      pen.fillRect(start, line.get(n) * tall + (tall > 8 ? 2 : 0), x - start, tall > 8 ? tall - 4 : tall);
      since.delete(n);
    }
    for (const n of set) if (!since.has(n)) since.set(n, x);
  });
  pen.fillStyle = INK; pen.textAlign = "right";
  if (tall > 8) rows.forEach((n, r) => pen.fillText(names()[n].slice(-9), f.left - 6, r * tall + tall / 2));
  if (state.hover !== null && line.has(state.hover)) {
    pen.strokeStyle = INK; pen.lineWidth = 1.5; pen.strokeRect(f.left, line.get(state.hover) * tall, f.width, tall);
  }
  pen.strokeStyle = INK; pen.lineWidth = 1;
  stroke(pen, [[f.x(state.t[0]), 0], [f.x(state.t[0]), rows.length * tall]]);
  bars.dataset.tall = tall;
}

let base = null;
function drawPlane() {
  const wide = chart.parentElement.clientWidth, side = Math.min(wide - 84, 520);
  const low = PLANE.corners[0], high = PLANE.corners[2];
  const f = frame = framed(64, 10, side, side, low, high), pen = sized(chart, wide, side + 56);
  if (!base) {
    base = document.createElement("canvas");
    const under = sized(base, wide, side + 56), most = Math.max(1, ...shown.counts);
    const outline = (cell) => {
      under.beginPath();
      cell.forEach((p, i) => (i ? under.lineTo(f.x(p.t[0]), f.y(p.t[1])) : under.moveTo(f.x(p.t[0]), f.y(p.t[1]))));
      under.closePath();
    };
    shown.cells.forEach((cell, i) => {
      const light = Math.round(255 * (1 - 0.38 * (state.group === "top" ? 0 : shown.counts[i] / most)));
      outline(cell);
      under.fillStyle = under.strokeStyle = `rgb(${light},${light},${light})`; under.lineWidth = 0.8;
      under.fill(); under.stroke();
    });
    under.lineWidth = 0.4; under.strokeStyle = state.group === "top" ? INK : GREY;
    for (const cell of shown.cells) { outline(cell); under.stroke(); }
    shown.pieces = boundaryPieces();
    under.lineWidth = 1.6;
    for (const { n, a, b } of shown.pieces) {
      under.strokeStyle = LOOKS[n % 7]; under.setLineDash(dash(n));
      stroke(under, [[f.x(a[0]), f.y(a[1])], [f.x(b[0]), f.y(b[1])]]);
    }
    under.setLineDash([]);
    if (PLANE.open) hatch(under, f.left, f.top, f.width, f.height, PLANE.open.map((cell) => cell.map((t) => [f.x(t[0]), f.y(t[1])])));
  }
  pen.drawImage(base, 0, 0, wide, side + 56); // the cells, which a slider leaves as they are
  if (state.hover !== null) {
    pen.strokeStyle = INK; pen.lineWidth = 3.5;
    for (const { n, a, b } of shown.pieces) if (n === state.hover) stroke(pen, [[f.x(a[0]), f.y(a[1])], [f.x(b[0]), f.y(b[1])]]);
  }
  const [x, y] = [f.x(state.t[0]), f.y(state.t[1])];
  pen.lineWidth = 5; pen.strokeStyle = "white"; stroke(pen, [[x - 8, y], [x + 8, y]]); stroke(pen, [[x, y - 8], [x, y + 8]]);
  pen.lineWidth = 2.5; pen.strokeStyle = INK; stroke(pen, [[x - 7, y], [x + 7, y]]); stroke(pen, [[x, y - 7], [x, y + 7]]);
  axes(pen, f, PLANE.axes[0], PLANE.axes[1]);
  drawValues(pen, side + 130, wide - side - 160, side);
}
function drawValues(pen, left, width, tall) {
  const who = alive(), p = here();
  if (width < 160 || !who.length || who.length > 32) return;
  const step = Math.min(24, tall / who.length), most = Math.max(...who.map((n) => Math.abs(p.v[n]))) || 1;
  const middle = left + 60 + (width - 120) / 2;
  pen.fillStyle = INK; pen.textAlign = "center"; pen.fillText("pre-activation at the cross", middle, 16);
  who.forEach((n, row) => {
    const y = 34 + row * step, x = (p.v[n] / most) * (width - 120) / 2;
    pen.fillStyle = p.v[n] > 0 ? POSITIVE : NEGATIVE;
    pen.fillRect(Math.min(middle, middle + x), y, Math.abs(x), step * 0.7);
    pen.fillStyle = INK; pen.textAlign = "right"; pen.fillText(names()[n].slice(-12), left + 52, y + step * 0.35);
    pen.textAlign = "left"; pen.fillText(told(p.v[n]), left + width - 52, y + step * 0.35);
  });
  pen.strokeStyle = INK; pen.lineWidth = 1; stroke(pen, [[middle, 30], [middle, 34 + who.length * step]]);
}
function boundaryPieces() {
  if (state.group === "top") return [];
  const found = [], who = alive(), seen = new Set();
  for (const cell of shown.cells) cell.forEach((p, i) => {
    const q = cell[(i + 1) % cell.length];
    const ends = [p, q].map((r) => Array.from(r.t, (x) => x.toPrecision(12)).join()).sort().join(" ");
    for (const n of who) {
      if (seen.has(`${n} ${ends}`)) continue; // the neighbour has the same edge
      // Round a cell that rests at its level all over there is a boundary, within it none: its other side shows it.
      if (p.v[n] === levelOf(n) && q.v[n] === levelOf(n) && cell.some((r) => r.v[n] !== levelOf(n))) {
        seen.add(`${n} ${ends}`);
        found.push({ n, a: p.t, b: q.t });
      }
    }
  });
  return found;
}

function draw() {
  (state.view === "line" ? drawLine : drawPlane)();
  const p = here(), inside = new Set(members(p));
  document.querySelectorAll("#neurons li").forEach((row) => {
    const [l, n] = [Number(row.dataset.layer), Number(row.dataset.neuron)], current = l === state.layer;
    const off = state.off[l].has(n);
    row.querySelector("output").textContent = current && !off ? told(p.v[n]) : "";
    row.classList.toggle("in", current && !off && inside.has(n));
    row.classList.toggle("off", off);
    const coloured = current && !off && (state.view === "plane" ? state.group !== "top" : alive().length <= 24);
    row.querySelector("i").style.background = coloured ? LOOKS[n % 7] : "none";
  });
  by("who").textContent = `${inside.size} of ${alive().length}: ${[...inside].sort((a, b) => a - b).map((n) => names()[n]).join(", ") || "none"}`;
  by("cells").textContent = state.view === "line" ? `${stretches()} stretches` : `${shown.cells.length} cells`;
}
function stretches() {
  let count = 1;
  const same = (a, b) => a.size === b.size && [...a].every((n) => b.has(n));
  shown.inside.forEach((set, k) => { if (k && !same(set, shown.inside[k - 1])) count++; });
  return count;
}
function renew() { base = null; compute(); draw(); }
function keep() {
  const off = state.off.flatMap((set, l) => [...set].map((n) => `${l}.${n}`)).join(",");
  const kept = { view: state.view, layer: state.layer, group: state.group, number: state.number, t: state.t.join(","), off };
  try { history.replaceState(null, "", `#${new URLSearchParams(kept)}`); } catch { /* a page within a page may not */ }
}

function ends() {
  return state.view === "line" ? [[LINE.at[0]], [LINE.at[LINE.at.length - 1]]] : [PLANE.corners[0], PLANE.corners[2]];
}
function controls() {
  const [low, high] = ends(), labels = state.view === "line" ? [LINE.axis] : PLANE.axes;
  if (state.t.length !== low.length) state.t = Array.from(low, (x, i) => x + 0.6 * (high[i] - x));
  by("sliders").replaceChildren(...labels.map((label, i) => {
    const row = document.createElement("label"), slider = document.createElement("input"), says = document.createElement("output");
    Object.assign(slider, { type: "range", min: low[i], max: high[i], step: "any", value: state.t[i], id: `t${i}` });
    says.textContent = told(state.t[i]);
    slider.addEventListener("input", () => { state.t[i] = Number(slider.value); says.textContent = told(state.t[i]); draw(); });
    slider.addEventListener("change", keep);
    row.append(label, slider, says);
    return row;
  }));
  by("bars-card").hidden = state.view !== "line";
  const top = state.group === "top", number = by("number");
  number.hidden = !(top || state.group === "above");
  number.step = top ? "1" : "any";
  if (top) state.number = Math.min(names().length, Math.max(1, Math.round(state.number)));
  number.value = state.number;
  const own = by("group").querySelector("option[value=own]");
  if (own) { // thresholds are those of the last layer
    own.disabled = state.layer !== LAYERS.length - 1;
    if (own.disabled && state.group === "own") state.group = "positive";
  }
  by("group").value = state.group; by("layer").value = state.layer;
  if (by("view")) by("view").value = state.view;
  document.querySelectorAll("#neurons details").forEach((part, l) => { if (l === state.layer) part.open = true; });
}
function changed() { state.hover = null; controls(); renew(); keep(); }

function list() {
  LAYERS.forEach((layer, l) => {
    const part = document.createElement("details"), head = document.createElement("summary"), all = document.createElement("ul");
    head.textContent = `${layer.title}: ${layer.names.length} neurons`;
    layer.names.forEach((name, n) => {
      const row = document.createElement("li"), label = document.createElement("label"), box = document.createElement("input");
      Object.assign(box, { type: "checkbox", checked: !state.off[l].has(n) });
      Object.assign(row.dataset, { layer: l, neuron: n });
      box.addEventListener("change", () => { state.off[l][box.checked ? "delete" : "add"](n); state.hover = null; renew(); keep(); });
      label.append(box, document.createElement("i"), ` ${name}`);
      row.append(label, document.createElement("output"));
      row.addEventListener("mouseenter", () => { if (l === state.layer && box.checked) { state.hover = n; draw(); } });
      row.addEventListener("mouseleave", () => { state.hover = null; draw(); });
      all.append(row);
    });
    part.append(head, all);
    by("neurons").append(part);
  });
}

function nearest(x, y) {
  const far = (a, b) => {
    const dx = b[0] - a[0], dy = b[1] - a[1], along = Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(x - a[0] - along * dx, y - a[1] - along * dy);
  };
  let best = null, least = 9;
  const tried = (n, a, b) => { const d = far(a, b); if (d < least) { least = d; best = n; } };
  if (state.view === "plane") for (const { n, a, b } of shown.pieces) tried(n, [frame.x(a[0]), frame.y(a[1])], [frame.x(b[0]), frame.y(b[1])]);
  else shown.drawn.slice(1).forEach((q, k) => {
    const p = shown.drawn[k];
    if (frame.x(p.t[0]) > x + 9 || frame.x(q.t[0]) < x - 9) return;
    for (const n of alive()) tried(n, [frame.x(p.t[0]), frame.y(p.v[n])], [frame.x(q.t[0]), frame.y(q.v[n])]);
  });
  return best;
}
function say(event, text) {
  tip.hidden = !text;
  tip.textContent = text || "";
  const box = tip.parentElement.getBoundingClientRect();
  tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 4)}px`;
  tip.style.top = `${event.clientY - box.top + 16}px`;
}
chart.addEventListener("mousemove", (event) => {
  const n = nearest(event.offsetX, event.offsetY);
  if (n !== state.hover) { state.hover = n; draw(); }
  if (state.view === "line") {
    const t = Math.min(frame.high[0], Math.max(frame.low[0], frame.t(event.offsetX))), at = state.t;
    if (n === null) { say(event, ""); return; }
    state.t = [t]; const value = here().v[n]; state.t = at;
    say(event, `${names()[n]}: ${told(value)} at ${told(t)}`);
  } else {
    const t = [frame.t(event.offsetX), frame.v(event.offsetY)];
    if (t.some((x, i) => x < frame.low[i] || x > frame.high[i])) { say(event, ""); return; }
    const who = members(snap(middleOf(cellAt(t)), levelOf)).map((m) => names()[m]);
    const listed = who.slice(0, 12).join(", ") + (who.length > 12 ? ` and ${who.length - 12} more` : "");
    say(event, `${n === null ? "" : `${names()[n]} crosses here. `}In the group: ${listed || "none"}`);
  }
});
chart.addEventListener("mouseleave", (event) => { state.hover = null; say(event, ""); draw(); });
chart.addEventListener("click", (event) => {
  const t = [frame.t(event.offsetX), frame.v(event.offsetY)].slice(0, state.t.length);
  state.t = t.map((x, i) => Math.min(frame.high[i], Math.max(frame.low[i], x)));
  controls(); draw(); keep();
});
bars.addEventListener("mousemove", (event) => {
  const n = rows[Math.floor(event.offsetY / Number(bars.dataset.tall))] ?? null;
  if (n !== state.hover) { state.hover = n; draw(); }
  say(event, n === null ? "" : names()[n]);
});
bars.addEventListener("mouseleave", (event) => { state.hover = null; say(event, ""); draw(); });

function begin() {
  const kept = new URLSearchParams(location.hash.slice(1));
  if (kept.get("view") === "line" && LINE) state.view = "line";
  if (kept.get("view") === "plane" && PLANE) state.view = "plane";
  if (kept.get("layer") in LAYERS) state.layer = Number(kept.get("layer"));
  if (["positive", "above", "top", ...(THRESHOLDS ? ["own"] : [])].includes(kept.get("group"))) state.group = kept.get("group");
  if (Number.isFinite(parseFloat(kept.get("number")))) state.number = parseFloat(kept.get("number"));
  for (const one of (kept.get("off") || "").split(",").filter(Boolean)) {
    const [l, n] = one.split(".").map(Number);
    if (LAYERS[l] && n in LAYERS[l].names) state.off[l].add(n);
  }
  const t = (kept.get("t") || "").split(",").map(parseFloat), [low, high] = ends();
  if (t.length === low.length && t.every((x, i) => x >= low[i] && x <= high[i])) state.t = t;
  for (const id of ["view", "layer", "group"]) {
    by(id)?.addEventListener("change", () => { state[id] = id === "layer" ? Number(by(id).value) : by(id).value; changed(); });
  }
  by("number").addEventListener("change", () => { const x = parseFloat(by("number").value); if (Number.isFinite(x)) state.number = x; changed(); });
  list(); controls(); renew();
  window.addEventListener("resize", () => { base = null; draw(); });
}
begin();
