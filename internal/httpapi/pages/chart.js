// A line chart of values over time that glides as new points arrive. It draws on a canvas, in the page's colours, only while it is visible.

const colors = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];
const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800].map(s => s * 1000);

export class Chart {
  // options: span in ms, least: a smaller span to begin with, while there are few points; keep: how much is kept for a larger span; gap in ms beyond which a line is broken, unit, digits, low and high (the axis shows at least these), names of series in order
  constructor(box, legend, options) {
    Object.assign(this, { box, legend, gap: Infinity, digits: 1, unit: "", order: [] }, options);
    this.series = new Map();
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    box.replaceChildren(this.canvas);
    legend.replaceChildren();
    this.view = null; // what is shown now: it glides to what should be shown
    this.frame = 0;
    const again = () => this.wake();
    new ResizeObserver(again).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    document.addEventListener("visibilitychange", again);
  }

  // put sets the point of a series at a time; a value of null takes it away.
  put(name, time, value) {
    const s = this.series.get(name) ?? this.add(name);
    let i = s.points.length;
    while (i > 0 && s.points[i - 1].time > time) i--;
    const there = i > 0 && s.points[i - 1].time === time;
    if (value === null) { if (there) s.points.splice(i - 1, 1); }
    else if (there) s.points[i - 1].value = value;
    else s.points.splice(i, 0, { time, value });
    this.wake();
  }

  add(name) {
    const s = { points: [], item: document.createElement("li") };
    s.item.append(document.createElement("i"), name, document.createElement("b"));
    this.series.set(name, s);
    const rank = n => (this.order.indexOf(n) + 1 || 99);
    const names = [...this.series.keys()].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    names.forEach((n, k) => {
      const item = this.series.get(n).item;
      this.series.get(n).color = colors[k % colors.length];
      item.firstChild.style.background = `var(${colors[k % colors.length]})`;
      this.legend.append(item);
    });
    return s;
  }

  clear() { for (const s of this.series.values()) s.points = []; this.view = null; this.wake(); }
  setSpan(span) { this.span = span; this.wake(); }
  wake() { this.frame ||= requestAnimationFrame(now => this.draw(now)); }

  // goal is the range that should be shown; what is older is forgotten.
  goal() {
    let right = -Infinity, left = Infinity, low = this.low ?? Infinity, high = this.high ?? -Infinity;
    for (const s of this.series.values()) if (s.points.length) {
      right = Math.max(right, s.points.at(-1).time);
      left = Math.min(left, s.points[0].time);
    }
    if (right === -Infinity) return null;
    for (const s of this.series.values()) {
      const old = s.points.findIndex(p => p.time >= right - this.keep);
      if (old > 600) s.points.splice(0, old);
      for (const p of s.points) if (p.time >= right - this.span) { low = Math.min(low, p.value); high = Math.max(high, p.value); }
    }
    if (!(high > low)) { low -= 1; high += 1; }
    const pad = (high - low) * 0.06;
    const span = this.least ? Math.min(this.span, Math.max(this.least, right - left)) : this.span;
    return { right, span, low: low === this.low ? low : low - pad, high: high === this.high ? high : high + pad };
  }

  draw(now) {
    this.frame = 0;
    const goal = this.goal();
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!goal || !width || document.hidden) return;
    const view = this.view ??= { ...goal };
    const ease = 1 - Math.exp(-Math.min(100, now - (this.last ?? now)) / 180);
    this.last = now;
    let moving = false;
    for (const k in view) {
      const rest = goal[k] - view[k];
      const still = Math.abs(rest) < (k === "right" || k === "span" ? goal.span : goal.high - goal.low) / 4000;
      view[k] = still || Math.abs(rest) > 5 * goal.span ? goal[k] : view[k] + rest * ease;
      moving ||= !still;
    }
    this.paint(view, width, height);
    if (moving) this.wake();
  }

  paint(view, width, height) {
    const ratio = devicePixelRatio || 1, style = getComputedStyle(document.documentElement), g = this.canvas.getContext("2d");
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const left = 44, bottom = height - 22, top = 8, right = width - 10;
    const x = t => right - (view.right - t) / view.span * (right - left);
    const y = v => bottom - (v - view.low) / (view.high - view.low) * (bottom - top);
    g.font = "12px system-ui, sans-serif";
    g.fillStyle = style.getPropertyValue("--soft");
    g.strokeStyle = style.getPropertyValue("--line");
    this.axes(g, view, x, y, { left, right, top, bottom });
    g.save();
    g.beginPath();
    g.rect(left, top - 4, right - left + 8, bottom - top + 5);
    g.clip();
    g.lineWidth = 2;
    g.lineJoin = g.lineCap = "round";
    for (const [name, s] of this.series) {
      g.strokeStyle = g.fillStyle = style.getPropertyValue(s.color);
      this.line(g, s.points, x, y, view);
      const last = s.points.at(-1);
      s.item.lastChild.textContent = last ? last.value.toFixed(this.digits) + " " + this.unit : "–";
      if (last && last.time > view.right - view.span) { g.beginPath(); g.arc(x(last.time), y(last.value), 3.5, 0, 7); g.fill(); }
    }
    g.restore();
    this.canvas.setAttribute("aria-label", [...this.series].map(([n, s]) => `${n} ${s.item.lastChild.textContent}`).join(", "));
  }

  axes(g, view, x, y, { left, right, top, bottom }) {
    g.lineWidth = 1;
    g.textAlign = "right";
    g.textBaseline = "middle";
    const rough = (view.high - view.low) / Math.max(2, (bottom - top) / 42), ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(n => n * ten).find(n => n >= rough);
    for (let v = Math.ceil(view.low / step) * step; v <= view.high; v += step) {
      const at = Math.round(y(v)) + 0.5;
      g.beginPath(); g.moveTo(left, at); g.lineTo(right, at); g.stroke();
      g.fillText(v.toFixed(Math.max(0, -Math.floor(Math.log10(step)))) + (this.unit === "%" ? "%" : ""), left - 7, at);
    }
    g.textAlign = "center";
    g.textBaseline = "top";
    const every = steps.find(s => s >= view.span / Math.max(2, (right - left) / 90)) ?? steps.at(-1);
    const zone = new Date(view.right).getTimezoneOffset() * 60000;
    for (let t = Math.ceil((view.right - view.span - zone) / every) * every + zone; t <= view.right; t += every) {
      const at = x(t);
      if (at > left + 12 && at < right - 14) g.fillText(clock(t, every), at, bottom + 6);
    }
  }

  line(g, points, x, y, view) {
    let open = false, before = null;
    g.beginPath();
    for (const p of points) {
      if (p.time < view.right - view.span * 1.05) continue;
      if (open && p.time - before.time <= this.gap) g.lineTo(x(p.time), y(p.value));
      else g.moveTo(x(p.time), y(p.value));
      open = true;
      before = p;
    }
    g.stroke();
  }
}

function clock(time, step) {
  const d = new Date(time), two = n => String(n).padStart(2, "0");
  return two(d.getHours()) + ":" + two(d.getMinutes()) + (step < 60000 ? ":" + two(d.getSeconds()) : "");
}
