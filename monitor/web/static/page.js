"use strict";
// Puts the stream's fields into their places. The server makes every word; here only ages and clocks tick.
(() => {
  const root = document.documentElement;
  const words = root.dataset;
  const find = (selector) => document.querySelector(selector);
  const state = { offset: Number(words.now) - Date.now(), end: Number(words.windowEnd), lastEvent: Date.now() };
  const now = () => Date.now() + state.offset;

  const setText = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  // -- fields ------------------------------------------------------------------------------------

  const showReading = (id, reading) => {
    for (const place of document.querySelectorAll(`[data-r="${id}"]`)) {
      setText(place, reading.v);
      place.dataset.none = reading.v === "—" ? "yes" : "no";
    }
    for (const place of document.querySelectorAll(`[data-n="${id}"]`)) setText(place, reading.n);
    for (const stamp of document.querySelectorAll(`[data-stamp="${id}"]`)) {
      stamp.dataset.at = reading.at ?? "";
      stamp.dataset.st = reading.st;
      stamp.dataset.q = reading.q;
      setText(stamp.querySelector(".note"), reading.n);
      showAge(stamp);
    }
    for (const mark of document.querySelectorAll(`[data-mark="${id}"]`)) {
      Object.assign(mark.dataset, { at: reading.at ?? "", st: reading.st, q: reading.q, note: reading.n });
      showMark(mark);
    }
  };

  const placeMark = (mark, at) => {
    mark.setAttribute("visibility", at === null ? "hidden" : "visible");
    mark.setAttribute("x1", `${at ?? 0}%`);
    mark.setAttribute("x2", `${at ?? 0}%`);
  };

  const showGauge = (gauge) => {
    const svg = find("#gauge");
    svg.setAttribute("aria-label", gauge.label);
    svg.querySelector(".g-used").setAttribute("width", `${gauge.used}%`);
    svg.querySelector(".g-projected").setAttribute("width", `${gauge.projected}%`);
    svg.querySelector(".g-over").setAttribute("x", `${gauge.contract ?? 0}%`);
    svg.querySelector(".g-over").setAttribute("width", `${gauge.over}%`);
    placeMark(svg.querySelector(".g-mean"), gauge.mean);
    placeMark(svg.querySelector(".g-contract"), gauge.contract);
  };

  const showState = (name, value) => {
    for (const place of document.querySelectorAll(`[data-s="${name}"]`)) {
      // What was not known has no chart yet: the server draws the page anew.
      if (name === "half" && place.dataset.state === "none" && value !== "none") location.reload();
      place.dataset.state = value;
    }
  };

  const show = (fields) => {
    for (const [key, value] of Object.entries(fields)) {
      const [kind, name] = [key.slice(0, 1), key.slice(2)];
      if (kind === "r") showReading(name, value);
      else if (kind === "t") document.querySelectorAll(`[data-t="${name}"]`).forEach((e) => setText(e, value));
      else if (key === "s.page") {
        if (document.body.dataset.page !== value) location.reload();
      }
      else if (kind === "s") showState(name, value);
      else if (kind === "h") document.querySelectorAll(`[data-h="${name}"]`).forEach((e) => (e.innerHTML = value));
      else if (kind === "g") showGauge(value);
      else if (kind === "b") find(`[data-b="${name}"]`)?.setAttribute("width", `${value}%`);
      else if (key === "c.window_end") state.end = value;
    }
    window.liveCharts?.take(fields, now());
  };

  // -- what ticks --------------------------------------------------------------------------------

  const ageText = (ms) => {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    for (const [size, pattern] of [[86400, words.ageD], [3600, words.ageH], [60, words.ageMin]]) {
      if (seconds >= 2 * size) return pattern.replace("{n}", Math.floor(seconds / size));
    }
    return words.ageS.replace("{n}", seconds);
  };

  const trust = (place) => {
    const { at, st, q } = place.dataset;
    const age = at === "" ? null : now() - Number(at);
    return [age !== null && age > Number(st) ? "stale" : q, age === null ? words.ageNone : ageText(age)];
  };

  const showMark = (mark) => {
    const [quality, age] = trust(mark);
    const note = mark.dataset.note ? `, ${mark.dataset.note}` : "";
    mark.title = `${mark.dataset.label}: ${words[quality]}, ${age}${note}`;
    mark.setAttribute("aria-label", mark.title);
    mark.querySelector(".q").dataset.q = quality;
  };

  const showAge = (stamp) => {
    const [quality, age] = trust(stamp);
    stamp.dataset.shown = quality;
    stamp.querySelector(".q").dataset.q = quality;
    setText(stamp.querySelector(".quality"), words[quality]);
    setText(stamp.querySelector(".age"), age);
  };

  const two = (n) => String(n).padStart(2, "0");

  const tick = () => {
    document.querySelectorAll("[data-stamp]").forEach(showAge);
    document.querySelectorAll("[data-mark]").forEach(showMark);
    const local = new Date(now() + Number(words.offset) * 60000);
    setText(find("#clock"), `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}:${two(local.getUTCSeconds())}`);
    const left = Math.max(0, Math.floor((state.end - now()) / 1000));
    setText(find("#left"), `${Math.floor(left / 60)}:${two(left % 60)}`);
    for (const place of document.querySelectorAll("[data-until]")) {
      const seconds = Math.max(0, Math.floor((Number(place.dataset.until) - now()) / 1000));
      const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
      setText(place, (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + `:${two(seconds % 60)}`);
    }
  };

  const showLink = (link) => {
    const place = find("#link");
    place.dataset.link = link;
    const live = place.dataset.state === "fresh" ? words.live : words.old;
    setText(place.querySelector(".link-word"), link === "live" ? live : words.lost);
  };

  // -- theme -------------------------------------------------------------------------------------

  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => words.theme ?? (system.matches ? "dark" : "light");
  const themeButton = find("#theme");
  const nameTheme = () => setText(themeButton, theme() === "dark" ? words.light : words.dark);
  const themed = () => {
    nameTheme();
    window.liveCharts?.draw(theme());
  };
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // It holds for this visit.
    }
    themed();
  });
  system.addEventListener("change", themed);

  // -- stream ------------------------------------------------------------------------------------

  const stream = new EventSource(`/api/v1/stream?lang=${words.language}`);
  stream.onopen = () => showLink("live");
  stream.onerror = () => showLink("lost");
  stream.onmessage = (message) => {
    const event = JSON.parse(message.data);
    state.offset = event.now - Date.now();
    show(event.f);
    showLink("live");
    tick();
  };
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  setInterval(tick, 1000);
  tick();
  themed();
})();
