// Talking to the node: statements over /v1/sql, live queries over /v1/live.

export async function sql(text) {
  const response = await fetch("/v1/sql", { method: "POST", headers: { "Content-Type": "application/sql" }, body: text });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error?.message ?? response.statusText);
  const names = answer.columns.map(c => c.name);
  return { ...answer, names, rows: answer.rows.map(r => Object.fromEntries(r.map((v, i) => [names[i], v]))) };
}

const streams = new Map(); // the live queries and whether each is connected
let tell = () => {};

// onState calls back with "connecting", "live" or "lost" when that changes.
export function onState(callback) {
  tell = () => {
    const all = [...streams.values()];
    callback(all.includes("lost") ? "lost" : all.length && all.every(s => s === "live") ? "live" : all.length ? "connecting" : "idle");
  };
  tell();
}

// live follows a live query. token resumes it behind an answer or frame with that token, so that nothing is missed in between and nothing comes twice. on.reset
// is called when what was known is void, on.rows with rows that came and rows that went. It returns a function that ends it.
export function live(path, token, on) {
  let source, timer, closed = false, last = token, begins = true; // begins: the next frame of a snapshot is its first
  const open = () => {
    source = new EventSource(path + (last ? (path.includes("?") ? "&" : "?") + "lastEventId=" + encodeURIComponent(last) : ""));
    streams.set(path, streams.get(path) === "lost" ? "lost" : "connecting");
    tell();
    source.onopen = () => { streams.set(path, "live"); tell(); };
    source.addEventListener("snapshot", e => {
      const data = JSON.parse(e.data);
      if (begins) on.reset();
      begins = !data.more;
      on.rows(data.rows, []);
      last = e.lastEventId;
    });
    source.addEventListener("change", e => {
      const data = JSON.parse(e.data);
      on.rows(data.inserts, data.deletes);
      last = e.lastEventId;
    });
    source.addEventListener("progress", e => { last = e.lastEventId; });
    source.onerror = () => {
      streams.set(path, "lost");
      tell();
      // The browser comes back by itself after a cut, but not after a refusal.
      if (source.readyState === EventSource.CLOSED && !closed) { source.close(); timer = setTimeout(open, 2000); }
    };
  };
  open();
  return () => { closed = true; clearTimeout(timer); source.close(); streams.delete(path); tell(); };
}
