"use strict";
// Draws the charts once and then changes only their data. No expression is evaluated as code (ast).
(() => {
  const words = document.documentElement.dataset;
  const views = new Map();
  let theme = "light";
  let version = null;
  let windowStart = null;
  let library = null;
  let power = [];

  const loadLibrary = () => {
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = words.vega;
      script.onload = resolve;
      script.onerror = () => reject(new Error("chart library"));
      document.head.append(script);
    });
    return library;
  };

  const fetchChart = async (name) => {
    const source = document.querySelector(`[data-chart="${name}"]`)?.dataset.source ?? `/api/v1/chart/${name}?`;
    const answer = await fetch(`${source}&theme=${theme}&lang=${words.language}`);
    if (!answer.ok) throw new Error(`chart ${name}: ${answer.status}`);
    return answer.json();
  };

  // -- tooltip -----------------------------------------------------------------------------------

  const tip = document.querySelector("#tip");
  const showTip = (_handler, event, _item, value) => {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    tip.textContent = value;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    tip.style.transform = `translate(${Math.max(8, left)}px, ${event.clientY + 16}px)`;
  };

  // -- drawing -----------------------------------------------------------------------------------

  const drawOne = async (place) => {
    const name = place.dataset.chart;
    const { spec, rows } = await fetchChart(name);
    await loadLibrary();
    const old = views.get(name);
    const drawn = await window.vegaEmbed(place, { ...spec, datasets: rows }, {
      mode: "vega-lite",
      actions: false,
      ast: true,
      renderer: "svg",
      defaultStyle: false,
      tooltip: showTip,
      logLevel: 1, // errors; an empty day is no reason to warn
    });
    old?.finalize();
    views.set(name, drawn);
    if (name === "window") power = rows.power;
    place.dataset.drawn = theme;
  };

  const draw = async (wanted) => {
    theme = wanted;
    const places = [...document.querySelectorAll("[data-chart]")];
    await Promise.all(places.map((place) => drawOne(place).catch((error) => {
      if (!views.has(place.dataset.chart)) place.textContent = words.failed;
      console.warn(error.message);
    })));
  };

  // The view takes rows as its own: it gets copies.
  const replace = (view, name, rows) => view.data(name, rows.map((row) => ({ ...row })));

  const refill = async (name) => {
    const drawn = views.get(name);
    if (!drawn) return;
    const { rows } = await fetchChart(name);
    for (const [dataset, found] of Object.entries(rows)) replace(drawn.view, dataset, found);
    await drawn.view.resize().runAsync();
  };

  // -- live --------------------------------------------------------------------------------------

  const minute = (at) => (at - windowStart.at) / 60000;

  const takePoint = (view, [at, kw]) => {
    const m = minute(at);
    if (m < 0) return;
    power = [...power.filter((row) => row.m >= 0 && Math.abs(row.m - m) > 1e-3), { m, kw }];
    replace(view, "power", power);
  };

  const takeProjection = (view, [mean, projected], now) => {
    const end = minute(windowStart.end);
    const m = Math.min(end, minute(now));
    replace(view, "mean", [{ m: 0, kw: mean }, { m, kw: mean }]);
    replace(view, "projection", [{ m, kw: mean }, { m: end, kw: projected }]);
    replace(view, "end", [{ m: end, kw: projected }]);
  };

  const take = (fields, now) => {
    const started = fields["c.window_start"];
    const begins = windowStart !== null && started !== undefined && started !== windowStart.at;
    if (started !== undefined) windowStart = { at: started, end: fields["c.window_end"] };
    const fresh = fields["c.version"];
    if (fresh !== undefined && version !== null && fresh !== version) {
      refill("power").catch(() => {});
      refill("half").catch(() => {});
    }
    version = fresh ?? version;
    const view = views.get("window")?.view;
    if (!view || windowStart === null) return;
    if (begins) power = [];
    if (begins) for (const name of ["power", "mean", "projection", "end"]) replace(view, name, []);
    if (fields["c.point"]) takePoint(view, fields["c.point"]);
    if (fields["c.projected"]) takeProjection(view, fields["c.projected"], now);
    view.runAsync();
  };

  window.liveCharts = { draw, take, views };
})();
