"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("models");
  if (!table) return;
  const body = table.tBodies[0];
  const SVG = "http://www.w3.org/2000/svg";

  // Sorting: numbers largest first on the first click, text from A; the unknown stays last.
  const heads = [...table.tHead.rows[0].cells];
  const sortBy = (head) => {
    if (!head.dataset.sort) return;
    const column = head.cellIndex, numeric = head.dataset.sort === "number";
    const first = numeric && head.textContent !== "Rank" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.classList.contains(first) ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    heads.forEach((h) => h.classList.remove("ascending", "descending"));
    head.classList.add(order);
    const value = (row) => row.cells[column].dataset.value ?? "";
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (numeric ? x - y : x.localeCompare(y, undefined, { numeric: true }));
    });
    body.append(...rows);
  };
  const onPress = (element, act) => {
    element.addEventListener("click", act);
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(); }
    });
  };
  heads.forEach((head) => onPress(head, () => sortBy(head)));

  // The profile of one model, a point per residue.
  const make = (name, attributes, parent, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  };
  const labelsOf = (runs) => runs.flatMap((run) =>
    typeof run === "string" ? [run] : Array.from({ length: run[1] }, (_, i) => String(run[0] + i)));
  const colour = (value) => {
    const stops = data.colours.map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
    const place = Math.min(1, Math.max(0, value)) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    return `rgb(${stops[low].map((a, i) => Math.round(a + (stops[low + 1][i] - a) * (place - low)))})`;
  };

  const left = 34, top = 16, height = 120, strip = 12;
  const draw = (profile) => {
    const count = profile.predicted.length;
    const chart = document.getElementById("chart");
    const width = Math.max(chart.clientWidth - left - 12, count * 2);
    const step = width / Math.max(1, count);
    const x = (at) => left + (at + 0.5) * step;
    const y = (value) => top + height * (1 - value);
    const labels = labelsOf(profile.labels), names = profile.names.split(" ");
    const svg = make("svg", { width: left + width + 12, height: top + height + strip + 28 });
    for (const value of [0, 0.25, 0.5, 0.75, 1]) {
      make("line", { x1: left, x2: left + width, y1: y(value), y2: y(value) }, svg);
      make("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, svg, value);
    }
    profile.chains.forEach(([chain, start, end], number) => {
      if (number) make("line", { class: "chain", x1: x(start - 0.5), x2: x(start - 0.5), y1: top, y2: top + height + strip + 6 }, svg);
      if (profile.chains.length > 1) make("text", { x: (x(start) + x(end - 1)) / 2, y: 11, "text-anchor": "middle" }, svg, `chain ${chain}`);
    });
    const line = (values, name) => {
      let path = "", drawing = false;
      values.forEach((value, at) => {
        if (value < 0) { drawing = false; return; }
        path += `${drawing ? "L" : "M"}${x(at).toFixed(1)} ${y(value / 1000).toFixed(1)}`;
        drawing = true;
      });
      make("path", { class: name, d: path }, svg);
    };
    profile.predicted.forEach((value, at) => {
      if (value >= 0) make("rect", { x: left + at * step, y: top + height + 6, width: step + 0.4, height: strip, fill: colour(value / 1000) }, svg);
    });
    if (profile.true) line(profile.true, "true");
    line(profile.predicted, "predicted");
    const every = Math.max(1, Math.ceil(count / (width / 60)));
    for (let at = 0; at < count; at += every)
      make("text", { x: x(at), y: top + height + strip + 22, "text-anchor": "middle" }, svg, labels[at]);
    const here = document.getElementById("here");
    const say = (value) => (value < 0 ? "not known" : (value / 1000).toFixed(3));
    svg.addEventListener("mousemove", (event) => {
      const at = Math.floor((event.clientX - svg.getBoundingClientRect().left - left) / step);
      if (at < 0 || at >= count) { here.textContent = ""; return; }
      const chain = (profile.chains.find(([, start, end]) => at >= start && at < end) || [""])[0];
      here.textContent = `${names[at]} ${chain ? chain + ":" : ""}${labels[at]}: predicted ${say(profile.predicted[at])}`
        + (profile.true ? `, true ${say(profile.true[at])}` : "");
    });
    svg.addEventListener("mouseleave", () => { here.textContent = ""; });
    chart.replaceChildren(svg);
  };
  const select = (row) => {
    const profile = Object.hasOwn(data.profiles, row.dataset.model) ? data.profiles[row.dataset.model] : null;
    for (const other of body.rows) other.classList.toggle("selected", other === row);
    document.getElementById("detail").hidden = !profile;
    if (!profile) return;
    document.getElementById("detail-name").textContent = row.dataset.model;
    const score = row.querySelector(".score");
    document.getElementById("detail-score").textContent = `predicted CAD ${score.textContent.trim()}`;
    document.getElementById("true-key").hidden = !profile.true;
    draw(profile);
  };
  for (const row of body.rows) onPress(row, () => select(row));
  if (body.rows.length) select(body.rows[0]);
  window.addEventListener("resize", () => {
    const row = body.querySelector("tr.selected");
    if (row) select(row);
  });
})();
